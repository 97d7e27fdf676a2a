package syncer

import "time"

// Level is how a copy's staleness stands against its budget.
type Level string

// The levels, from best to worst. Never means that no walk ever completed;
// Unknown that staleness could not be read, which is not the same as fresh.
const (
	Fresh    Level = "fresh"
	Warn     Level = "warn"
	Critical Level = "critical"
	Never    Level = "never"
	Unknown  Level = "unknown"
)

// Worse reports whether l is a worse level than o.
func (l Level) Worse(o Level) bool { return l.rank() > o.rank() }

func (l Level) rank() int {
	switch l {
	case Fresh:
		return 0
	case Warn:
		return 1
	case Critical:
		return 2
	case Never:
		return 3
	}
	return 4
}

// Freshness is a judgement of one copy at one moment. The consumers' databases
// compute the same in the view freshness; see Judge.
type Freshness struct {
	Table string
	Level Level
	// Reason says in a few words why the level is not fresh, or what keeps a
	// fresh copy from staying so; "" if nothing does.
	Reason string
	// AsOf is the older of as-of and delete as-of, or as-of alone where deletes
	// have a budget of their own; zero if never.
	AsOf time.Time
	// Staleness is an upper bound on how old the copy is; for a copy that
	// never completed, how long that has been so.
	Staleness time.Duration
	// Deadlines of the two levels; zero if there is none.
	WarnAt, CriticalAt time.Time
}

// Judge says how stale a copy is. It is pure: st, b and now decide alone. The
// limit itself is still within the budget; only what is older exceeds it. Where
// deletions have a budget of their own, they do not make the copy older.
func Judge(st Standing, b Budget, now time.Time) Freshness {
	return judge(st, b.Of(st), now).Freshness
}

// countsFrom is the instant from which the ages of a budget count: since when
// the copy is complete, or since when it is known that it never was.
func (b Budget) countsFrom(st Standing) time.Time {
	switch {
	case st.AsOf.IsZero() || st.DeletesAsOf.IsZero():
		return st.FirstSeen
	case b.Deletes == 0 && st.DeletesAsOf.Before(st.AsOf):
		return st.DeletesAsOf
	}
	return st.AsOf
}

// judged is a judgement with what follows from it for an alarm.
type judged struct {
	Freshness
	// since is when the budget was passed that the level stands for, and limit
	// that budget; where none was passed, limit is critical.
	since time.Time
	limit time.Duration
	// alarm is how loud that is. See louder.
	alarm Level
}

// judge is Judge with a budget in plain ages.
func judge(st Standing, b Budget, now time.Time) judged {
	if st.AsOf.IsZero() || st.DeletesAsOf.IsZero() {
		return judgeNever(st, now)
	}
	f := judged{Freshness: Freshness{Level: Fresh, AsOf: b.countsFrom(st)}}
	if f.AsOf.Before(st.AsOf) {
		f.Reason = "a sweep is held or unconfirmed"
	}
	f.Staleness, f.limit = Age(f.AsOf, now), b.Critical
	f.CriticalAt = f.AsOf.Add(b.Critical)
	if b.Warn > 0 {
		f.WarnAt = f.AsOf.Add(b.Warn)
	}
	switch {
	case f.Staleness > b.Critical:
		f.Level, f.since = Critical, f.CriticalAt
	case b.Warn > 0 && f.Staleness > b.Warn:
		f.Level, f.since, f.limit = Warn, f.WarnAt, b.Warn
	}
	if b.Deletes > 0 {
		f.judgeDeletes(st.DeletesAsOf, b.Deletes, now)
	}
	if b.Newest > 0 && !st.Newest.IsZero() {
		f.judgeNewest(st.Newest, b.Newest, now)
	}
	if f.Level != Fresh && f.Reason == "" {
		f.Reason = "no complete poll since " + reasoned(f.AsOf)
	}
	return f
}

// judgeNever judges a copy of which something was never complete.
func judgeNever(st Standing, now time.Time) judged {
	f := judged{Freshness: Freshness{Level: Never, Reason: "never polled to the end", Staleness: Age(st.FirstSeen, now)}}
	if !st.AsOf.IsZero() {
		f.Reason = "deletes are not proven yet: a sweep is held or unconfirmed"
		f.AsOf = st.AsOf
	}
	return f
}

// judgeDeletes holds deletions against the budget that they have.
func (f *judged) judgeDeletes(asOf time.Time, budget time.Duration, now time.Time) {
	if at := asOf.Add(budget); at.Before(f.CriticalAt) {
		f.CriticalAt = at
	}
	if Age(asOf, now) > budget {
		f.Level, f.Reason = Critical, "deletes are not proven since "+reasoned(asOf)
		f.since, f.limit = f.CriticalAt, budget
	}
}

// judgeNewest warns of an owner that sends nothing new, of a copy that would be
// fresh: what staleness says is worse, or as bad.
func (f *judged) judgeNewest(newest time.Time, budget time.Duration, now time.Time) {
	if f.Level == Fresh && Age(newest, now) > budget {
		f.Level, f.Reason = Warn, "newest record is from "+reasoned(newest)+": the owner's own pipeline may be stuck"
		f.since, f.limit = newest.Add(budget), budget
	}
}

// louder is a judgement with its alarm. What nothing can be told of is as loud
// as a copy would be that is complete up to from: since when it was first seen
// and never complete, or since when nothing is known of it. b is in plain ages.
func (f judged) louder(b Budget, from, now time.Time) judged {
	f.alarm = f.Level
	if f.Level != Never && f.Level != Unknown {
		return f
	}
	age := Age(from, now)
	f.alarm, f.limit = Fresh, b.Critical
	switch {
	case age > b.Critical:
		f.alarm, f.since = Critical, from.Add(b.Critical)
	case b.Warn > 0 && age > b.Warn:
		f.alarm, f.since, f.limit = Warn, from.Add(b.Warn), b.Warn
	}
	return f
}

// reasoned writes an instant as reasons have it.
func reasoned(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
