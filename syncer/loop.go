package syncer

import (
	"context"
	"time"

	"github.com/rs/zerolog"
)

const (
	// lookAgain bounds one sleep: timers stand still while a machine is
	// suspended, so the wall clock is read again at least this often.
	lookAgain = 30 * time.Second
	// A failed poll is tried again after retryFirst, doubled each time up to
	// retryMost, unless the schedule is due sooner.
	retryFirst = 30 * time.Second
	retryMost  = time.Hour
)

// loop polls one feed whenever it is due. One feed never overlaps itself,
// because its loop does nothing else.
func (r *Runner) loop(ctx context.Context, s *Scheduled) {
	p := &pace{schedule: s.Schedule, jitter: s.Jitter}
	r.awaitLeases(ctx)
	for {
		kicked := r.await(ctx, s, p)
		if ctx.Err() != nil {
			break
		}
		if !kicked && !s.anyReady() {
			p.tick(time.Now())
			continue
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		waiting := s.takeWaiting()
		next := p.tick(time.Now())
		reports := s.Poll(ctx, next)
		<-r.slots
		p.done(reports, time.Now())
		r.record(ctx, reports)
		for _, w := range waiting {
			w <- reports
		}
	}
	for _, w := range s.takeWaiting() {
		close(w)
	}
}

// awaitLeases returns when every lease was tried for, or after triedMost.
func (r *Runner) awaitLeases(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, triedMost)
	defer cancel()
	select {
	case <-r.tried:
	case <-ctx.Done():
	}
}

// await sleeps until the feed is due, or somebody asks for a poll. A table
// that becomes ready brings the pace to what its last poll says.
func (r *Runner) await(ctx context.Context, s *Scheduled, p *pace) (kicked bool) {
	for {
		wait := lookAgain
		if due, known := p.due(time.Now()); known {
			wait = min(wait, time.Until(due.Round(0)))
		}
		if wait <= 0 {
			return false
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-s.kicked:
			timer.Stop()
			return true
		case <-s.joined:
			p.join(s.lastComplete(ctx), time.Now())
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (s *Scheduled) anyReady() bool {
	for _, c := range s.Copies {
		if c.Ready() == nil {
			return true
		}
	}
	return false
}

// lastComplete is when the last complete poll of the ready table that waits
// longest began; zero if there never was one. A failed poll does not count: it
// is tried again after a restart, too.
func (s *Scheduled) lastComplete(ctx context.Context) time.Time {
	var oldest time.Time
	first := true
	for _, p := range s.Partitions {
		for _, m := range s.muster(ctx, p).members {
			last := m.standing.AsOf
			if !last.IsZero() {
				last = last.Add(s.Lag)
			}
			if first || last.Before(oldest) {
				oldest, first = last, false
			}
		}
	}
	return oldest
}

// record keeps the reports in history and says what went wrong.
func (r *Runner) record(ctx context.Context, reports []Report) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	for _, rep := range reports {
		r.sayReport(rep)
		if r.History == nil {
			continue
		}
		if err := r.History.Record(ctx, rep); err != nil {
			r.Log.Warn().Err(err).Str("source", rep.Source).Msg("poll history is not written")
		}
	}
}

func (r *Runner) sayReport(rep Report) {
	level, text := zerolog.DebugLevel, "poll completes"
	if !rep.OK() {
		level, text = zerolog.WarnLevel, "poll fails"
	}
	ev := r.Log.WithLevel(level).Str("source", rep.Source).Str("partition", rep.Partition).Str("kind", string(rep.Kind)).
		Int("batches", rep.Batches).Int("records", rep.Records).Dur("took_ms", rep.Took)
	if rep.Failure != nil {
		ev = ev.Str("class", string(rep.Failure.Class)).Str("reason", rep.Failure.Text)
	}
	for _, t := range rep.Tables {
		if t.Failure != nil && (rep.Failure == nil || *t.Failure != *rep.Failure) {
			ev = ev.Dict(t.Table, zerolog.Dict().Str("class", string(t.Failure.Class)).Str("reason", t.Failure.Text))
		}
		if t.Settled.Held > 0 {
			ev = ev.Int(t.Table+" held", t.Settled.Held)
		}
	}
	ev.Msg(text)
	if len(rep.Absent) > 0 {
		r.Log.Debug().Str("source", rep.Source).Strs("fields", rep.Absent).Msg("no record has these fields")
	}
}
