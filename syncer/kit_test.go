package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

var errOwner = errors.New("owner hangs up")

// script is a Source whose every walk is a function; it keeps what it was
// asked.
type script struct {
	mu    sync.Mutex
	asked []syncer.Walk
	walk  func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool)
}

func (s *script) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	s.mu.Lock()
	s.asked = append(s.asked, w)
	s.mu.Unlock()
	return func(yield func(*syncer.Batch, error) bool) { s.walk(ctx, w, yield) }
}

// walks returns what was asked so far.
func (s *script) walks() []syncer.Walk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *script) last() syncer.Walk {
	w := s.walks()
	return w[len(w)-1]
}

// numbered is a source of n pages of one record each, with a place to go on
// from after each page; between decides what comes before page i.
func numbered(n int, between func(ctx context.Context, page int) error) *script {
	return &script{walk: func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		page := 1
		if r := w.From.Resume; r != nil {
			fmt.Sscan(r.Cursor, &page)
			page++
		}
		for ; page <= n; page++ {
			if between != nil {
				if err := between(ctx, page); err != nil {
					yield(nil, err)
					return
				}
			}
			b := &syncer.Batch{Records: []syncer.Record{item(page, page)}, Size: 10}
			if page == n {
				b.End = &syncer.End{Watermark: fmt.Sprint(n), Listed: w.Kind.Listing()}
			} else {
				b.Resume = &syncer.Resume{Walk: w.ID, Kind: w.Kind, From: w.From.Watermark, Sent: w.Sent, Cursor: fmt.Sprint(page)}
			}
			if !yield(b, nil) {
				return
			}
		}
	}}
}

// item is a record of a key at a version.
func item(key, version int) syncer.Record {
	return syncer.Record{Slots: [][]byte{fmt.Append(nil, key), fmt.Append(nil, version)}}
}

// spec is a table of items.
func spec(name string) row.Spec {
	return row.Spec{Name: "c." + name, Target: name, Source: "items", Key: []int{0}, Version: 1,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "version", Type: row.Type{Kind: row.Bigint}, Slots: []int{1}},
		},
		Partitions: []syncer.Partition{{}}, Shape: syncer.Shape("items", []string{"id", "version"}),
		Budget: syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute}, Confirm: 1,
		Guard: syncer.Guard{Share: 1, All: true},
	}
}

// spoiled is a table whose calls can be made to fail, hang or panic.
type spoiled struct {
	syncer.Table
	apply    func(context.Context) error
	settle   func(context.Context) error
	standing func(context.Context) error
}

func (t *spoiled) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	if t.standing != nil {
		if err := t.standing(ctx); err != nil {
			return syncer.Standing{}, err
		}
	}
	return t.Table.Standing(ctx, p)
}

func (t *spoiled) Apply(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
	opens := len(b) == 1 && len(b[0].Records) == 0 && b[0].End == nil && b[0].Resume == nil
	if t.apply != nil && !opens {
		if err := t.apply(ctx); err != nil {
			return syncer.Applied{}, err
		}
	}
	return t.Table.Apply(ctx, w, b)
}

func (t *spoiled) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	if t.settle != nil {
		if err := t.settle(ctx); err != nil {
			return syncer.Settled{}, err
		}
	}
	return t.Table.Settle(ctx, w, s)
}

// pantry is a feed of one source in some tables, each in a database of its own.
type pantry struct {
	*syncer.Feed
	t       *testing.T
	memory  []*syncertest.Memory
	daemons []*syncertest.Daemon
	tables  []*spoiled
}

func newPantry(t *testing.T, s syncer.Source, tables int) *pantry {
	t.Helper()
	p := &pantry{t: t, Feed: &syncer.Feed{Name: "items", Source: s, Partitions: []syncer.Partition{{}},
		Gather: syncer.Gather{Records: 1, Bytes: 1 << 20}}}
	for i := range tables {
		m := &syncertest.Memory{}
		d := m.NewDaemon("us")
		if err := d.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		inner := d.Table(spec(string(rune('a' + i))))
		if err := inner.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		tab := &spoiled{Table: inner}
		p.memory, p.daemons, p.tables = append(p.memory, m), append(p.daemons, d), append(p.tables, tab)
		p.Copies = append(p.Copies, &syncer.Copy{Name: "c." + string(rune('a'+i)), Table: tab, Keeper: inner, Budget: spec("a").Budget})
	}
	return p
}

// poll polls the whole source once.
func (p *pantry) poll(ctx context.Context) syncer.Report {
	p.t.Helper()
	reports := p.Poll(ctx, time.Time{})
	if len(reports) != 1 {
		p.t.Fatalf("%d reports, want 1", len(reports))
	}
	return reports[0]
}

func (p *pantry) mustPoll() syncer.Report {
	p.t.Helper()
	r := p.poll(p.t.Context())
	if !r.OK() {
		p.t.Fatalf("poll fails: %+v, tables %+v", r.Failure, r.Tables)
	}
	return r
}

func (p *pantry) standing(i int) syncer.Standing {
	p.t.Helper()
	st, err := p.tables[i].Table.Standing(p.t.Context(), syncer.Partition{})
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

// want compares a table's rows with "key:version" words.
func (p *pantry) want(i int, rows string) {
	p.t.Helper()
	var got []string
	for _, r := range p.memory[i].Rows(string(rune('a'+i)), []string{"id", "version"}) {
		got = append(got, r[0]+":"+r[1])
	}
	slices.Sort(got)
	if s := strings.Join(got, " "); s != rows {
		p.t.Errorf("table %d holds %q, want %q", i, s, rows)
	}
}

func wantClass(t *testing.T, what string, f *syncer.Failure, class syncer.Class) {
	t.Helper()
	switch {
	case f == nil && class != "":
		t.Errorf("%s does not fail, want class %s", what, class)
	case f != nil && f.Class != class:
		t.Errorf("%s fails with %s: %s, want %q", what, f.Class, f.Text, class)
	}
}
