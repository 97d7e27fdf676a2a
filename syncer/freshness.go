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

// Measure is what a budget bounds, and what an alarm is about.
type Measure string

// The measures: how old the copy is, how long ago its deletions were proven, and
// how old its newest record is.
const (
	MeasureStaleness Measure = "staleness"
	MeasureDeletes   Measure = "deletes"
	MeasureNewest    Measure = "newest"
)

// judged is a judgement with what follows from it for an alarm.
type judged struct {
	Freshness
	// since is when the budget was passed that the level stands for, and limit
	// that budget; where none was passed, limit is critical.
	since time.Time
	limit time.Duration
	// measure is what limit bounds, and age how much of it there is.
	measure Measure
	age     time.Duration
	// alarm is how loud that is. See louder.
	alarm Level
	// due and grace say it by the schedule. See lateBy.
	due   time.Time
	grace time.Duration
	// part is the name of the partition that is judged.
	part string
}

// worseThan orders judgements of partitions by how stale they are.
func (f judged) worseThan(o judged) bool {
	switch {
	case f.Level != o.Level:
		return f.Level.Worse(o.Level)
	case f.Staleness != o.Staleness:
		return f.Staleness > o.Staleness
	}
	return f.part < o.part
}

// louderThan orders them by how loud they are, and for how long.
func (f judged) louderThan(o judged) bool {
	switch {
	case f.alarm != o.alarm:
		return f.alarm.Worse(o.alarm)
	case !f.since.Equal(o.since):
		return f.since.Before(o.since)
	}
	return f.part < o.part
}

// judge is Judge with a budget in plain ages.
func judge(st Standing, b Budget, now time.Time) judged {
	if st.AsOf.IsZero() || st.DeletesAsOf.IsZero() {
		return judgeNever(st, now)
	}
	f := judged{Freshness: Freshness{Level: Fresh, AsOf: b.countsFrom(st)}, measure: MeasureStaleness}
	if f.AsOf.Before(st.AsOf) {
		f.Reason = "a sweep is held or unconfirmed"
	}
	f.Staleness, f.limit = Age(f.AsOf, now), b.Critical
	f.age = f.Staleness
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
	if age := Age(asOf, now); age > budget {
		f.passes(MeasureDeletes, asOf, budget, age)
		f.Level, f.Reason = Critical, "deletes are not proven since "+reasoned(asOf)
	}
}

// judgeNewest warns of an owner that sends nothing new, of a copy that would be
// fresh: what staleness says is worse, or as bad.
func (f *judged) judgeNewest(newest time.Time, budget time.Duration, now time.Time) {
	if age := Age(newest, now); f.Level == Fresh && age > budget {
		f.passes(MeasureNewest, newest, budget, age)
		f.Level, f.Reason = Warn, "newest record is from "+reasoned(newest)+": the owner's own pipeline may be stuck"
	}
}

// passes notes which budget is passed that is not that of staleness.
func (f *judged) passes(m Measure, from time.Time, budget, age time.Duration) {
	f.measure, f.since, f.limit, f.age = m, from.Add(budget), budget, age
}

// louder is a judgement with its alarm. What nothing can be told of is as loud
// as a copy would be that is complete up to from: since when it was first seen
// and never complete, or since when nothing is known of it. b is in plain ages.
func (f judged) louder(b Budget, from, now time.Time) judged {
	f.alarm = f.Level
	if f.Level != Never && f.Level != Unknown {
		return f
	}
	f.alarm, f.limit = Fresh, b.Critical
	f.measure, f.age = MeasureStaleness, Age(from, now)
	switch {
	case f.age > b.Critical:
		f.alarm, f.since = Critical, from.Add(b.Critical)
	case b.Warn > 0 && f.age > b.Warn:
		f.alarm, f.since, f.limit = Warn, from.Add(b.Warn), b.Warn
	}
	return f
}

// reasoned writes an instant as reasons have it.
func reasoned(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
