package syncer

import (
	"context"
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
	// spared left the group because the owner refused another's watermark.
	spared []*member
	// absent are tables that could not take part.
	absent []TableReport
	// kind is that of the walk, and audit how one compares. A walk that began
	// before since is not gone on with.
	kind  WalkKind
	audit *Comparison
	since time.Time
	// end is what the walk proved; nil while it did not.
	end *End
	// batches and records are those of this walk, which may be repeated within
	// a poll.
	batches, records int
	began            time.Time
	// took is how long it took to read where the members stand.
	took time.Duration
	// found says of each slot whether any record of the walk has it.
	found []bool
	// claimed says that the listing lane has the members for itself.
	claimed bool
}

// muster reads where every table of the feed stands, all at once, so that one
// database that is down does not delay the others.
func (f *Feed) muster(ctx context.Context, p Partition) *group {
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	g := &group{began: time.Now()}
	for _, c := range f.Copies {
		g.members = append(g.members, &member{copy: c, report: TableReport{Table: c.Name}})
	}
	g.each(func(m *member) (err error) {
		if m.term, err = m.copy.term(); err == nil {
			err = m.look(ctx, f, p, g.began)
		}
		return err
	})
	g.took = Age(g.began, time.Now())
	for _, m := range g.members {
		if m.err != nil {
			m.report.Failure = failureOf(m.err)
			g.absent = append(g.absent, m.report)
		}
	}
	g.keep(func(m *member) bool { return m.err == nil && !m.standing.Paused })
	return g
}

// keep leaves those members in the group of which which holds.
func (g *group) keep(which func(*member) bool) {
	g.members = slices.DeleteFunc(g.members, func(m *member) bool { return !which(m) })
}

// open begins the notes of a new listing walk, before its first page is asked
// for: from here on a walk for changes says which keys it has touched. It is an
// empty batch with no place to go on from, because the place of an older walk
// is void without its notes: to go on there would sweep all that came before.
func (g *group) open(ctx context.Context) {
	g.apply(ctx, []*Batch{{}})
}

// restart makes the group ready for a walk, which may be its second.
func (g *group) restart() {
	g.end, g.batches, g.records, g.found = nil, 0, 0, nil
	for _, m := range g.members {
		m.quarantined = 0
	}
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
		err := m.copy.write(ctx, m.walk.Partition, func() error {
			if err := m.inTerm(); err != nil {
				return err
			}
			a, err := m.copy.Table.Apply(ctx, m.walk, m.own(batches))
			m.quarantined += a.Quarantined
			m.report.Applied.Add(a)
			return err
		})
		if err != nil {
			return fmt.Errorf("apply %s: %w", m.copy.Name, err)
		}
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
	q := m.quarantined
	if q > floor && float64(q) > misfitShare*float64(g.records) {
		return &MisfitError{Quarantined: q, Records: g.records}
	}
	return nil
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

// forgetResume makes the next walk start from its beginning.
func (g *group) forgetResume() {
	for _, m := range g.members {
		if g.kind == Changes {
			m.standing.Position.Resume = nil
		} else {
			m.standing.Listing = nil
		}
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
