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
// the side file may be lost altogether. So what the notes add up to stands in
// both files. Every batch of a listing walk compares the two numbers, because
// without the notes it would not know which rows are newer than the list, and a
// walk whose notes themselves do not add up to them is not swept.

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

// openNotes makes the tables of notes and lists ready. They may have gone with
// their file since the last transaction.
func (t *Table) openNotes(x *tx) error {
	if err := x.define("side", "TABLE", t.own.list, t.sql.createList); err != nil {
		return err
	}
	return x.define("side", "TABLE", t.own.seen, t.sql.createSeen)
}

// startNotes throws the notes of other walks away, if this walk has none yet,
// and what an audit had counted with them. Those that it has it checks.
func (t *Table) startNotes(x *tx, w syncer.Walk, st *state) error {
	if err := t.openNotes(x); err != nil {
		return err
	}
	if st.seenWalk == w.ID {
		there, err := t.listIs(x, w.Partition.Name, *st)
		if err == nil && !there {
			err = fmt.Errorf("%w: the side file has not the %d of the last batch", syncer.ErrListLost, st.seenCount)
		}
		return err
	}
	st.seenWalk, st.seenCount, st.tally = w.ID, 0, tally{}
	if err := t.dropNotes(x, w.Partition.Name); err != nil {
		return err
	}
	return run(x.Conn, t.sql.startList, w.Partition.Name, w.ID)
}

// lists are the listing walks under way, by partition: which they are, and how
// many notes they have.
func (t *Table) lists(x *tx) (map[string]state, error) {
	lists := make(map[string]state)
	err := x.each(`SELECT partition, seen_walk, seen_count FROM "larder_watermark" WHERE table_name = ? AND seen_walk <> ''`, func(s *sqlite.Stmt) error {
		lists[s.ColumnText(0)] = state{seenWalk: s.ColumnText(1), seenCount: s.ColumnInt64(2)}
		return nil
	}, t.spec.Target)
	return lists, err
}

// listIs reports whether the side file is where the last transaction left it:
// it names the same walk and number of notes, and is not empty against that
// number. It counts nothing.
func (t *Table) listIs(x *tx, partition string, st state) (bool, error) {
	n, err := x.count(t.sql.listIs, partition, st.seenWalk, st.seenCount)
	return n != 0, err
}

func (t *Table) dropNotes(x *tx, partition string) error {
	if err := run(x.Conn, t.sql.dropList, partition); err != nil {
		return err
	}
	return run(x.Conn, t.sql.dropSeen, partition)
}

// noteSum is what the notes of a partition add up to: one for each key, and one
// more where a walk for changes wrote it, so that neither is lost unnoticed.
func (t *Table) noteSum(x *tx, partition string) (int64, error) {
	return x.count(t.sql.sumSeen, partition)
}

// noted is what is noted of a key.
type noted struct {
	// seen says that this walk has met the key before, or touched says that a
	// walk for changes has written it since this one began.
	seen, touched bool
}

// note notes a key as seen in this walk and tells what was noted before.
func (m *merge) note(key []any, version any) (noted, error) {
	args := append([]any{m.w.Partition.Name, row.EncodeVersion(version)}, key...)
	if err := run(m.x.Conn, m.sql.note, args...); err != nil {
		return noted{}, err
	}
	if m.x.Changes() > 0 {
		m.st.seenCount++
		return noted{}, nil
	}
	n, err := m.noted(key)
	if err != nil || n.touched {
		return n, err
	}
	return n, run(m.x.Conn, m.sql.renote, args...)
}

// noted reads what is noted of a key.
func (m *merge) noted(key []any) (n noted, err error) {
	err = each(m.x.Conn, m.sql.noted, func(s *sqlite.Stmt) error {
		n = noted{seen: true, touched: s.ColumnBool(0)}
		return nil
	}, append([]any{m.w.Partition.Name}, key...)...)
	return n, err
}

// unnote takes the note of a key back that no other walk has touched.
func (m *merge) unnote(key []any) error {
	err := run(m.x.Conn, m.sql.unnote, append([]any{m.w.Partition.Name}, key...)...)
	m.st.seenCount -= int64(m.x.Changes())
	return err
}

