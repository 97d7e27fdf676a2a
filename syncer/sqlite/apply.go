package sqlite

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// merge is one Apply under way inside its transaction.
type merge struct {
	*Table
	x    *tx
	w    syncer.Walk
	st   state
	done syncer.Applied
	// Whether there is anything at all to look up for each key: versions of
	// deleted keys, records set aside, rows that are missing.
	anyGone, anyAside, anyMissing bool
	// found counts the missing rows that were seen again.
	found int
}

// Apply implements syncer.Table.
func (t *Table) Apply(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	folded := t.strict.Load().Fold(batches, w.Kind.Listing())
	if t.spec.MisfitFails && len(folded.Misfits) > 0 {
		return syncer.Applied{}, &syncer.MisfitError{
			Quarantined: len(folded.Misfits), Records: folded.Records, First: folded.Misfits[0].Why(),
		}
	}
	m := merge{Table: t, w: w}
	err := t.db.write(ctx, func(x *tx) error {
		m.x = x
		return m.apply(folded, batches)
	})
	if err != nil {
		return syncer.Applied{}, fmt.Errorf("apply to %q: %w", t.spec.Target, err)
	}
	return m.done, nil
}

func (m *merge) apply(folded row.Folded, batches []*syncer.Batch) error {
	before, err := m.state(m.x, m.w.Partition)
	if err != nil {
		return err
	}
	m.st = before
	if m.w.Kind.Listing() {
		if err := m.startNotes(m.x, m.w, &m.st); err != nil {
			return err
		}
	}
	if folded.Records > 0 {
		if err := m.records(folded); err != nil {
			return err
		}
	}
	if len(batches) > 0 {
		if err := m.setResume(m.x, &m.st, batches[len(batches)-1].Resume); err != nil {
			return err
		}
	}
	return m.keepWalk(m.x, m.w.Partition, before, m.st)
}

// records merges what was folded into the table. Deletes go first: they make
// room under unique indexes of the consumer's own.
func (m *merge) records(folded row.Folded) error {
	if err := m.look(); err != nil {
		return err
	}
	for _, r := range folded.Deletes {
		if err := m.delete(r); err != nil {
			return fmt.Errorf("delete row %s: %w", r.Key, err)
		}
	}
	for _, r := range folded.Upserts {
		if err := m.upsert(r); err != nil {
			return fmt.Errorf("write row %s: %w", r.Key, err)
		}
	}
	if err := m.setAside(folded.Misfits); err != nil {
		return fmt.Errorf("set records aside: %w", err)
	}
	if m.found > 0 {
		return m.countHeld(m.x, m.w.Partition.Name)
	}
	return nil
}

// look finds out what need not be looked up key by key.
func (m *merge) look() error {
	return m.x.each(`SELECT EXISTS (SELECT 1 FROM "larder_gone" WHERE table_name = ?1),
		EXISTS (SELECT 1 FROM "larder_quarantine" WHERE table_name = ?1 AND partition = ?2),
		EXISTS (SELECT 1 FROM `+quote(m.missing)+` WHERE partition = ?2)`, func(s *sqlite.Stmt) error {
		m.anyGone, m.anyAside, m.anyMissing = s.ColumnInt64(0) != 0, s.ColumnInt64(1) != 0, s.ColumnInt64(2) != 0
		return nil
	}, m.spec.Target, m.w.Partition.Name)
}

