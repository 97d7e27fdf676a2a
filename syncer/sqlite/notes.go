package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// The notes of listing walks are kept in a side file, because they are many,
// live for one walk only, and would otherwise swell the consumer's file. A
// commit over two files in WAL mode is atomic in each but not over both, and
// the side file may be lost altogether: the number of notes stands in the
// consumer's file too, and a walk whose notes do not add up is not swept.

// attachSide attaches the side file as "side". One that is damaged is thrown
// away, for all that it holds can be asked for again.
func (d *Database) attachSide(c *connection) error {
	err := d.tryAttach(c.Conn)
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultNotADB, sqlite.ResultCorrupt:
	default:
		return err
	}
	d.log.Warn().Err(err).Msg("notes of seen keys are damaged; they are thrown away")
	_ = run(c.Conn, "DETACH DATABASE side")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(d.side + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.tryAttach(c.Conn)
}

func (d *Database) tryAttach(c *sqlite.Conn) error {
	if err := run(c, "ATTACH DATABASE ? AS side", d.side); err != nil {
		return err
	}
	for _, statement := range []string{
		"SELECT count(*) FROM side.sqlite_schema",
		"PRAGMA side.journal_mode = WAL",
		"PRAGMA side.synchronous = NORMAL",
	} {
		if err := run(c, statement); err != nil {
			return err
		}
	}
	return nil
}

// openNotes makes the table of notes ready. It may have gone with its file
// since the last transaction.
func (t *Table) openNotes(x *tx) error {
	return x.define("side", "TABLE", t.seen, t.sql.createSeen)
}

// startNotes throws the notes of other walks away, if this walk has none yet.
func (t *Table) startNotes(x *tx, w syncer.Walk, st *state) error {
	if err := t.openNotes(x); err != nil {
		return err
	}
	if st.seenWalk == w.ID {
		return nil
	}
	st.seenWalk, st.seenCount = w.ID, 0
	return t.dropNotes(x, w.Partition.Name)
}

func (t *Table) dropNotes(x *tx, partition string) error {
	return run(x.Conn, t.sql.dropSeen, partition)
}

// note notes a key as seen in this walk and reports whether it was already.
func (t *Table) note(x *tx, partition string, key []any, version any) (before bool, err error) {
	args := append([]any{partition, row.EncodeVersion(version)}, key...)
	if err := run(x.Conn, t.sql.note, args...); err != nil {
		return false, err
	}
	if x.Changes() > 0 {
		return false, nil
	}
	return true, run(x.Conn, t.sql.renote, args...)
}

// unnote takes the note of a key back and reports whether there was one.
func (t *Table) unnote(x *tx, partition string, key []any) (bool, error) {
	err := run(x.Conn, t.sql.unnote, append([]any{partition}, key...)...)
	return x.Changes() > 0, err
}

// noted reports whether this walk has seen a key.
func (t *Table) noted(x *tx, partition string, key []any) (bool, error) {
	n, err := x.count(t.sql.noted, append([]any{partition}, key...)...)
	return n > 0, err
}

// checkNotes is syncer.ErrListLost unless the notes of the walk are whole. A
// walk that has noted nothing leaves an empty list.
func (t *Table) checkNotes(x *tx, w syncer.Walk, st *state) error {
	if err := t.startNotes(x, w, st); err != nil {
		return err
	}
	n, err := x.count(t.sql.countSeen, w.Partition.Name)
	if err != nil {
		return err
	}
	if n != st.seenCount {
		return fmt.Errorf("%w: %d of %d are there", syncer.ErrListLost, n, st.seenCount)
	}
	return nil
}

// reviseNotes makes unfinished walks whose notes are not whole begin again. A
// process that died between the commits of the two files leaves such a walk;
// found here, it costs no poll that goes on in vain.
func (t *Table) reviseNotes(x *tx) error {
	counts := make(map[string]int64)
	err := x.each(`SELECT partition, seen_count FROM "larder_watermark" WHERE table_name = ? AND seen_walk <> ''`, func(s *sqlite.Stmt) error {
		counts[s.ColumnText(0)] = s.ColumnInt64(1)
		return nil
	}, t.spec.Target)
	if err != nil {
		return err
	}
	for partition, want := range counts {
		n, err := x.count(t.sql.countSeen, partition)
		if err != nil {
			return err
		}
		if n == want {
			continue
		}
		t.db.log.Info().Str("table", t.spec.Target).Str("partition", partition).Msg("notes of an unfinished walk are not whole; it begins again")
		if err := t.startAgain(x, partition); err != nil {
			return err
		}
	}
	return nil
}
