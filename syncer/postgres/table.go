package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// Table is one copy. It implements syncer.Table and syncer.Keeper.
type Table struct {
	db   *Database
	spec row.Spec
	// name is the quoted target; seen, missing and suspect are the quoted
	// bookkeeping of its keys.
	schema, bare                 string
	name, seen, missing, suspect string

	// drift is what all views of the table know of fields that nobody named.
	drift *drift

	mu   sync.Mutex
	form *form // as the catalog last told
}

// Table returns the copy that spec describes, without touching the database.
func (d *Database) Table(spec row.Spec) *Table {
	t := d.view(spec)
	t.drift = &drift{configured: t}
	return t
}

// view is a table as a spec describes it.
func (d *Database) view(spec row.Spec) *Table {
	t := &Table{db: d, spec: spec}
	t.schema, t.bare = d.home, spec.Target
	if schema, bare, ok := strings.Cut(spec.Target, "."); ok {
		t.schema, t.bare = schema, bare
	}
	t.name = pgx.Identifier{t.schema, t.bare}.Sanitize()
	t.seen = d.own(keysTable("seen_", spec.Target))
	t.missing = d.own(keysTable("missing_", spec.Target))
	t.suspect = d.own(keysTable("suspect_", spec.Target))
	return t
}

var hashed = regexp.MustCompile(`_[0-9a-f]{8}$`)

// keysTable names the bookkeeping of a target's keys. Two targets never share
// a name: one that is changed or cut, or looks as if, carries a hash.
func keysTable(prefix, target string) string {
	const limit = 63
	name := prefix + strings.ReplaceAll(target, ".", "_")
	if !strings.Contains(target, ".") && len(name) <= limit && !hashed.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(target))
	return name[:min(len(name), limit-9)] + "_" + hex.EncodeToString(sum[:4])
}
