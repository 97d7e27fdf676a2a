package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	// shape is the one that a place in the walk is stored under.
	shape string
	// touching says that a listing walk is under way beside this one for
	// changes, and has to leave alone what is written here.
	touching bool
	// others are the other partitions that are listed right now, and may know
	// the rows still that come to this one, with how much their notes have grown.
	others map[string]int64
	// age is how long ago an audit was sent.
	age time.Duration
	// Whether there is anything at all to look up for each key: versions of
	// deleted keys, records set aside, rows that are missing.
	anyGone, anyAside, anyMissing bool
	// found counts the missing rows that were seen again.
	found int
}

// Apply implements syncer.Table.
func (t *Table) Apply(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	t, folded, err := t.follow(ctx, w, batches)
	if err != nil {
		return syncer.Applied{}, fmt.Errorf("apply to %q: %w", t.spec.Target, err)
	}
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	if now := t.current(); now != t { // another walk added a column since
		t, folded = now, now.strict.Load().Fold(batches, w.Kind.Listing())
	}
	if t.spec.MisfitFails && len(folded.Misfits) > 0 {
		return syncer.Applied{}, &syncer.MisfitError{
			Quarantined: len(folded.Misfits), Records: folded.Records, First: folded.Misfits[0].Why(),
		}
	}
	if w.Kind == syncer.Audit && w.Audit == nil {
		return syncer.Applied{}, fmt.Errorf("apply to %q: %w", t.spec.Target, errNoComparison)
	}
	m := merge{Table: t, w: w, shape: t.drift.begun.WalkShape(w, t.drift.configured.spec, t.spec)}
	var lost error
	err = t.db.write(ctx, func(x *tx) error {
		m.x = x
		err := m.apply(folded, batches)
		if errors.Is(err, syncer.ErrListLost) { // before anything is written
			lost = err
			return t.startAgain(x, w.Partition.Name)
		}
		return err
	})
	if err == nil {
		err = lost
	}
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
	m.st, m.age = before, syncer.Age(m.w.Sent, time.Now())
	if m.w.Kind.Listing() {
		err = m.startNotes(m.x, m.w, &m.st)
	} else if folded.Records > 0 {
		err = m.lookBeside()
	}
	if err != nil {
		return err
	}
	began := m.st.seenCount
	if folded.Records > 0 {
		if err := m.records(folded); err != nil {
			return err
		}
	}
	if n := len(batches); n > 0 {
		if *m.st.slot(m.w.Kind), err = m.save(m.x, batches[n-1].Resume, m.shape); err != nil {
			return err
		}
		if m.w.Kind != syncer.Audit {
			m.st.validator = "" // the copy is not what it names any more
		}
	}
	if err := m.countNotes(began); err != nil {
		return err
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
	misfits := folded.Misfits
	for _, r := range folded.Upserts {
		half, err := m.upsert(r)
		if err != nil {
			return fmt.Errorf("write row %s: %w", r.Key, err)
		}
		if half == nil {
			continue
		}
		if m.spec.MisfitFails {
			return &syncer.MisfitError{Quarantined: 1, Records: folded.Records, First: half.Why()}
		}
		misfits = append(misfits, *half)
	}
	if err := m.setAside(misfits); err != nil {
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
		EXISTS (SELECT 1 FROM `+quote(m.own.missing)+` WHERE partition = ?2)`, func(s *sqlite.Stmt) error {
		m.anyGone, m.anyAside, m.anyMissing = s.ColumnInt64(0) != 0, s.ColumnInt64(1) != 0, s.ColumnInt64(2) != 0
		return nil
	}, m.spec.Target, m.w.Partition.Name)
}

// upsert merges one row. It answers with a misfit where half a row has none to
// add to and the table demands the other half.
func (m *merge) upsert(r row.Row) (*row.Misfit, error) {
	key, version := m.key(r), m.version(r)
	var before noted
	var err error
	if m.w.Kind.Listing() {
		if before, err = m.note(key, version); err != nil {
			return nil, err
		}
	}
	switch {
	case m.w.Kind == syncer.Audit:
		return nil, m.compare(r, key, before)
	case before.touched:
		if newer, err := m.beats(r, key, version, false); err != nil || !newer {
			m.done.Unchanged++
			return nil, err
		}
	}
	lost, err := m.lostToDeletion(r, version)
	if err != nil {
		return nil, err
	}
	if misfit, err := m.complete(&r, key); misfit != nil || err != nil {
		return misfit, err
	}
	if err := m.release(r.Key, key, before.touched); err != nil || lost {
		return nil, err
	}
	held, there, same, err := m.held(r)
	switch {
	case err != nil:
		return nil, err
	case same:
		m.done.Unchanged++
		return nil, m.decide(key, true)
	case there && m.guarded(before) && m.spec.Compare(m.version(r), held) < 0:
		m.done.Unchanged++
		return nil, nil
	}
	if err := m.write(r, there); err != nil {
		return nil, err
	}
	m.done.Late = max(m.done.Late, r.Late)
	return nil, m.decide(key, true)
}

// decide says that a walk has the last word on a key: it is a suspect no more,
// and a listing walk beside one for changes leaves it alone. tells says that
// this goes for the lists of other partitions, too.
func (m *merge) decide(key []any, tells bool) error {
	if err := m.clear(key); err != nil {
		return err
	}
	return m.touch(key, tells)
}

// beats reports whether a list's record of a touched key is newer than the row
// of the key, or than the deletion that is remembered of it.
func (m *merge) beats(r row.Row, key []any, version any, gone bool) (bool, error) {
	if m.spec.Version < 0 {
		return false, nil
	}
	var left any
	known := false
	err := each(m.x.Conn, m.sql.held, func(s *sqlite.Stmt) error {
		left, known = m.versionColumn(s), true
		return nil
	}, key...)
	if err == nil && !known && !gone && m.anyGone {
		left, err = m.goneVersion(m.x, r.Key)
		known = left != nil
	}
	return known && m.spec.Compare(version, left) > 0, err
}

// write writes a row whatever is held, and forgets that it was gone.
func (m *merge) write(r row.Row, there bool) error {
	statement := m.sql.update
	if there {
		m.done.Updated++
	} else {
		m.done.Inserted++
		m.st.rows++
		statement = m.sql.insert
	}
	if err := run(m.x.Conn, statement, r.Values...); err != nil || !m.anyGone {
		return err
	}
	return m.x.exec(`DELETE FROM "larder_gone" WHERE table_name = ? AND key = ?`, m.spec.Target, r.Key)
}

// lostToDeletion reports whether a row is older than the deletion of its key.
func (m *merge) lostToDeletion(r row.Row, version any) (bool, error) {
	untold := r.Absent != nil && m.spec.Version >= 0 && r.Absent[m.spec.Version]
	if !m.anyGone || m.w.Kind == syncer.Resync || untold {
		return false, nil
	}
	gone, err := m.goneVersion(m.x, r.Key)
	return gone != nil && m.spec.Compare(version, gone) < 0, err
}

// complete gives a partial row the values that are held of the columns it does
// not tell of. Where no row is held they are null, which not every column is.
func (m *merge) complete(r *row.Row, key []any) (*row.Misfit, error) {
	if r.Absent == nil {
		return nil, nil
	}
	values, there := slices.Clone(r.Values), false
	err := each(m.x.Conn, m.sql.whole, func(s *sqlite.Stmt) error {
		there = true
		for i, absent := range r.Absent {
			switch {
			case absent && i == m.spec.Version:
				values[i] = column(s, i, m.spec.Columns[i].Type.Kind)
			case absent:
				values[i] = raw(s, i)
			}
		}
		return nil
	}, key...)
	if err != nil {
		return nil, err
	}
	for i, absent := range r.Absent {
		if c := m.strict.Load().Columns[i]; absent && !there && c.NotNull {
			return &row.Misfit{
				Key: r.Key, Readable: true, KeyValues: key, Column: c.Name,
				Reason: "is missing, and there is no row that has it", Record: m.spec.Record(r.Values),
			}, nil
		}
	}
	r.Values = values
	return nil, nil
}

// release takes a key out of quarantine and out of what is missing. Of a touched
// key a change may be set aside that is newer than the list.
func (m *merge) release(text string, key []any, touched bool) error {
	if m.anyAside && !touched {
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
func (m *merge) guarded(before noted) bool { return m.w.Kind != syncer.Resync || before.seen }

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
	key, version := m.key(r), m.version(r)
	if left, err := m.leaves(r, key); left || err != nil {
		return err
	}
	var before noted
	var err error
	if m.w.Kind.Listing() {
		if before, err = m.noted(key); err != nil {
			return err
		}
	}
	if m.w.Kind == syncer.Audit {
		return m.unnote(key) // as if the owner did not have it
	}
	if before.touched {
		if newer, err := m.beats(r, key, version, true); err != nil || !newer {
			return err
		}
	}
	there, older, err := m.loses(r, key, version)
	if err != nil || older && m.guarded(before) {
		return err
	}
	if before.seen {
		if err := m.unnote(key); err != nil {
			return err
		}
	}
	if err := m.release(r.Key, key, before.touched); err != nil {
		return err
	}
	if there || !r.Turned {
		if err := m.rememberGone(m.x, r.Key, version); err != nil {
			return err
		}
	}
	// That a key is gone tells other partitions nothing, unless a version says
	// since when.
	if err := m.decide(key, version != nil); err != nil || !there {
		return err
	}
	m.done.Deleted++
	m.st.rows--
	m.done.Late = max(m.done.Late, r.Late)
	return run(m.x.Conn, m.sql.remove, m.cutting(m.x, key...)...)
}

// loses reports whether there is a row that a delete is about, and whether that
// is newer. A tombstone without version is never older; a record that is turned
// down has the version that it has.
func (m *merge) loses(r row.Row, key []any, version any) (there, older bool, err error) {
	err = each(m.x.Conn, m.sql.held, func(s *sqlite.Stmt) error {
		there = true
		older = (version != nil || r.Turned) && m.spec.Compare(version, m.versionColumn(s)) < 0
		return nil
	}, key...)
	return there, older, err
}
