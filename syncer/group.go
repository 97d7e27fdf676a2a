package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// standingTime and callTime bound one call of a table, so that a database that
// swallows packets does not stall the feed's other tables. A sweep of a large
// table may take minutes.
const (
	standingTime = 30 * time.Second
	callTime     = 6 * time.Minute
)

// stopGrace is how long a transaction in hand may still take when the daemon
// is told to stop.
const stopGrace = 30 * time.Second

// A walk of which more than misfitShare, and more than misfitFloor, records do
// not fit fails. It is judged at the end, and earlier once misfitEarly records
// were set aside, so that a changed owner cannot fill the quarantine.
const (
	misfitShare = 0.05
	misfitFloor = 10
	misfitEarly = 1000
)

// group is the tables that take part in one walk. A table that fails drops out
// and never fails the others; it joins the next walk.
type group struct {
	members []*member
	// absent are tables that could not take part.
	absent []TableReport
	// end is what the walk proved; nil while it did not.
	end     *End
	records int
	began   time.Time
	// found says of each slot whether any record of the walk has it.
	found []bool
	// snapshot is that of the feed.
	snapshot bool
}

// muster reads where every table of the feed stands, all at once, so that one
// database that is down does not delay the others.
func (f *Feed) muster(ctx context.Context, p Partition) *group {
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	g := &group{began: time.Now(), snapshot: f.Snapshot}
	for _, c := range f.Copies {
		g.members = append(g.members, &member{copy: c, report: TableReport{Table: c.Name}})
	}
	g.each(func(m *member) (err error) {
		if m.term, err = m.copy.term(); err == nil {
			m.standing, err = m.copy.Table.Standing(ctx, p)
		}
		if err == nil {
			m.copy.note(p, m.standing, nil)
		}
		return err
	})
	present := g.members[:0]
	for _, m := range g.members {
		switch {
		case m.err != nil:
			m.report.Failure = failureOf(m.err)
			g.absent = append(g.absent, m.report)
		case !m.standing.Paused:
			present = append(present, m)
		}
	}
	g.members = present
	return g
}

// apply hands the batches to every table that is left, all at once, and waits
// for all. It outlives a stop by stopGrace: the batch in hand commits.
func (g *group) apply(ctx context.Context, batches []*Batch) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	for _, b := range batches {
		g.records += len(b.Records)
	}
	g.each(func(m *member) error {
		if err := m.inTerm(); err != nil {
			return err
		}
		a, err := m.copy.Table.Apply(ctx, m.walk, m.own(batches))
		if err != nil {
			return fmt.Errorf("apply %s: %w", m.copy.Name, err)
		}
		m.report.Applied.Add(a)
		return g.misfits(m, misfitEarly)
	})
}

// inTerm is ErrFenced if the lease was lost since the walk began: what the walk
// knows of the table may not be so any more, and neither may its notes.
func (m *member) inTerm() error {
	if now, _ := m.copy.term(); now != m.term {
		return fmt.Errorf("go on with %s: %w", m.copy.Name, ErrFenced)
	}
	return nil
}

// find notes which slots the records have.
func (g *group) find(batches []*Batch) {
	for _, b := range batches {
		for _, record := range b.Records {
			for slot, raw := range record.Slots {
				if slot >= len(g.found) {
					g.found = append(g.found, false)
				}
				g.found[slot] = g.found[slot] || raw != nil
			}
		}
	}
}

// own returns the batches with a Resume of the kind in which this member
// applies them: a source knows only the kind in which it is asked, and a table
// that took a walk for changes must not go on with it as a resync.
func (m *member) own(batches []*Batch) []*Batch {
	last := *batches[len(batches)-1]
	if last.Resume == nil || last.Resume.Kind == m.walk.Kind {
		return batches
	}
	resume := *last.Resume
	resume.Kind = m.walk.Kind
	last.Resume = &resume
	return append(slices.Clone(batches[:len(batches)-1]), &last)
}

