package sqlite

import (
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

var (
	errNoComparison = errors.New("an audit does not say how it compares")
	errNotListed    = errors.New("owner cannot list everything, and what it does not list cannot be audited")
)

// tally is what an audit under way has compared, found and repaired. Rows that
// only the copy has are found at its end.
type tally struct{ compared, missing, different, repaired int64 }

// compare holds a record of the owner against the row of its key.
func (m *merge) compare(r row.Row, key []any, before noted) error {
	c := m.w.Audit
	out := c.Compare == syncer.CompareSample && !row.InSample(r.Key, c.Sample, c.Samples)
	if out || before.touched {
		return nil
	}
	if !before.seen {
		m.st.tally.compared++
	}
	_, there, same, err := m.held(r)
	if err != nil {
		return err
	}
	if same || there && c.Compare == syncer.CompareKeys {
		m.done.Unchanged++
		return m.clear(key)
	}
	found := suspect{kind: isMissing, theirs: m.spec.Digest(r)}
	if there {
		found.kind = isDifferent
		if found.ours, err = m.digestOf(key); err != nil {
			return err
		}
	}
	counts, err := m.suspect(key, found, 0)
	if err != nil || !counts || before.seen {
		return err // a key that the list has twice counts once
	}
	if there {
		m.st.tally.different++
	} else {
		m.st.tally.missing++
	}
	if !c.Repair {
		return m.count(key)
	}
	return m.repair(r, key, there)
}

// repair writes what the owner has.
func (m *merge) repair(r row.Row, key []any, there bool) error {
	m.st.tally.repaired++
	if err := m.release(r.Key, key, false); err != nil {
		return err
	}
	if err := m.write(r, there); err != nil {
		return err
	}
	return m.clear(key)
}

func (m *merge) digestOf(key []any) (ours string, err error) {
	err = each(m.x.Conn, m.sql.whole, func(s *sqlite.Stmt) error {
		ours = digest(s, 0)
		return nil
	}, key...)
	return ours, err
}

// settleAudit writes what an audit came to. It moves neither position nor
// as-of: only up to when deletions are proven, and up to when the copy is.
func (t *Table) settleAudit(x *tx, w syncer.Walk, s syncer.Settlement, st *state) (syncer.Settled, error) {
	m := &merge{Table: t, x: x, w: w, st: *st, age: syncer.Age(w.Sent, time.Now())}
	asOf := x.ago(m.age + s.Lag + s.End.Age)
	scope, err := t.scope(w.Partition)
	if err != nil {
		return syncer.Settled{}, err
	}
	out := syncer.Settled{Audit: &syncer.Audited{}}
	if m.st.rows, err = x.count(t.sql.countRows, scope...); err != nil {
		return out, err
	}
	scope = t.from(scope, st.floor)
	if err := m.dismiss(scope); err != nil {
		return out, fmt.Errorf("forget what does not differ any more: %w", err)
	}
	if !t.spec.Keep {
		if err := m.extras(scope, out.Audit); err != nil {
			return out, fmt.Errorf("find what only the copy has: %w", err)
		}
	}
	if err := m.audited(asOf, &out); err != nil {
		return out, err
	}
	*st = m.st
	return out, nil
}

// dismiss forgets the suspects that the list does not bear out, and what is
// missing no more; of rows that are kept none is.
func (m *merge) dismiss(scope []any) error {
	partition := m.w.Partition.Name
	if m.spec.Keep {
		for _, forget := range []string{m.sql.anyExtra, m.sql.forgetMissing} {
			if err := run(m.x.Conn, forget, partition); err != nil {
				return err
			}
		}
	}
	for _, forget := range []string{m.sql.settled, m.sql.back} {
		if err := run(m.x.Conn, forget, append([]any{partition}, scope...)...); err != nil {
			return err
		}
	}
	return nil
}

// extras finds the rows that the walk has not seen, and deletes those that
// count if it may.
func (m *merge) extras(scope []any, out *syncer.Audited) error {
	partition, c := m.w.Partition.Name, m.w.Audit
	err := each(m.x.Conn, m.sql.extras, func(s *sqlite.Stmt) error {
		if !m.sampled(s) {
			return nil
		}
		key := make([]any, len(m.spec.Key))
		for n := range key {
			key[n] = raw(s, n)
		}
		found := suspect{kind: isExtra, ours: digest(s, len(key))}
		counts, err := m.suspect(key, found, m.st.auditAsOf)
		if err != nil || !counts {
			return err
		}
		return m.count(key)
	}, append([]any{partition}, scope...)...)
	if err != nil {
		return err
	}
	n, err := m.x.count(m.sql.countExtras, partition, m.w.ID)
	out.Extra = int(n)
	if err != nil || n == 0 || !c.Repair {
		return err
	}
	inList, err := m.x.count(m.sql.countRows, scope...)
	if err != nil {
		return err
	}
	if m.spec.Guard.Holds(int(n), int(inList)) {
		out.Held = int(n)
		return run(m.x.Conn, m.sql.holdExtras, partition, m.w.ID, m.spec.Confirm)
	}
	if err := run(m.x.Conn, m.sql.deleteExtras, m.cutting(m.x, partition, m.w.ID)...); err != nil {
		return err
	}
	m.st.rows -= n
	m.st.tally.repaired += n
	if err := run(m.x.Conn, m.sql.presentExtras, partition, m.w.ID); err != nil {
		return err
	}
	return run(m.x.Conn, m.sql.forgetExtras, partition, m.w.ID)
}

// audited counts what was found and stores what it proves.
func (m *merge) audited(asOf instant, out *syncer.Settled) (err error) {
	partition, found := m.w.Partition.Name, out.Audit
	if err := m.recount(); err != nil {
		return err
	}
	err = each(m.x.Conn, m.sql.undecided, func(s *sqlite.Stmt) error {
		if m.sampled(s) {
			found.Suspects++
		}
		return nil
	}, partition, m.w.ID)
	if err != nil {
		return err
	}
	var waiting int64
	if m.st.held, waiting, err = m.absent(m.x, partition); err != nil {
		return err
	}
	found.Compared, found.Missing, found.Different = int(m.st.tally.compared), int(m.st.tally.missing), int(m.st.tally.different)
	found.Repaired = int(m.st.tally.repaired)
	err = m.x.each(`SELECT count(*) FROM "larder_quarantine" WHERE table_name = ? AND partition = ?`, func(s *sqlite.Stmt) error {
		found.Quarantined = s.ColumnInt(0)
		return nil
	}, m.spec.Target, partition)
	if err != nil {
		return err
	}
	if m.w.Audit.Compare != syncer.CompareSample { // which proves nothing of the others
		m.st.auditAsOf = asOf
		if err := m.proveDeletes(asOf); err != nil {
			return err
		}
		if m.st.suspects == 0 && m.st.held+waiting == 0 {
			m.st.provenAsOf = max(m.st.provenAsOf, asOf)
			found.Proven = asOf.local(m.x.now)
		}
	}
	m.st.audited = m.x.ago(m.age)
	return m.storeAudit(found)
}

// recount counts the suspects again, after statements about many.
func (m *merge) recount() (err error) {
	m.st.suspects, err = m.x.count(m.sql.countSuspects, m.w.Partition.Name)
	return err
}

// storeAudit is the one update of a settled audit.
func (m *merge) storeAudit(found *syncer.Audited) error {
	if err := m.dropNotes(m.x, m.w.Partition.Name); err != nil {
		return err
	}
	warnAt, criticalAt := m.deadlines(m.x, &m.st)
	return m.x.exec(`UPDATE "larder_watermark" SET list_resume = NULL, list_sent = NULL, seen_walk = '', seen_count = 0,
			audit_error = '', proven_as_of = ?, audited = ?, audit_as_of = ?, audit_compared = ?, audit_found = ?, audit_left = ?,
			deletes_as_of = ?, warn_at = ?, critical_at = ?, "rows" = ?, held = ?, suspects = ?,
			walk_compared = 0, walk_missing = 0, walk_different = 0, walk_repaired = 0
		WHERE table_name = ? AND partition = ?`,
		m.st.provenAsOf, m.st.audited, m.st.auditAsOf, found.Compared, found.Found(), found.Left(),
		m.st.deletesAsOf, warnAt, criticalAt, m.st.rows, m.st.held, m.st.suspects,
		m.spec.Target, m.w.Partition.Name)
}
