package sources_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// wayOf is a way as larder is configured for it.
type wayOf struct {
	way
	style sources.Style
	spec  func(*sources.Spec)
}

// tick is the time between two things that happen; a Date header tells seconds.
const tick = 10 * time.Second

// stage is where the histories of one way are lived: an owner, sources over its
// transport, a feed and a table in memory.
type stage struct {
	wayOf
	sources map[int]syncer.Source // by the size of pages
	owner   http.Handler          // of the history in hand
}

func (p wayOf) stage(t *testing.T, capped bool) *stage {
	s := &stage{wayOf: p, sources: map[int]syncer.Source{}}
	for size := 1; size <= 2; size++ {
		spec := users(t, p.style)
		spec.Watermark.Overlap, spec.Paging.Size = 0, size
		if p.spec != nil {
			p.spec(&spec)
		}
		carrier := sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.owner.ServeHTTP(w, r) }))
		s.sources[size] = source(t, sources.Owner{Name: "shop", URL: "https://owner.example", Transport: carrier, Log: zerolog.Nop(),
			Retry: sources.Retry{Attempts: 1}}, spec)
		if !capped {
			s.sources[size] = uncapped{s.sources[size], rfc3339(t)}
		}
	}
	return s
}

// uncapped moves the watermark to the greatest stamp that the walk saw.
type uncapped struct {
	syncer.Source
	format *row.Format
}

