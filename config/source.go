package config

import "time"

// Source is one changed-since feed of an owner.
type Source struct {
	Name      string
	KeyPath   string
	Owner     *Owner
	Enabled   bool
	Schedule  string        // a cron spec, or ScheduleAuto
	Jitter    time.Duration // JitterAuto: a tenth of the interval, at most 30 s
	Mode      Mode
	Lag       time.Duration // how late the owner shows a commit
	Expired   Expired
	Retention time.Duration // how long the owner can still tell changes; 0: not said
	Resync    *Resync       // nil: nothing is known of how to ask for everything
	Each      []Partition   // empty: the source is one partition
	Request   Request
	Paging    Paging
	Records   Records
	Watermark *Watermark // nil in a snapshot

	columns *node           // the columns of tables that give none
	broken  map[string]bool // the parts that did not read: what follows from them is not told
}

func (s *Source) name() string { return s.Name }

// ScheduleAuto polls as seldom as the tightest budget allows.
const ScheduleAuto = "auto"

// JitterAuto stands for a jitter that follows from the interval.
const JitterAuto time.Duration = -1

// Mode is what a poll asks for.
type Mode string

// The modes: changes since a watermark that we hold over a field, the whole list each time, changes since a token
// that the owner handed us, or events that are only appended.
const (
	Incremental Mode = "incremental"
	Snapshot    Mode = "snapshot"
	Delta       Mode = "delta"
	EventLog    Mode = "log"
)

// Partition is one tuple of constants of a source, with a watermark and an as-of of its own. All partitions of
// a source have the same names, in the same order.
type Partition []Constant

// Constant is a named value of a partition, used as {each.NAME} in requests and as each.NAME in paths.
type Constant struct {
	Name  string
	Value Scalar
}

// Names are the names of the constants.
func (p Partition) Names() []string {
	var all []string
	for _, c := range p {
		all = append(all, c.Name)
	}
	return all
}

// Value returns the constant of that name.
func (p Partition) Value(name string) (Scalar, bool) {
	for _, c := range p {
		if c.Name == name {
			return c.Value, true
		}
	}
	return Scalar{}, false
}

var sourceKeys = []string{
	"owner", "schedule", "mode", "jitter", "lag", "each", "expired", "retention", "enabled", "columns",
	"request", "paging", "records", "watermark", "resync",
}

func (r *reader) source(n *node, c *Config) *Source {
	src := defaultSource(n.key)
	s, ok := r.section(n, sourceKeys...)
	if !ok {
		return src
	}
	src.Owner, _ = refer(s, "owner", src.Name, c.Owners)
	src.columns = s.child("columns")
	s.flag("enabled", &src.Enabled)
	s.text("schedule", &src.Schedule)
	if src.Schedule == "" {
		r.wrong(s.child("schedule"), `is empty; write "@every 30s", a cron spec or "auto"`)
	}
	s.duration("jitter", &src.Jitter, 0, day)
	s.duration("lag", &src.Lag, 0, 30*day)
	s.duration("retention", &src.Retention, time.Minute, 3650*day)
	if expired := s.child("expired"); expired != nil {
		r.expired(expired, &src.Expired)
	}
	r.parts(s, src)
	r.checkSource(s, src)
	return src
}

// parts reads the tables of a source, and fills in what follows from them, the mode too.
func (r *reader) parts(s section, src *Source) {
	s.need("records", `records = { at = "PATH OF THE ARRAY", key = "id", … }`)
	read := func(key string, f func(*node)) {
		n, before := s.child(key), len(r.mistakes)
		if n != nil {
			f(n)
		}
		src.broken[key] = len(r.mistakes) > before
	}
	read("each", func(n *node) { src.Each = r.each(n) })
	read("request", func(n *node) { r.request(n, &src.Request) })
	read("paging", func(n *node) { r.paging(n, &src.Paging) })
	read("records", func(n *node) { r.records(n, &src.Records) })
	read("watermark", func(n *node) { src.Watermark = r.watermark(n) })
	src.Mode = src.Watermark.mode()
	mode := string(src.Mode)
	s.choice("mode", &mode, string(Incremental), string(Snapshot), string(Delta), string(EventLog))
	src.Mode = Mode(mode)
	if src.Paging.By == "" {
		src.Paging.By = src.Paging.style(src.Request.Uses)
	}
	if src.Paging.By == PagingNone && s.child("paging").child("by") == nil {
		src.Paging.By = src.logStyle()
	}
	src.Request.fill(src.Paging.By)
	read("resync", func(n *node) { src.Resync = r.resync(n, src) })
	if len(src.Records.Version) == 0 && src.Watermark != nil {
		src.Records.Version = src.Watermark.Fields
	}
}

// each reads the partitions.
func (r *reader) each(n *node) []Partition {
	s, ok := r.section(n, "values")
	if !ok {
		return nil
	}
	values := s.need("values", `values = [ { name = "…" }, … ]`)
	if values == nil {
		return nil
	}
	if values.kind != kindArray || len(values.below) == 0 {
		r.wrong(values, "is %s; write a list of at least one table, such as [ { city = \"Berlin\" } ]", values.whatOrNone())
		return nil
	}
	var all []Partition
	for _, v := range values.below {
		p := r.partition(v)
		if len(p) == 0 {
			continue
		}
		if len(all) > 0 {
			p = r.likeFirst(v, p, all[0])
		}
		for i, other := range all {
			if samePartition(p, other) {
				r.wrong(v, "is the same partition as values[%d]; leave one out", i)
			}
		}
		all = append(all, p)
	}
	return all
}

func (n *node) whatOrNone() string {
	if n.kind == kindArray {
		return "an empty list"
	}
	return n.what()
}

func (r *reader) partition(n *node) Partition {
	if n.kind != kindTable || len(n.below) == 0 {
		r.wrong(n, "is %s; write { NAME = value }", n.whatOrEmpty())
		return nil
	}
	var p Partition
	for _, c := range n.below {
		if !isName(c.key) {
			r.note(c, c.keyAt, "the name must be 1 to 63 letters, digits, dashes and underscores")
			continue
		}
		if v, ok := r.scalar(c); ok {
			p = append(p, Constant{c.key, v})
		}
	}
	return p
}

// likeFirst brings the constants of p into the order of the first partition, and reports what differs.
func (r *reader) likeFirst(n *node, p, first Partition) Partition {
	var ordered Partition
	for _, c := range first {
		v, ok := p.Value(c.Name)
		if !ok && n.child(c.Name) == nil {
			r.wrong(n, "lacks %q, which values[0] has; all partitions have the same names", c.Name)
		}
		ordered = append(ordered, Constant{c.Name, v})
	}
	for _, c := range p {
		if _, ok := first.Value(c.Name); !ok {
			r.wrong(n.child(c.Name), "values[0] has no %q; all partitions have the same names", c.Name)
		}
	}
	return ordered
}

func samePartition(a, b Partition) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value.Text != b[i].Value.Text {
			return false
		}
	}
	return true
}
