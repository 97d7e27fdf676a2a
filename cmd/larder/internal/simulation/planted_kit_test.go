package simulation_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// scene is what a planted bug knows of the history in which it lives.
type scene struct {
	simulation.History
	spec sources.Spec
	row  row.Spec
}

// watch adds to seams what fills the scene.
func (sc *scene) watch(s simulation.Seams) simulation.Seams {
	out := s
	out.History = func(h *simulation.History) {
		if s.History != nil {
			s.History(h)
		}
		sc.History = *h
	}
	out.Spec = func(spec *sources.Spec) {
		if s.Spec != nil {
			s.Spec(spec)
		}
		sc.spec = *spec
	}
	out.Row = func(spec *row.Spec) {
		if s.Row != nil {
			s.Row(spec)
		}
		sc.row = *spec
	}
	return out
}

// stamp is a record's watermark and its text as the owner wrote it; the zero
// one of a record that has none.
func (sc *scene) stamp(r *syncer.Record) (row.Stamp, string) {
	w := &sc.spec.Watermark
	if w.Format == nil || len(w.From) == 0 {
		return row.Stamp{}, ""
	}
	for i, path := range sc.spec.Paths {
		if path == w.From[0] && i < len(r.Slots) {
			stamp, err := w.Format.Parse(r.Slots[i])
			if err != nil {
				return row.Stamp{}, ""
			}
			text, _, _ := decode.Text(r.Slots[i])
			return stamp, text
		}
	}
	return row.Stamp{}, ""
}

// mark reads a watermark's text; the zero stamp of none.
func (sc *scene) mark(text string) row.Stamp {
	f := sc.spec.Watermark.Format
	if f == nil || text == "" {
		return row.Stamp{}
	}
	stamp, err := f.ParseText(text)
	if err != nil {
		return row.Stamp{}
	}
	return stamp
}

// sourceFunc is a source with a mistake in it.
type sourceFunc func(context.Context, syncer.Walk) iter.Seq2[*syncer.Batch, error]

func (f sourceFunc) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return f(ctx, w)
}

// altered turns what a source yields into something else. A nil batch without
// an error is left out.
type altered func(*syncer.Batch, error) (*syncer.Batch, error)

// batches changes what the source yields, walk by walk.
func batches(of func(syncer.Walk) altered) simulation.Seams {
	return simulation.Seams{Source: func(s syncer.Source) syncer.Source {
		return sourceFunc(func(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
			one := of(w)
			return func(yield func(*syncer.Batch, error) bool) {
				for b, err := range s.Walk(ctx, w) {
					b, err = one(b, err)
					if b == nil && err == nil {
						continue
					}
					if !yield(b, err) || err != nil || b.End != nil {
						return
					}
				}
			}
		})
	}}
}

// mistaken is a table with a mistake in it.
type mistaken struct {
	syncer.Table
	standing func(syncer.Partition, *syncer.Standing)
	apply    func(context.Context, syncer.Walk, []*syncer.Batch) (syncer.Applied, error)
	// settle comes before, settled behind a settlement.
	settle  func(*syncer.Walk, *syncer.Settlement)
	settled func(syncer.Walk, syncer.Settlement, *syncer.Settled)
}

func (t mistaken) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	st, err := t.Table.Standing(ctx, p)
	if err == nil && t.standing != nil {
		t.standing(p, &st)
	}
	return st, err
}

func (t mistaken) Apply(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
	if t.apply != nil {
		return t.apply(ctx, w, b)
	}
	return t.Table.Apply(ctx, w, b)
}

func (t mistaken) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	if s.End != nil {
		end := *s.End // it is every table's
		s.End = &end
	}
	if t.settle != nil {
		t.settle(&w, &s)
	}
	out, err := t.Table.Settle(ctx, w, s)
	if err == nil && t.settled != nil {
		t.settled(w, s, &out)
	}
	return out, err
}

func standings(of func(syncer.Partition, *syncer.Standing)) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table { return mistaken{Table: t, standing: of} }}
}

func settlements(of func(*syncer.Walk, *syncer.Settlement)) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table { return mistaken{Table: t, settle: of} }}
}

// meddle changes what a table in memory has stored.
func meddle(t syncer.Table, p syncer.Partition, do func(*syncertest.Stored)) {
	simulation.InMemory(t).Meddle(p, do)
}

// applied makes a mistake after each batch of a kind of walk.
func applied(kind syncer.WalkKind, mistake func(*syncertest.Stored)) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			a, err := t.Apply(ctx, w, b)
			if err == nil && w.Kind == kind {
				meddle(t, w.Partition, mistake)
			}
			return a, err
		}}
	}}
}

// ended makes a mistake after each complete walk of a kind.
func ended(kind syncer.WalkKind, mistake func(*syncertest.Stored)) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, settled: func(w syncer.Walk, s syncer.Settlement, _ *syncer.Settled) {
			if s.End != nil && w.Kind == kind {
				meddle(t, w.Partition, mistake)
			}
		}}
	}}
}

// wire is a transport with a mistake in it.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// replies changes what the owner answers.
func replies(of func(*http.Request, *http.Response)) simulation.Seams {
	return simulation.Seams{Transport: func(to http.RoundTripper) http.RoundTripper {
		return wire(func(r *http.Request) (*http.Response, error) {
			resp, err := to.RoundTrip(r)
			if err == nil {
				of(r, resp)
			}
			return resp, err
		})
	}}
}

// questions changes what the owner is asked.
func questions(of func(*http.Request)) simulation.Seams {
	return simulation.Seams{Transport: func(to http.RoundTripper) http.RoundTripper {
		return wire(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			of(r)
			return to.RoundTrip(r)
		})
	}}
}

// reply replaces the body of a response by a list, and its status by 200.
func reply(resp *http.Response, body []byte) {
	resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
	resp.Header.Set("Content-Type", "application/json")
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
}

// readAll reads a body, and puts it back with what broke it off.
func readAll(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), ending{err}))
	return body, err
}

// ending is the end of a body, or what breaks it off.
type ending struct{ error }

func (e ending) Read([]byte) (int, error) {
	if e.error == nil {
		return 0, io.EOF
	}
	return 0, e.error
}

// notes are what a mistake remembers. Both tables may write them.
type notes[V any] struct {
	mu sync.Mutex
	of map[string]V
}

func (n *notes[V]) get(name string) V {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[name]
}

func (n *notes[V]) put(name string, v V) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[string]V{}
	}
	n.of[name] = v
}

// later is the later of two instants.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