func (u uncapped) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return func(yield func(*syncer.Batch, error) bool) {
		high, text := row.Stamp{}, w.From.Watermark
		if at, err := u.format.ParseText(text); err == nil {
			high = at
		}
		for b, err := range u.Source.Walk(ctx, w) {
			if b != nil {
				for _, r := range b.Records {
					if at, err := u.format.Parse(r.Slots[2]); err == nil && row.Compare(at, high) > 0 {
						high, text = at, strings.Trim(string(r.Slots[2]), `"`)
					}
				}
				if b.End != nil {
					b.End.Watermark = text
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// ownerOf is the owner of a history, with five records or, for a walk for
// changes, one. change gives the five their stamps.
func (s *stage) ownerOf(h tale) (o *sourcetest.Owner, change func()) {
	o = &sourcetest.Owner{Style: styles[s.style], PageSize: h.size, Order: sourcetest.Order(s.order)}
	o.Paging.Totals, o.Wire.Exclusive = true, s.exclusive
	if s.style == sources.Since || s.by == "snapshot" {
		o.Style = sourcetest.Since
	}
	return o, func() {
		now := o.Now()
		for i, stamp := range h.stamps() {
			at := now.Add(time.Duration(stamp) * tick)
			o.Commit(sourcetest.Change{ID: int64(i + 1), Name: "five", Stamp: at, Commit: at, Visible: at})
		}
		time.Sleep(6 * tick)
	}
}

// live runs a history: its walk lists everything, or asks for changes.
func (s *stage) live(t *testing.T, h tale, kind syncer.WalkKind) fate {
	o, change := s.ownerOf(h)
	s.owner = o
	if s.by == "snapshot" {
		s.owner = &frozen{Owner: o}
	}
	feed, memory := feedOf(t, s.sources[h.size])
	if kind == syncer.Changes {
		o.Put("first", 77)
		time.Sleep(tick)
		if r := feed.Poll(t.Context(), time.Time{})[0]; !r.OK() {
			return stuck
		}
	}
	change()
	before := len(o.Requests())
	o.Between = func(n int) {
		for _, w := range h.writes {
			if w.at != n-before {
				continue
			}
			time.Sleep(tick)
			if w.kind == 'd' {
				o.Delete(int64(w.id))
			} else {
				o.Put(fmt.Sprint("written before ", n), int64(w.id))
			}
		}
	}
	reports := feed.Poll(t.Context(), time.Time{})
	if reports[0].Kind != kind {
		t.Fatalf("the walk is of kind %s, want %s", reports[0].Kind, kind)
	}
	o.Between = nil
	time.Sleep(tick)
	reports = feed.Poll(t.Context(), time.Time{})
	fate := s.judge(o, memory, reports)
	if fate == lost && s.by == "position" {
		feed.Persist = tick
		reports, err := feed.AuditNow(t.Context(), feed.Copies[0], true)
		if err != nil || s.judge(o, memory, reports) != right {
			t.Errorf("%+v: an audit leaves what was lost, %v", h, err)
		}
	}
	return fate
}

func (s *stage) judge(o *sourcetest.Owner, memory *syncertest.Memory, reports []syncer.Report) fate {
	for _, r := range reports {
		if !r.OK() {
			return stuck
		}
	}
	held := map[string]string{}
	for _, r := range memory.Rows("copy", []string{"id", "name"}) {
		held[r[0]] = r[1]
	}
	for _, r := range o.Truth() {
		if held[fmt.Sprint(r.ID)] != r.Name {
			return lost
		}
	}
	return right
}

// feedOf is a feed in a table that was never polled.
func feedOf(t *testing.T, from syncer.Source) (*syncer.Feed, *syncertest.Memory) {
	memory := &syncertest.Memory{}
	d := memory.NewDaemon("us")
	if err := d.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := d.Table(row.Spec{Name: "c.copy", Target: "copy", Source: "users", Key: []int{0}, Version: 2,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "name", Type: row.Type{Kind: row.Text}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Partitions: []syncer.Partition{{}}, Shape: syncer.Shape("users", []string{"id", "name", "updated_at"}),
		Confirm: 1, Guard: syncer.Guard{Share: 1, All: true},
	})
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &syncer.Feed{Name: "users", Source: from, Partitions: []syncer.Partition{{}},
		Copies: []*syncer.Copy{{Name: "c.copy", Table: table, Keeper: table}}, Gather: syncer.Gather{Records: 1, Bytes: 1}}, memory
}

// frozen is an owner whose tokens page through the list as it was when the walk
// asked for its first page.
type frozen struct {
	*sourcetest.Owner
	then *sourcetest.Owner
}

func (f *frozen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.then == nil || !r.URL.Query().Has("cursor") {
		f.then = &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: f.PageSize, Order: f.Order}
		for _, live := range f.Truth() {
			at, _ := time.Parse(time.RFC3339Nano, live.UpdatedAt)
			f.then.Commit(sourcetest.Change{ID: live.ID, Name: live.Name, Stamp: at, Commit: at, Visible: at})
		}
	}
	f.Owner.ServeHTTP(&unheard{}, r.Clone(r.Context())) // is asked, and writes between pages
	f.then.ServeHTTP(w, r)
}

type unheard struct{}

func (*unheard) Header() http.Header         { return http.Header{} }
func (*unheard) Write(b []byte) (int, error) { return len(b), nil }
func (*unheard) WriteHeader(int)             {}

var (
	ascending  = func(s *sources.Spec) { s.Watermark.Order = sources.Ascending }
	descending = func(s *sources.Spec) { s.Watermark.Order = sources.Descending }
	total      = func(s *sources.Spec) { s.Paging.Total = "meta.total" }
	totalDesc  = func(s *sources.Spec) { descending(s); total(s) }
	byID       = func(s *sources.Spec) { s.Request.Query = append(s.Request.Query[:2:2], param("after_id", "{last.id}")) }
	unsized    = func(s *sources.Spec) { s.Paging.Size, s.Request.Query = 0, s.Request.Query[:1] }
)

// The model's table: what a client loses that takes pages as they come, with its
// watermark at the greatest stamp that it saw, and capped by the walk's start;
// and what larder loses, so capped or not. It is capped; a wrapper takes the cap
// off here.
var pagingTable = []struct {
	wayOf
	free, capped, uncapped, larder string
}{
	{wayOf{way{name: "offset, oldest first", order: "stamp", by: "position"}, sources.Offset, nil},
		"loss on update, delete", "loss on update, delete", "loss on update, delete", "loss on delete"},
	{wayOf{way{name: "page, oldest first, order declared", order: "stamp", by: "position"}, sources.Page, ascending},
		"loss on update, delete", "loss on update, delete", "loss on update, delete", "loss on delete"},
	{wayOf{way{name: "page, oldest first, with a total", order: "stamp", by: "position"}, sources.Page, total},
		"loss on update, delete", "loss on update, delete", "loss on update, insert with delete", "loss on insert with delete"},
	{wayOf{way{name: "links with page numbers, oldest first", order: "stamp", by: "position"}, sources.Link, nil},
		"loss on update, delete", "loss on update, delete", "loss on update, delete", "loss on delete"},
	{wayOf{way{name: "offset, newest first", order: "stamp desc", by: "position"}, sources.Offset, descending},
		"loss on delete", "loss on delete", "loss on delete", "loss on delete"},
	{wayOf{way{name: "offset, newest first, with a total", order: "stamp desc", by: "position"}, sources.Offset, totalDesc},
		"loss on delete", "loss on delete", "none", "none"},
	{wayOf{way{name: "offset, by id", order: "id", by: "position"}, sources.Offset, nil},
		"loss on update, insert, delete", "loss on delete", "loss on update, insert, delete", "loss on delete"},
	{wayOf{way{name: "offset, by id, with a total", order: "id", by: "position"}, sources.Offset, total},
		"loss on update, insert, delete", "loss on delete", "loss on update, insert with delete", "loss on insert with delete"},
	{wayOf{way{name: "keyset of stamp and id, oldest first", order: "stamp", by: "keyset"}, sources.Keyset, nil},
		"none", "none", "none", "none"},
	{wayOf{way{name: "keyset of stamp and id, newest first", order: "stamp desc", by: "keyset"}, sources.Keyset, descending},
		"none", "none", "none", "none"},
	{wayOf{way{name: "keyset of the id", order: "id", by: "keyset"}, sources.Keyset, byID},
		"loss on update, insert", "none", "loss on update, insert", "none"},
	{wayOf{way{name: "since the last stamp, which is left out", order: "stamp", by: "since", exclusive: true}, sources.Since, nil},
		"loss without a write", "loss without a write", "stuck", "stuck"},
	{wayOf{way{name: "since the last stamp", order: "stamp", by: "since"}, sources.Since, nil},
		"stuck", "stuck", "stuck", "stuck"},
	{wayOf{way{name: "since the last stamp, size not said", order: "stamp", by: "since"}, sources.Since, unsized},
		"stuck", "stuck", "loss without a write", "loss without a write"},
	{wayOf{way{name: "a token of the list as it was", order: "id", by: "snapshot"}, sources.Cursor, nil},
		"none", "none", "none", "none"},
}

// TestPagingModel lives the histories of the model with larder's own source and
// table. All of them take minutes: unless they are asked for, one of each group is
// lived that has the same kinds of writes and the same fate with the client
// without defences.
func TestPagingModel(t *testing.T) {
	page, err := os.ReadFile("PITFALLS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range pagingTable {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			free, capped, lived := row.traps()
			uncapped, larder := verdict{}, verdict{}
			synctest.Test(t, func(t *testing.T) {
				bare, whole := row.stage(t, false), row.stage(t, true)
				for _, h := range lived {
					uncapped.add(h, bare.live(t, h, syncer.Changes))
					larder.add(h, whole.live(t, h, syncer.Resync))
					larder.add(h, whole.live(t, h, syncer.Changes))
				}
			})
			for _, c := range []struct {
				what  string
				got   verdict
				want  string
				whole bool
			}{
				{"naive", free, row.free, true}, {"naive, capped", capped, row.capped, true},
				{"larder, uncapped", uncapped, row.uncapped, all()}, {"larder", larder, row.larder, all()},
			} {
				if !c.got.within(c.want) || c.whole && c.got.String() != c.want {
					t.Errorf("%s, of %d histories: %q, want %q", c.what, len(lived), c.got, c.want)
				}
			}
			told := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", row.name, row.free, row.capped, row.uncapped, row.larder)
			if t.Log(told); !strings.Contains(string(page), told) {
				t.Error("PITFALLS.md does not have this row")
			}
		})
	}
}

// traps says what becomes of a client without defences, and which histories
// larder is to live.
func (p wayOf) traps() (free, capped verdict, lived []tale) {
	free, capped = verdict{}, verdict{}
	groups := map[string][]tale{} // of those that are like each other
	tales(func(h tale) {
		one, other := naive{way: p.way, tale: h}.live(), naive{way: p.way, tale: h, capped: true}.live()
		free.add(h, one)
		capped.add(h, other)
		group := fmt.Sprint(one, other, h.kinds(), h.tied, h.size)
		groups[group] = append(groups[group], h)
	})
	for _, group := range groups {
		n := 1
		if all() {
			n = len(group)
		}
		for i := range n {
			lived = append(lived, group[len(group)/2/n+i])
		}
	}
	return free, capped, lived
}

// all asks for all histories.
func all() bool { return os.Getenv("LARDER_HISTORIES") == "all" }
