package config

import "time"

// Budget is the staleness a table may reach.
type Budget struct {
	Warn     time.Duration // 0: no warning by age
	Critical time.Duration // 0: only Grace
	Grace    Grace
	// Hold is how long the copy has to stay within its budget before that is told.
	Hold time.Duration
	// Deletes is how long a deletion may stay unseen where only an audit sees it; 0: not said, or the owner tells of
	// its deletions.
	Deletes time.Duration
}

// Grace is how late after a tick of the schedule a copy may be brought up to date. The zero value is none.
type Grace struct {
	Warn     time.Duration // 0: no warning
	Critical time.Duration
}

// short is a budget that a slow answer breaks as easily as an outage does.
const short = time.Minute

// DeletesByAudit reports whether nothing but an audit sees that the owner deleted a row.
func (t *Table) DeletesByAudit() bool {
	return t.Source.Mode == Incremental && t.Source.Audit != nil && t.Source.Records.Deleted.IsZero() && t.OnDelete != OnDeleteKeep
}

func (r *reader) budget(s section, into *Budget) {
	n := s.need("budget", `budget = { warn = "5m", critical = "15m" }`)
	if n == nil {
		return
	}
	b, ok := r.section(n)
	if !ok {
		return
	}
	b.duration("warn", &into.Warn)
	b.duration("critical", &into.Critical)
	b.duration("deletes", &into.Deletes)
	b.duration("hold", &into.Hold)
	grace := b.child("grace")
	if grace != nil {
		r.grace(grace, &into.Grace)
	} else if b.need("critical", `critical = "15m", or grace = { critical = "30m" }, counted from each tick of the schedule`) == nil {
		return
	}
	r.checkOrder(b, into.Warn, into.Critical)
	for _, limit := range []struct {
		n  *node
		is time.Duration
	}{{b.child("warn"), into.Warn}, {b.child("critical"), into.Critical},
		{grace.child("warn"), into.Grace.Warn}, {grace.child("critical"), into.Grace.Critical}} {
		if limit.n != nil && limit.is > 0 && limit.is < short {
			r.warn(limit.n, "is %s; a budget of less than %s is passed by one slow answer, too", showDuration(limit.is), showDuration(short))
		}
	}
}

// grace reads how late a copy may be.
func (r *reader) grace(n *node, into *Grace) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	s.duration("warn", &into.Warn)
	if s.need("critical", `critical = "15m"`) != nil {
		s.duration("critical", &into.Critical)
	}
	r.checkOrder(s, into.Warn, into.Critical)
}

// checkOrder refuses a warning that does not come first.
func (r *reader) checkOrder(s section, warn, critical time.Duration) {
	if critical > 0 && warn >= critical {
		r.wrong(s.child("warn"), "is %s and critical is %s; a warning must come first", showDuration(warn), showDuration(critical))
	}
}

// checkDeletesBudget refuses a budget of deletions that no audit keeps.
func (r *reader) checkDeletesBudget(s section, t *Table) {
	n := s.child("budget").child("deletes")
	source := t.Source
	if n == nil || source.broken["records"] || source.broken["audit"] || source.broken["watermark"] || t.DeletesByAudit() {
		return
	}
	d := source.Records.Deleted
	switch {
	case t.OnDelete == OnDeleteKeep:
		r.wrong(n, "is of deletions, and on_delete = %q does not follow them; leave it out", t.OnDelete)
	case source.Mode == Snapshot:
		r.wrong(n, "is of deletions that only an audit sees, and each poll of a snapshot sees them; leave it out, critical counts for them too")
	case d.Never:
		r.wrong(n, "is of deletions that only an audit sees, and records.deleted is \"never\"; leave it out, or write audit in place of deleted")
	case !d.IsZero():
		r.wrong(n, "is of deletions that only an audit sees, and source %q tells them by records.deleted; leave it out, critical counts for them too", source.Name)
	}
}
