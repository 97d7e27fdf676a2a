package config

import "time"

// Budget is the staleness a table may reach.
type Budget struct {
	Warn     time.Duration // 0: no warning
	Critical time.Duration
	// Deletes is how long a deletion may stay unseen where only an audit sees it; 0: not said, or the owner tells of
	// its deletions.
	Deletes time.Duration
}

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
	b.duration("deletes", &into.Deletes)
	if b.need("critical", `critical = "15m"`) == nil {
		return
	}
	b.duration("critical", &into.Critical)
	if into.Critical > 0 && into.Warn >= into.Critical {
		r.wrong(b.child("warn"), "is %s and critical is %s; a warning must come first", showDuration(into.Warn), showDuration(into.Critical))
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