// lookBeside finds the lists that a walk for changes goes on beside: that of its
// own partition, and, where the key does not tell partitions apart, the others.
// One whose notes are lost is none: a new note could pass for them when the list
// goes on.
func (m *merge) lookBeside() error {
	own := m.w.Partition
	lists := make(map[string]state)
	if m.st.seenWalk != "" {
		lists[own.Name] = m.st
	}
	if !m.spec.KeyTells(own) {
		var err error
		if lists, err = m.lists(m.x); err != nil {
			return err
		}
	}
	if len(lists) == 0 {
		return nil
	}
	if err := m.openNotes(m.x); err != nil {
		return err
	}
	m.others = make(map[string]int64)
	for partition, st := range lists {
		there, err := m.listIs(m.x, partition, st)
		switch {
		case err != nil:
			return err
		case !there:
		case partition == own.Name:
			m.touching = true
		default:
			m.others[partition] = 0
		}
	}
	return nil
}

// touch notes that a walk for changes has had the last word on a key, where
// listing walks are under way, which then leave it alone.
func (m *merge) touch(key []any, tells bool) error {
	if m.touching {
		n, err := m.touchIn(m.w.Partition.Name, key)
		if err != nil {
			return err
		}
		m.st.seenCount += n
	}
	if !tells {
		return nil
	}
	for other := range m.others {
		n, err := m.touchIn(other, key)
		if err != nil {
			return err
		}
		m.others[other] += n
	}
	return nil
}

// touchIn touches a key of one partition and returns by how much its notes grow.
func (m *merge) touchIn(partition string, key []any) (int64, error) {
	args := append([]any{partition}, key...)
	if err := run(m.x.Conn, m.sql.touch, args...); err != nil || m.x.Changes() > 0 {
		return 2, err
	}
	err := run(m.x.Conn, m.sql.retouch, args...)
	return int64(m.x.Changes()), err
}

// countNotes stores by how much the notes have grown: of the walk's own
// partition, where before is how many they were, the rest is stored with it.
func (m *merge) countNotes(before int64) error {
	if n := m.st.seenCount - before; n != 0 {
		if err := run(m.x.Conn, m.sql.growList, m.w.Partition.Name, n); err != nil {
			return err
		}
	}
	for other, n := range m.others {
		if n == 0 {
			continue
		}
		err := m.x.exec(`UPDATE "larder_watermark" SET seen_count = seen_count + ? WHERE table_name = ? AND partition = ?`, n, m.spec.Target, other)
		if err != nil {
			return err
		}
		if err := run(m.x.Conn, m.sql.growList, other, n); err != nil {
			return err
		}
	}
	return nil
}

// checkNotes is syncer.ErrListLost unless the notes of the walk are whole. A
// walk that has noted nothing leaves an empty list.
func (t *Table) checkNotes(x *tx, w syncer.Walk, st *state) error {
	if err := t.startNotes(x, w, st); err != nil {
		return err
	}
	n, err := t.noteSum(x, w.Partition.Name)
	if err != nil {
		return err
	}
	if n != st.seenCount {
		return fmt.Errorf("%w: of %d only %d are there", syncer.ErrListLost, st.seenCount, n)
	}
	return nil
}

// reviseNotes makes unfinished walks whose notes are not whole begin again. A
// process that died between the commits of the two files leaves such a walk;
// found here, it costs no poll that goes on in vain.
func (t *Table) reviseNotes(x *tx) error {
	lists, err := t.lists(x)
	if err != nil {
		return err
	}
	for partition, st := range lists {
		there, err := t.listIs(x, partition, st)
		if err != nil {
			return err
		}
		n, err := t.noteSum(x, partition)
		if err != nil {
			return err
		}
		if there && n == st.seenCount {
			continue
		}
		t.db.log.Info().Str("table", t.spec.Target).Str("partition", partition).Msg("notes of an unfinished walk are not whole; it begins again")
		if err := t.startAgain(x, partition); err != nil {
			return err
		}
	}
	return nil
}

// startAgain makes the next listing walk begin from its start, because the
// notes of this one are not whole.
func (t *Table) startAgain(x *tx, partition string) error {
	return x.exec(`UPDATE "larder_watermark" SET list_resume = NULL, list_sent = NULL, seen_walk = '', seen_count = 0
		WHERE table_name = ? AND partition = ?`, t.spec.Target, partition)
}
