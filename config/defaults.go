package config

import (
	"net/http"
	"time"
)

// The defaults of all keys stand in this file, those by sense too: what follows from other keys is filled in by
// the fill functions below, once the keys are read.

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	day = 24 * time.Hour
)

func defaultLarder(dir string, env func(string) (string, bool)) Larder {
	return Larder{
		Name:         "larder",
		Home:         stateFile(dir, env),
		Timezone:     "UTC",
		Concurrency:  32,
		History:      30 * day,
		Log:          Log{Level: "info"},
		Listen:       defaultListen,
		StartupGrace: 10 * time.Minute,
	}
}

// defaultListen is the port of metrics and nudges, for this machine alone.
const defaultListen = "127.0.0.1:8420"

func defaultHeartbeat() *Heartbeat { return &Heartbeat{Every: time.Minute, When: HeartbeatAlive} }

func defaultAlert(name string) *Alert {
	return &Alert{
		Name:     name,
		KeyPath:  "alert." + bare(name),
		Levels:   []AlertLevel{AlertWarn, AlertCritical},
		Repeat:   Repeat{Warn: 4 * time.Hour, Critical: time.Hour},
		Resolved: true,
		Group:    30 * time.Second,
	}
}

func defaultNudge(name string) *Nudge {
	return &Nudge{Name: name, KeyPath: "nudge." + bare(name), Kind: NudgeStandard, Debounce: time.Second}
}

func defaultConsumer(name string) *Consumer {
	return &Consumer{Name: name, KeyPath: "consumer." + bare(name), Bookkeeping: "larder", Connections: 4}
}

func defaultOwner(name string) *Owner {
	return &Owner{
		Name:        name,
		KeyPath:     "owner." + bare(name),
		Concurrency: 2,
		Timeout:     30 * time.Second,
		Retry: Retry{
			Attempts: 5, Min: time.Second, Max: time.Minute,
			Status: []int{408, 425, 429, 500, 502, 503, 504},
		},
		MaxBody:  64 * mib,
		MaxDepth: 512,
	}
}

func defaultSource(name string) *Source {
	return &Source{
		Name:     name,
		KeyPath:  "source." + bare(name),
		Enabled:  true,
		Schedule: ScheduleAuto,
		Mode:     Incremental,
		Jitter:   JitterAuto,
		Paging:   defaultPaging(),
		Expired:  Expired{Status: []int{http.StatusGone}},
		Records:  Records{Format: JSON},
		broken:   map[string]bool{},
	}
}

func defaultAudit() *Audit { return &Audit{Compare: CompareAll, Repair: true} }

// defaultShare is what part of the rows one audit of a sample compares.
const defaultShare = 0.1

func defaultPaging() Paging { return Paging{First: 1, MaxTime: day} }

func defaultHydrate() *Hydrate { return &Hydrate{Batch: 1, Join: ","} }

// fill lets keys be asked for in batches where the request takes several.
func (h *Hydrate) fill() {
	if h.Request.Uses("keys") {
		h.Batch = 100
	}
}

func defaultWatermark() *Watermark {
	return &Watermark{Format: Format{Name: FormatRFC3339}, Order: OrderNone, Null: NullFail}
}

func defaultTable() Table {
	return Table{
		MaxDelete: MaxDelete{Share: 0.2, Floor: 10, Rows: NoRows},
		Misfit:    MisfitQuarantine,
		Text:      TextReject,
		Drift:     DriftIgnore,
		OnDelete:  OnDeleteDelete,
	}
}

// fill sets what follows from the rest of the request.
func (q *Request) fill(paging PagingStyle) {
	if q.Method == "" {
		q.Method = "GET"
		if q.Body != nil {
			q.Method = "POST"
		}
	}
	if q.Body != nil && q.ContentType == "" {
		q.ContentType = "application/json"
	}
	if q.conditional == nil {
		q.Conditional = paging == PagingNone && q.Method == "GET"
	}
}

// several lets a source that makes more than one request ask none of them conditionally: one that is unchanged says
// nothing of the others.
func (s *Source) several() {
	windows := s.Watermark != nil && s.Watermark.Window > 0
	if s.Request.conditional == nil && (s.Records.Deleted.Ask != nil || s.Records.Hydrate != nil || windows) {
		s.Request.Conditional = false
	}
}

// style is how pages follow each other, as told by the placeholders and next.
func (p Paging) style(uses func(placeholder string) bool) PagingStyle {
	switch {
	case !p.Next.IsZero() && !uses("cursor"):
		return PagingNextURL
	case !p.Next.IsZero() || uses("cursor"):
		return PagingCursor
	case uses("page"):
		return PagingPage
	case uses("offset"):
		return PagingOffset
	case uses("last"):
		return PagingKeyset
	}
	return PagingNone
}

// guess fills By where it is not said.
func (p *Paging) guess(uses func(placeholder string) bool) {
	if p.By == "" {
		p.By = p.style(uses)
		p.Assumed = p.By == PagingNone
	}
}

// mode is what a watermark says of its source. None says nothing: a snapshot has to call itself so, so that a
// forgotten line never becomes a sweep.
func (w *Watermark) mode() Mode {
	switch {
	case w == nil:
		return Incremental
	case w.isPosition():
		return EventLog
	case w.Opaque != "":
		return Delta
	}
	return Incremental
}

// logStyle is how the pages of a log follow each other where nothing else says it: each asks for what comes
// after the newest event of the one before.
func (s *Source) logStyle() PagingStyle {
	if s.Mode == EventLog && !s.Records.Format.bare() {
		return PagingSince
	}
	return PagingNone
}

// fill sets the overlap of a watermark that is a time: two minutes cover most write transactions, and a format
// cannot tell apart what lies within one of its units. The owner's own words and positions have none.
func (w *Watermark) fill(given bool) {
	if !given && w.Opaque == "" && !w.isPosition() && w.Format.IsTime() {
		w.Overlap = max(2*time.Minute, w.Format.Unit())
	}
}

// fillSlices lets a window be walked in as many slices at one time as the owner takes requests, or in one where each
// change needs the one before it.
func (s *Source) fillSlices() {
	w := s.Watermark
	switch {
	case w == nil || w.Window == 0 || w.Slices != 0:
	case s.Records.Partial:
		w.Slices = 1
	case s.Owner != nil:
		w.Slices = s.Owner.Concurrency
	}
}

// defaultConfirm is how many complete walks a row must be absent from before a sweep deletes it. Where a
// delete in mid walk pulls rows across a page border unseen, one walk is no proof.
func defaultConfirm(style PagingStyle) int {
	switch style {
	case PagingPage, PagingOffset, PagingLink, PagingNextURL:
		return 2
	}
	return 1
}

// columnType is what a version gets when the columns leave it out.
func (w *Watermark) columnType() (ColumnType, Format) {
	switch w.Format.Name {
	case FormatInteger:
		return ColumnType{Name: "bigint"}, Format{}
	case FormatDate:
		return ColumnType{Name: "date"}, Format{}
	case FormatRFC3339:
		return ColumnType{Name: "timestamptz"}, Format{}
	}
	return ColumnType{Name: "timestamptz"}, w.Format
}
