package sqlite

import (
	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer/row"
)

// goneVersion is the version at which a key was deleted, nil if none is
// remembered.
func (t *Table) goneVersion(x *tx, key string) (version any, err error) {
	err = x.each(`SELECT version FROM "larder_gone" WHERE table_name = ? AND key = ? AND until > ?`, func(s *sqlite.Stmt) error {
		version = t.spec.DecodeVersion(s.ColumnText(0))
		return nil
	}, t.spec.Target, key, x.now)
	return version, err
}

// rememberGone keeps the version of a deleted key for as long as a late old
// version of it may still come. Told again of the same deletion it writes
// nothing.
func (t *Table) rememberGone(x *tx, key string, version any) error {
	if version == nil || t.spec.Remember <= 0 {
		return nil
	}
	known, err := t.goneVersion(x, key)
	if err != nil || known != nil && t.spec.Compare(version, known) <= 0 {
		return err
	}
	return x.exec(`INSERT INTO "larder_gone" (table_name, key, version, until) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET version = excluded.version, until = excluded.until`,
		t.spec.Target, key, row.EncodeVersion(version), x.ago(-t.spec.Remember))
}

// forgetGone drops what need not be remembered any more.
func (t *Table) forgetGone(x *tx) error {
	return x.exec(`DELETE FROM "larder_gone" WHERE table_name = ? AND until <= ?`, t.spec.Target, x.now)
}
