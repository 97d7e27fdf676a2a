package syncer

import "time"

// Budget is the staleness that a table may reach before somebody is told. A
// zero Warn means that there is no warning before Critical.
type Budget struct {
	Warn, Critical time.Duration
	// Deletes is how old the delete as-of may be where only audits see
	// deletions; 0: the feed tells of them, and they are judged with the rest.
	Deletes time.Duration
	// Newest is how old the newest record may be before it is said that the
	// owner's own pipeline may be stuck; 0: that is not judged.
	Newest time.Duration
}

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
	f := Freshness{Level: Fresh}
	if st.AsOf.IsZero() || st.DeletesAsOf.IsZero() {
		f.Level, f.Reason = Never, "never polled to the end"
		if !st.AsOf.IsZero() {
			f.Reason = "deletes are not proven yet: a sweep is held or unconfirmed"
			f.AsOf = st.AsOf
		}
		f.Staleness = Age(st.FirstSeen, now)
		return f
	}
	f.AsOf = st.AsOf
	if b.Deletes == 0 && st.DeletesAsOf.Before(st.AsOf) {
		f.Reason = "a sweep is held or unconfirmed"
		f.AsOf = st.DeletesAsOf
	}
	f.Staleness = Age(f.AsOf, now)
	f.CriticalAt = f.AsOf.Add(b.Critical)
	if b.Warn > 0 {
		f.WarnAt = f.AsOf.Add(b.Warn)
	}
	switch {
	case f.Staleness > b.Critical:
		f.Level = Critical
	case b.Warn > 0 && f.Staleness > b.Warn:
		f.Level = Warn
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

// judgeDeletes holds deletions against the budget that they have.
func (f *Freshness) judgeDeletes(asOf time.Time, budget time.Duration, now time.Time) {
	if at := asOf.Add(budget); at.Before(f.CriticalAt) {
		f.CriticalAt = at
	}
	if Age(asOf, now) > budget {
		f.Level, f.Reason = Critical, "deletes are not proven since "+reasoned(asOf)
	}
}

// judgeNewest warns of an owner that sends nothing new, of a copy that would be
// fresh: what staleness says is worse, or as bad.
func (f *Freshness) judgeNewest(newest time.Time, budget time.Duration, now time.Time) {
	if f.Level == Fresh && Age(newest, now) > budget {
		f.Level, f.Reason = Warn, "newest record is from "+reasoned(newest)+": the owner's own pipeline may be stuck"
	}
}

// reasoned writes an instant as reasons have it.
func reasoned(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
