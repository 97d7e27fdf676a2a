package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// settle writes down, for every table, what the walk came to. walkErr is why
// it did not reach the end; a walk that was stopped leaves no trace but the
// positions that were applied.
func (g *group) settle(ctx context.Context, f *Feed, walkErr error) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	next := f.nextPoll()
	if g.end != nil && walkErr == nil {
		g.each(func(m *member) error {
			if err := g.misfits(m, misfitFloor); err != nil {
				return err
			}
			s := Settlement{End: g.end, Lag: f.Lag, Late: m.report.Applied.Late, Began: g.began, Next: next,
				KeepPosition: f.keepsPosition(m, time.Now())}
			settled, err := m.settle(ctx, s)
			if err != nil {
				return fmt.Errorf("settle %s: %w", m.copy.Name, err)
			}
			m.settled(settled, g.end)
			return nil
		})
	}
	var wg sync.WaitGroup
	for _, m := range g.members {
		if m.err == nil && walkErr != nil {
			m.err = cmp.Or(m.inTerm(), g.misfits(m, misfitFloor), walkErr)
		}
		wg.Go(func() { m.fail(ctx, g, next) })
	}
	wg.Wait()
}

// keepsPosition reports whether a resync leaves the watermark to the changes
// lane: the list took longer than the owner remembers, so that its own watermark
// would be of no use, and that of the lane is.
func (f *Feed) keepsPosition(m *member, now time.Time) (keeps bool) {
	w := m.walk
	if w.Kind != Resync || f.Retention <= 0 || Age(w.Sent, now) <= f.Retention || !m.valid {
		return false
	}
	m.copy.know(w.Partition, func(k *known) { keeps = !k.void && Age(k.standing.AsOf, now) <= f.Retention })
	return keeps
}

// settle hands a settlement to the table, in the term in which the walk began.
func (m *member) settle(ctx context.Context, s Settlement) (out Settled, err error) {
	err = m.copy.write(ctx, m.walk.Partition, func() error {
		if err := m.inTerm(); err != nil {
			return err
		}
		out, err = m.copy.Table.Settle(ctx, m.walk, s)
		return err
	})
	return out, err
}

// settled notes a success.
func (m *member) settled(s Settled, end *End) {
	w := m.walk
	if s.Audit != nil {
		s.Audit.Keys = w.Audit != nil && w.Audit.Compare == CompareKeys
	}
	m.report.Settled = s
	m.copy.know(w.Partition, func(k *known) {
		k.settled++
		st := &k.standing
		st.AsOf, st.DeletesAsOf = s.AsOf, s.DeletesAsOf
		if w.Kind != Audit {
			st.Newest = NewestAfter(st.Newest, w, end, time.Now())
		}
		if w.Kind.Listing() && end.Listed {
			st.Audited = w.Sent
			k.held = int64(s.Held)
			if s.Audit != nil {
				k.held = int64(s.Audit.Held)
			}
		}
		switch w.Kind {
		case Audit:
			if s.Audit != nil && !s.Audit.Proven.IsZero() {
				st.ProvenAsOf = s.Audit.Proven
			}
			return
		case Resync:
			k.unlisted, k.void, k.need, k.failures, k.retry = nil, false, false, 0, time.Time{}
			if !k.wanted.After(w.Sent) {
				k.wanted = time.Time{}
			}
		}
		k.ended = time.Now()
		k.failed, st.LastPoll = nil, k.ended
		k.calm()
		if k.failure() == nil {
			st.FailingSince = time.Time{}
		}
		a := m.report.Applied
		k.quarantined = int64(m.quarantined)
		k.rows = int64(a.Inserted + a.Updated + a.Deleted + s.Swept)
	})
}

// fail writes down why a table did not settle. A fenced table cannot, and a
// stop is no failure of anybody. One that was altered takes part no more until
// it is prepared again, and all walks of it end.
func (m *member) fail(ctx context.Context, g *group, next time.Time) {
	m.report.Kind = m.walk.Kind
	err := m.err
	m.report.Failure = failureOf(err)
	if err == nil || m.report.Failure.Class == ClassStopped {
		return
	}
	m.failed(g, m.report.Failure)
	if errors.Is(err, ErrFenced) {
		return
	}
	if at := RetryAt(err); at.After(time.Now()) {
		next = at
	}
	if at, alone := m.retryAlone(g); alone {
		next = at
	}
	noteErr := m.try(func() error {
		_, err := m.settle(ctx, Settlement{Failure: m.report.Failure, Began: g.began, Next: next})
		return err
	})
	if errors.Is(err, ErrAltered) {
		m.copy.SetReady(err)
	}
	if noteErr != nil && m.report.Failure.Class != ClassDatabase {
		// The one that the copy keeps is read by the watcher.
		m.report.Failure = &Failure{Class: m.report.Failure.Class, Status: m.report.Failure.Status, Text: oneLine(m.report.Failure.Text + "; note it: " + noteErr.Error())}
	}
}

// retryAlone is when the listing lane tries again for a table that is in no other
// lane, because it has no watermark yet, or none that is of use: the schedule
// polls nothing of it before.
func (m *member) retryAlone(g *group) (at time.Time, alone bool) {
	if g.kind != Resync || m.valid {
		return at, false
	}
	m.copy.know(m.walk.Partition, func(k *known) { at = k.retry })
	return at, !at.IsZero()
}

// failed notes a failure. The listing lane tries again by its own clock: the
// next poll for changes may be due in a moment, or in a day. An audit that
// fails says nothing about the polls.
func (m *member) failed(g *group, why *Failure) {
	if g.kind == Audit {
		return
	}
	now := time.Now()
	m.copy.know(m.walk.Partition, func(k *known) {
		k.quarantined = int64(m.quarantined)
		fenced := why.Class == ClassFenced
		switch {
		case g.kind != Resync && !fenced:
			k.fails(&k.failed, why, g.began)
		case g.kind == Resync:
			if !fenced {
				k.fails(&k.unlisted, why, g.began)
			}
			k.retry, k.failures = again(RetryAt(m.err), k.failures, g.batches > 0, now)
		}
	})
}

// fails notes a failure of a poll or resync that began at a moment. A row of
// failures that another process saw begin goes on.
func (k *known) fails(which **Failure, why *Failure, began time.Time) {
	*which = why
	if k.failingSince.IsZero() {
		k.failingSince = began
		if at := k.standing.FailingSince; !at.IsZero() && at.Before(began) {
			k.failingSince = at
		}
	}
}

// calm notes that something does not fail any more.
func (k *known) calm() {
	if k.failure() == nil {
		k.failingSince = time.Time{}
	}
}