// misfits fails a table of whose records more than the allowed share, and more
// than floor, do not fit.
func (g *group) misfits(m *member, floor int) error {
	q := m.report.Applied.Quarantined
	if q > floor && float64(q) > misfitShare*float64(g.records) {
		return &MisfitError{Quarantined: q, Records: g.records}
	}
	return nil
}

// settle writes down, for every table, what the walk came to. walkErr is why
// it did not reach the end; a walk that was stopped leaves no trace but the
// positions that were applied.
func (g *group) settle(ctx context.Context, f *Feed, walkErr error, next time.Time) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	if g.end != nil && walkErr == nil {
		g.each(func(m *member) error {
			if err := errors.Join(m.inTerm(), g.misfits(m, misfitFloor)); err != nil {
				return err
			}
			s := Settlement{End: g.end, Lag: f.Lag, Late: m.report.Applied.Late, Began: g.began, Next: next}
			settled, err := m.copy.Table.Settle(ctx, m.walk, s)
			if err != nil {
				return fmt.Errorf("settle %s: %w", m.copy.Name, err)
			}
			m.settled(settled)
			return nil
		})
	}
	var wg sync.WaitGroup
	for _, m := range g.members {
		if m.err == nil && walkErr != nil {
			m.err = cmp.Or(m.inTerm(), g.misfits(m, misfitFloor), walkErr)
		}
		wg.Go(func() { m.fail(ctx, g.began, next) })
	}
	wg.Wait()
}

// settled notes a success.
func (m *member) settled(s Settled) {
	m.report.Settled = s
	st := m.standing
	st.AsOf, st.DeletesAsOf, st.LastPoll = s.AsOf, s.DeletesAsOf, time.Now()
	m.copy.note(m.walk.Partition, st, nil)
}

// fail writes down why a table did not settle. A fenced table cannot, and a
// stop is no failure of anybody.
func (m *member) fail(ctx context.Context, began, next time.Time) {
	m.report.Kind = m.walk.Kind
	err := m.err
	m.report.Failure = failureOf(err)
	if err == nil || errors.Is(err, ErrFenced) || m.report.Failure.Class == ClassStopped {
		return
	}
	m.copy.note(m.walk.Partition, m.standing, m.report.Failure)
	noteErr := m.try(func() error {
		_, err := m.copy.Table.Settle(ctx, m.walk, Settlement{Failure: m.report.Failure, Began: began, Next: next})
		return err
	})
	if noteErr != nil && m.report.Failure.Class != ClassDatabase {
		// The one that the copy keeps is read by the watcher.
		m.report.Failure = &Failure{Class: m.report.Failure.Class, Text: oneLine(m.report.Failure.Text + "; note it: " + noteErr.Error())}
	}
}

// each runs do for every member that is left, at once; a member whose do fails
// or panics is out.
func (g *group) each(do func(*member) error) {
	var wg sync.WaitGroup
	for _, m := range g.members {
		if m.err != nil {
			continue
		}
		wg.Go(func() { m.err = m.try(func() error { return do(m) }) })
	}
	wg.Wait()
}

// try turns a panic of a table into its failure.
func (m *member) try(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s panics: %v", m.copy.Name, r)
		}
	}()
	return do()
}

// anyLeft reports whether any table still takes part.
func (g *group) anyLeft() bool {
	for _, m := range g.members {
		if m.err == nil {
			return true
		}
	}
	return false
}

// forgetResume makes the next walk start from the watermark.
func (g *group) forgetResume() {
	for _, m := range g.members {
		m.standing.Position.Resume = nil
	}
}

func (g *group) reports() []TableReport {
	all := g.absent
	for _, m := range g.members {
		all = append(all, m.report)
	}
	return all
}

// withGrace returns a context for one call: it lasts callTime, and goes on for
// stopGrace after ctx has ended.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	graced, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	stopAfter := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(graced, func() { timer.Stop() })
	})
	return graced, func() { stopAfter(); cancel() }
}