func (m *merge) upsert(r row.Row) error {
	key, version := m.key(r), m.version(r)
	seenBefore, err := m.seeing(r.Key, key, version)
	if err != nil {
		return err
	}
	if m.anyGone && m.w.Kind != syncer.Resync {
		gone, err := m.goneVersion(m.x, r.Key)
		if err != nil {
			return err
		}
		if gone != nil && m.spec.Compare(version, gone) < 0 {
			return nil
		}
	}
	held, there, same, err := m.held(r)
	switch {
	case err != nil:
		return err
	case !there:
		m.done.Inserted++
		m.st.rows++
		err = run(m.x.Conn, m.sql.insert, r.Values...)
	case same, m.guarded(seenBefore) && m.spec.Compare(version, held) < 0:
		m.done.Unchanged++
		return nil
	default:
		m.done.Updated++
		err = run(m.x.Conn, m.sql.update, r.Values...)
	}
	if err != nil {
		return err
	}
	m.done.Late = max(m.done.Late, r.Late)
	if m.anyGone {
		return m.x.exec(`DELETE FROM "larder_gone" WHERE table_name = ? AND key = ?`, m.spec.Target, r.Key)
	}
	return nil
}

// seeing does what follows from a key having been seen, whatever becomes of
// its row. It reports whether this walk had seen it before.
func (m *merge) seeing(text string, key []any, version any) (before bool, err error) {
	if err := m.release(text, key); err != nil {
		return false, err
	}
	if !m.w.Kind.Listing() {
		return false, nil
	}
	before, err = m.note(m.x, m.w.Partition.Name, key, version)
	if err == nil && !before {
		m.st.seenCount++
	}
	return before, err
}

// release takes a key out of quarantine and out of what is missing.
func (m *merge) release(text string, key []any) error {
	if m.anyAside {
		err := m.x.exec(`DELETE FROM "larder_quarantine" WHERE table_name = ? AND partition = ? AND key = ?`,
			m.spec.Target, m.w.Partition.Name, text)
		if err != nil {
			return err
		}
	}
	return m.unmiss(key)
}

func (m *merge) unmiss(key []any) error {
	if !m.anyMissing {
		return nil
	}
	err := run(m.x.Conn, m.sql.found, append([]any{m.w.Partition.Name}, key...)...)
	m.found += m.x.Changes()
	return err
}

// guarded reports whether versions decide about a row that is there. A resync
// compares only with what the same walk brought, so that an owner who was
// restored from a backup wins over rows that are newer.
func (m *merge) guarded(seenBefore bool) bool { return m.w.Kind != syncer.Resync || seenBefore }

// held reads the version of the row that has r's key, and whether it is equal
// to r altogether.
func (m *merge) held(r row.Row) (version any, there, same bool, err error) {
	err = each(m.x.Conn, m.sql.look, func(s *sqlite.Stmt) error {
		version, there, same = m.versionColumn(s), true, s.ColumnInt64(1) != 0
		return nil
	}, r.Values...)
	return version, there, same, err
}

func (m *merge) versionColumn(s *sqlite.Stmt) any {
	if m.spec.Version < 0 {
		return nil
	}
	return column(s, 0, m.spec.Columns[m.spec.Version].Type.Kind)
}

func (m *merge) delete(r row.Row) error {
	key, version, partition := m.key(r), m.version(r), m.w.Partition.Name
	var held any
	there := false
	err := each(m.x.Conn, m.sql.held, func(s *sqlite.Stmt) error {
		held, there = m.versionColumn(s), true
		return nil
	}, key...)
	if err != nil {
		return err
	}
	seenBefore := false
	if m.w.Kind.Listing() {
		if seenBefore, err = m.noted(m.x, partition, key); err != nil {
			return err
		}
	}
	if there && version != nil && m.guarded(seenBefore) && m.spec.Compare(version, held) < 0 {
		return nil
	}
	if seenBefore {
		if _, err := m.unnote(m.x, partition, key); err != nil {
			return err
		}
		m.st.seenCount--
	}
	if err := m.release(r.Key, key); err != nil {
		return err
	}
	if err := m.rememberGone(m.x, r.Key, version); err != nil {
		return err
	}
	if !there {
		return nil
	}
	m.done.Deleted++
	m.st.rows--
	m.done.Late = max(m.done.Late, r.Late)
	return run(m.x.Conn, m.sql.remove, key...)
}
