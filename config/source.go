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
	Audit     *Audit        // nil: only when somebody asks for it
	Epoch     *Epoch        // nil: nothing tells that the owner's history started again
	Each      []Partition   // empty, without EachQuery: the source is one partition
	EachQuery *EachQuery    // nil: Each lists the partitions
	// EachConcurrency is how many partitions are walked at one time; 0 where there is one.
	EachConcurrency int
	Request         Request
	Paging          Paging
	Records         Records
	Watermark       *Watermark // nil in a snapshot

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

func (r *reader) source(n *node, c *Config) *Source {
	src := defaultSource(n.key)
	s, ok := r.section(n)
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
	s.duration("jitter", &src.Jitter)
	s.duration("lag", &src.Lag)
	s.duration("retention", &src.Retention)
	if expired := s.child("expired"); expired != nil {
		r.expired(expired, &src.Expired)
	}
	r.parts(s, src, c.Consumers)
	r.checkSource(s, src)
	return src
}

// parts reads the tables of a source, and fills in what follows from them, the mode too.
func (r *reader) parts(s section, src *Source, consumers []*Consumer) {
	s.need("records", `records = { at = "PATH OF THE ARRAY", key = "id", … }`)
	read := func(key string, f func(*node)) {
		n, before := s.child(key), len(r.mistakes)
		if n != nil {
			f(n)
		}
		src.broken[key] = len(r.mistakes) > before
	}
	read("each", func(n *node) { r.each(n, src, consumers) })
	read("request", func(n *node) { r.request(n, &src.Request) })
	read("paging", func(n *node) { r.paging(n, &src.Paging) })
	read("records", func(n *node) { r.records(n, &src.Records) })
	read("watermark", func(n *node) { src.Watermark = r.watermark(n) })
	read("audit", func(n *node) { src.Audit = r.audit(n) })
	read("epoch", func(n *node) { src.Epoch = r.epoch(n) })
	src.Mode = src.Watermark.mode()
	choose(s, "mode", &src.Mode)
	src.Request.connect(&src.Paging, &src.Records)
	src.Paging.guess(src.Request.Uses)
	if src.Paging.Assumed {
		src.Paging.By = src.logStyle()
		src.Paging.Assumed = src.Paging.By == PagingNone
	}
	src.Request.fill(src.Paging.By)
	read("resync", func(n *node) { src.Resync = r.resync(n, src) })
	if len(src.Records.Version) == 0 && src.Watermark != nil {
		src.Records.Version = src.Watermark.Fields
	}
	src.fillSlices()
	src.several()
}
