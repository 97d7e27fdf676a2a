package config

import "fmt"

// Audit is when and how the tables of a source are compared with everything that the owner has.
type Audit struct {
	Schedule string // a cron spec
	Compare  Compare
	Repair   bool    // what differs is put right, under the guard
	Share    float64 // of the rows, in one audit of a sample; 0 with others
}

// Compare is what an audit compares.
type Compare string

// What an audit compares: all columns, which rows there are, or all columns of some of the rows, others each time.
const (
	CompareAll    Compare = "all"
	CompareKeys   Compare = "keys"
	CompareSample Compare = "sample"
)

// audit reads a schedule, a table with one, or false, which is how a source goes without what [defaults] say.
func (r *reader) audit(n *node) *Audit {
	a := defaultAudit()
	s, ok := r.section(n)
	if !ok {
		return a
	}
	if schedule := s.child("schedule"); schedule != nil && schedule.kind == kindBoolean && schedule.text == "false" {
		return nil
	}
	if schedule := s.need("schedule", `schedule = "@daily"`); schedule != nil {
		text, ok := r.text(schedule)
		if ok && (text == "" || text == ScheduleAuto) {
			r.wrong(schedule, `is %q; write "@daily", or another cron spec`, text)
		}
		a.Schedule = text
	}
	choose(s, "compare", &a.Compare)
	s.flag("repair", &a.Repair)
	share := s.child("share")
	if a.Compare == CompareSample {
		a.Share = defaultShare
	}
	switch {
	case share == nil:
	case a.Compare != CompareSample:
		r.wrong(share, "belongs to compare = \"sample\", and this compares %q", a.Compare)
	default:
		s.share("share", &a.Share)
		if a.Share == 0 {
			r.wrong(share, "is nothing; %s", shareForm)
		}
	}
	return a
}

// seesAllDeletions reports whether an audit brings each deletion into the copy by itself.
func (a *Audit) seesAllDeletions() bool {
	return a != nil && a.Repair && a.Compare != CompareSample
}

// checkAudit refuses audits of sources that cannot list everything, and of those that list it anyway.
func (r *reader) checkAudit(s section, src *Source) {
	n := s.child("audit")
	if n == nil || src.Audit == nil || src.broken["watermark"] {
		return
	}
	if src.Mode == Snapshot {
		r.wrong(n, "has no use in a snapshot, whose every poll compares everything; %s", src.withoutAudit(n))
		return
	}
	if why := src.unlisted(); why != "" && !src.broken["resync"] {
		r.wrong(n, "compares with everything that the owner has, and %s; write [source.%s.resync] with the request that lists everything", why, bare(src.Name))
	}
	if src.skipsNulls() {
		r.wrong(n, "compares with everything that the owner has, and "+skipsNulls+"; write \"include\", or leave audit out")
	}
}

const skipsNulls = `watermark.null = "skip" leaves records out`

func (s *Source) skipsNulls() bool {
	return s.Mode == Incremental && s.Watermark != nil && s.Watermark.Null == NullSkip
}

// unlisted is why no answer of the owner lists everything; "" if one does.
func (s *Source) unlisted() string {
	switch {
	case s.listed():
	case s.Mode == EventLog:
		return "a log tells only what happened"
	case s.Request.Uses("until"):
		return "{until} leaves out what lies behind it"
	}
	return ""
}

// listed reports whether a request of its own lists everything.
func (s *Source) listed() bool { return s.Resync != nil && s.Resync.Request != nil }

// Uncompared is why no audit can compare a source with its owner, by schedule or by command; "" if one can. Where the
// source has watermark.initial, each table has to tell its floor besides: TellsFloor.
func (s *Source) Uncompared() string {
	switch why := s.unlisted(); {
	case s.Mode == Snapshot:
		return "each poll of a snapshot compares everything"
	case why != "":
		return why + ", and resync names no request that lists everything"
	case s.skipsNulls():
		return skipsNulls
	}
	return ""
}

// checkFloor refuses an audit of a list that begins at watermark.initial where the table cannot tell which of its rows
// lie before.
func (r *reader) checkFloor(s section, t *Table) {
	src := t.Source
	w := src.Watermark
	if src.Audit == nil || src.Mode != Incremental || w == nil || w.Initial == "" || src.broken["watermark"] || src.broken["resync"] || src.broken["records"] ||
		src.listed() || t.TellsFloor() {
		return
	}
	const price = "source %q has an audit and watermark.initial, so that the table has to tell which of its rows lie before that"
	if c, ok := t.Column(t.Version); ok && c.Type.Name == "text" {
		columns := s.child("columns")
		if columns == nil {
			columns = src.columns
		}
		r.wrong(columnNode(columns, t.Version), price+", and its version is text, which has no order; give %q a type such as timestamptz, leave initial out, or write [source.%s.resync] with the request that lists everything",
			src.Name, t.Version, bare(src.Name))
		return
	}
	r.wrong(s.n, price+", and its version is not the field of the watermark; leave records.version out, leave initial out, or write [source.%s.resync] with the request that lists everything",
		src.Name, bare(src.Name))
}

// TellsFloor reports whether the table's version is the field of the watermark, in a type with an order of its own: it
// then tells which of its rows lie before watermark.initial.
func (t *Table) TellsFloor() bool {
	w := t.Source.Watermark
	c, ok := t.Column(t.Version)
	return ok && w != nil && len(w.Fields) > 0 && c.Type.Name != "text" && samePaths(c.From, w.Fields)
}

// withoutAudit tells how a source goes without an audit that stands at n, perhaps for all sources.
func (s *Source) withoutAudit(n *node) string {
	for ; n.parent != nil; n = n.parent {
		if n.key == "defaults" && n.parent.parent == nil {
			return fmt.Sprintf("write audit = false in [source.%s]", bare(s.Name))
		}
	}
	return "leave it out"
}
