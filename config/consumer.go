package config

import (
	"net/url"
	"strings"
)

// maxIdentifier is what Postgres keeps of a name, in bytes.
const maxIdentifier = 63

// Consumer is a service with its own database, where copies live.
type Consumer struct {
	Name        string
	KeyPath     string
	Database    Database
	Bookkeeping string // the schema of larder's own tables; a prefix in SQLite
	Connections int
}

func (c *Consumer) name() string { return c.Name }

// Database is where a consumer's tables are: in a SQLite file, or in Postgres.
type Database struct {
	File     string // of SQLite, absolute or relative to the working folder
	Postgres Secret // a postgres:// URL; it holds the password
	Shown    string // the same without user, password and parameters
}

// IsSQLite reports whether the database is a file.
func (d Database) IsSQLite() bool { return d.File != "" }

func (d Database) String() string { return d.Shown }

func (r *reader) consumer(n *node) *Consumer {
	c := defaultConsumer(n.key)
	s, ok := r.section(n)
	if !ok {
		return c
	}
	if db := s.need("database", `"postgres://…" or "sqlite:FILE"`); db != nil {
		c.Database = r.database(db)
	}
	if b := s.child("bookkeeping"); b != nil {
		s.text("bookkeeping", &c.Bookkeeping)
		r.identifier(b, c.Bookkeeping)
	}
	s.integer("connections", &c.Connections)
	return c
}

// database reads a DSN. It is never repeated in a mistake: it holds a password.
func (r *reader) database(n *node) Database {
	dsn, ok := r.text(n)
	if !ok {
		return Database{}
	}
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		switch {
		case strings.HasPrefix(file, "//"):
			r.wrong(n, `has slashes like a URL; write "sqlite:FILE", with a path from the config's folder or from /`)
		case file == "" || strings.ContainsAny(file, "?\x00"):
			r.wrong(n, `names no file; write "sqlite:FILE", with a path from the config's folder or from /`)
		}
		file = r.resolve(file)
		return Database{File: file, Shown: "sqlite:" + file}
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		r.wrong(n, `is of no known kind; write "postgres://HOST/NAME" or "sqlite:FILE"`)
		return Database{}
	}
	u, err := url.Parse(dsn)
	if err != nil {
		r.wrong(n, "does not parse as a URL; percent-encode special characters of the password")
		return Database{}
	}
	return Database{Postgres: NewSecret(dsn), Shown: "postgres://" + u.Host + u.Path}
}

// identifier checks the name of a table, column or schema as every database takes it.
func (r *reader) identifier(n *node, name string) bool {
	switch {
	case name == "":
		r.wrong(n, "is empty; write a name")
	case len(name) > maxIdentifier:
		r.wrong(n, "the name has %d bytes; databases keep %d", len(name), maxIdentifier)
	case strings.ContainsRune(name, 0):
		r.wrong(n, "the name holds a NUL character")
	default:
		return true
	}
	return false
}
