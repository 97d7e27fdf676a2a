package sqlite

import (
	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// since is from when on deletions may not have been seen: earliest, 0 for
// never, and how many rows are missing since nobody knows when.
type since struct {
	earliest instant
	unknown  int64
}

// absentSince reads since when rows are missing, or, from the suspects, are the
// copy's alone.
func (t *Table) absentSince(x *tx, partition string, from ...string) (out since, err error) {
	for _, query := range from {
		err := each(x.Conn, query, func(s *sqlite.Stmt) error {
			out.unknown += s.ColumnInt64(0)
			if at := instant(s.ColumnFloat(1)); at != 0 && (out.earliest == 0 || at < out.earliest) {
				out.earliest = at
			}
			return nil
		}, partition)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// upTo is the least of asOf and of the instants up to which what is missing is
// known to have been there; held while one of those is not known.
func (s since) upTo(asOf, held instant) instant {
	switch {
	case s.unknown > 0:
		return held
	case s.earliest == 0:
		return asOf
	}
	return min(asOf, s.earliest)
}

// listed is up to when the last list that counts tells what there is; 0 where
// none does.
type listed struct {
	asOf instant
	// audited says that what audits suspect counts, too: no walk has come since.
	audited bool
}

// moveDeletes brings the delete as-of to what a walk has proven. Where the feed
// tells of deletions that is the as-of of the copy, and never later than what is
// held allows, even if it was before an audit found that; where only lists do,
// the list's own.
func (t *Table) moveDeletes(x *tx, partition string, st *state, list listed) error {
	from := []string{t.sql.present}
	switch {
	case t.spec.Keep:
		st.deletesAsOf = st.asOf
		return nil
	case t.spec.Budget.Deletes <= 0:
		missing, err := t.absentSince(x, partition, from...)
		if err == nil {
			st.deletesAsOf = missing.upTo(st.asOf, st.deletesAsOf)
		}
		return err
	case list.asOf == 0:
		return nil
	case list.audited:
		from = append(from, t.sql.presentSuspects)
	}
	missing, err := t.absentSince(x, partition, from...)
	if err == nil {
		st.forward(x, missing.upTo(list.asOf, st.deletesAsOf))
	}
	return err
}

// proveDeletes moves the delete as-of to what an audit of asOf proves.
func (m *merge) proveDeletes(asOf instant) error {
	if m.spec.Keep {
		return nil // it follows as-of
	}
	absent, err := m.absentSince(m.x, m.w.Partition.Name, m.sql.present, m.sql.presentSuspects)
	if err == nil {
		m.st.forward(m.x, absent.upTo(asOf, m.st.deletesAsOf))
	}
	return err
}

// forward moves the delete as-of, but not back, unless the database's clock
// was set back.
func (st *state) forward(x *tx, to instant) {
	if st.deletesAsOf > x.now {
		st.deletesAsOf = to
	}
	st.deletesAsOf = max(st.deletesAsOf, to)
}

// ages is the table's budget in plain ages of a partition that stands so.
func (t *Table) ages(x *tx, st *state) syncer.Budget {
	if t.spec.Budget.Grace.IsZero() {
		return t.spec.Budget
	}
	return t.spec.Budget.Of(syncer.Standing{AsOf: st.asOf.local(x.now), DeletesAsOf: st.deletesAsOf.local(x.now), FirstSeen: st.firstSeen.local(x.now)})
}

// deadlines are when the copy's staleness passes its budget, if nothing moves.
func (t *Table) deadlines(x *tx, st *state) (warn, critical instant) {
	b := t.ages(x, st)
	switch {
	case st.asOf == 0 || st.deletesAsOf == 0:
		return 0, 0
	case b.Deletes > 0:
		return st.asOf.after(b.Warn), min(st.asOf.after(b.Critical), st.deletesAsOf.after(b.Deletes))
	}
	proven := min(st.asOf, st.deletesAsOf)
	return proven.after(b.Warn), proven.after(b.Critical)
}
