package postgrestest

import (
	"net/url"
	"strings"
	"testing"
)

// login is what a DSN says about who connects and where to. Empty fields leave the DSN's own.
type login struct{ user, password, database string }

// rewrite puts to into dsn, which is a URL or "key=value key=value", and keeps everything else.
func rewrite(tb testing.TB, dsn string, to login) string {
	tb.Helper()
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return rewriteWords(dsn, to)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal("read the DSN of the test's Postgres: not a URL") // the error would show the password
	}
	query := u.Query()
	if to.user != "" {
		u.User = url.UserPassword(to.user, to.password)
		query.Del("user")
		query.Del("password")
	}
	if to.database != "" {
		u.Path = "/" + to.database
		query.Del("dbname")
		query.Del("database")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// rewriteWords appends, because of a key that is there twice the last counts. The values are
// names of our own making, which need no quotes.
func rewriteWords(dsn string, to login) string {
	if to.user != "" {
		dsn += " user=" + to.user + " password=" + to.password
	}
	if to.database != "" {
		dsn += " dbname=" + to.database
	}
	return dsn
}
