package alert

import (
	"cmp"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// loud says that somebody is to be told of how a copy stands.
func loud(j *syncer.Judged) bool {
	return !j.Paused && !j.Standby && (j.Alarm == syncer.Warn || j.Alarm == syncer.Critical)
}

// well says that a copy is known to be within its budget. One that never was
// complete, or of which nothing is known, is not, even if it is not loud.
func well(j *syncer.Judged) bool {
	return j.Alarm == syncer.Fresh && j.Level != syncer.Unknown && j.Level != syncer.Never
}

// opened is the episode that a loud copy begins.
func opened(instance string, j *syncer.Judged, now time.Time) Episode {
	e := Episode{Key: Key(instance, j.Table), Table: j.Table, Source: j.Source, Consumer: j.Consumer,
		Digest: j.Digest, Level: j.Alarm, Opened: now, StaleSince: j.Since, Last: factsOf(j, now)}
	if e.StaleSince.IsZero() || e.StaleSince.After(now) {
		e.StaleSince = now
	}
	if e.Level == syncer.Critical {
		e.Escalated = now
	}
	e.ID = episodeID(e.Key, e.Opened, e.StaleSince, e.Digest)
	return e
}

// asleep says that another daemon tells of the table for the time being: the
// episode goes on, or ends, when the lease comes back.
func (e *Episode) asleep() bool { return e.Ending == Left }

// over says that an episode has ended for good.
func (e *Episode) over() bool { return !e.Closed.IsZero() && !e.asleep() }

// advance is what becomes of an episode that is not over when its copy stands as
// j says. It changes nothing but Level, Escalated, Recovering, Closed and
// Ending.
func (e Episode) advance(j *syncer.Judged, hold time.Duration, now time.Time) Episode {
	switch {
	case j.Standby:
		if !e.asleep() {
			return e.end(Left, now)
		}
		return e
	case e.Digest != j.Digest:
		return e.end(Changed, now)
	case j.Paused:
		return e.end(Paused, now)
	case e.asleep() && !loud(j) && !well(j):
		return e
	}
	e.Closed, e.Ending = time.Time{}, ""
	switch {
	case loud(j):
		e.Recovering = time.Time{}
		if j.Alarm.Worse(e.Level) {
			e.Level, e.Escalated = j.Alarm, now
		}
	case well(j):
		if e.Recovering.IsZero() || e.Recovering.After(now) {
			e.Recovering = now
		}
		if now.Sub(e.Recovering) >= hold {
			return e.end(Recovered, e.Recovering)
		}
	default:
		e.Recovering = time.Time{}
	}
	return e
}

func (e Episode) end(why Ending, at time.Time) Episode {
	e.Closed, e.Ending, e.Recovering = at, why, time.Time{}
	return e
}

// facts are the news of the copy of an episode. What failed is remembered, so that
// the end can say what was wrong.
func (e *Episode) facts(j *syncer.Judged, now time.Time) Facts {
	f := factsOf(j, now)
	if f.Failure == nil {
		f.Was = cmp.Or(e.Last.Failure, e.Last.Was)
	}
	return f
}

// factsOf is what messages say of a copy.
func factsOf(j *syncer.Judged, now time.Time) Facts {
	return Facts{At: now, Due: j.Due, Grace: j.Grace, Level: j.Level, Reason: j.Reason, AsOf: j.AsOf, Staleness: j.Staleness, Limit: j.Limit, Measure: j.Measure, Age: j.Age,
		Failure: j.Failure, Since: j.FailingSince, NextPoll: j.NextPoll, LastRows: j.LastRows, LastQuarantined: j.LastQuarantined, Held: j.Held}
}

// differs says whether something of an episode is not as it was that has to be
// saved.
func (e *Episode) differs(o *Episode) bool {
	return e.Level != o.Level || !e.Recovering.Equal(o.Recovering) || !e.Closed.Equal(o.Closed) || e.Ending != o.Ending
}
