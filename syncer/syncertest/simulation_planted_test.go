package syncertest

import (
	"context"
	"iter"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
)

// sourceFunc and mistaken are a source and a table with a mistake in them.
type sourceFunc func(context.Context, syncer.Walk) iter.Seq2[*syncer.Batch, error]

func (f sourceFunc) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return f(ctx, w)
}

type mistaken struct {
	syncer.Table
	standing func(*syncer.Standing)
	apply    func(context.Context, syncer.Walk, []*syncer.Batch) (syncer.Applied, error)
	settle   func(*syncer.Walk, *syncer.Settlement)
}

func (t mistaken) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	st, err := t.Table.Standing(ctx, p)
	if t.standing != nil {
		t.standing(&st)
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
	if t.settle != nil {
		t.settle(&w, &s)
	}
	return t.Table.Settle(ctx, w, s)
}

// eachBatch is a source that changes what another one yields.
func eachBatch(change func(syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error)) Wrap {
	return Wrap{Source: func(s syncer.Source) syncer.Source {
		return sourceFunc(func(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
			one := change(w)
			return func(yield func(*syncer.Batch, error) bool) {
				for b, err := range s.Walk(ctx, w) {
					if b, err = one(b, err); !yield(b, err) || err != nil || b.End != nil {
						return
					}
				}
			}
		})
	}}
}

func standings(change func(*syncer.Standing)) Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table { return mistaken{Table: t, standing: change} }}
}

func settlements(change func(*syncer.Walk, *syncer.Settlement)) Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table { return mistaken{Table: t, settle: change} }}
}

// Every mistake that loses rows or lies about staleness must be seen by the
// oracle, or what it passes proves little.
func TestSimulationSeesMistakes(t *testing.T) {
	const histories = 400
	for name, plant := range map[string]func(*History) Wrap{
		"asks without overlap": func(h *History) Wrap {
			h.Overlap = 0
			return Wrap{}
		},
		"watermark passes the walk's start":          func(*History) Wrap { return uncapped() },
		"position moves on a failed walk":            func(*History) Wrap { return movesOnFailure() },
		"drops ties across a page boundary":          func(*History) Wrap { return dropsTies() },
		"takes a broken list for a whole one":        func(*History) Wrap { return endsEarly() },
		"writes the position before the rows":        func(*History) Wrap { return positionFirst() },
		"as-of counts from the walk's end":           func(*History) Wrap { return asOfEnd() },
		"leaves out how long the owner may lag":      func(*History) Wrap { return noLag() },
		"walks from the position of the newest":      func(*History) Wrap { return standings(newestFirst) },
		"forgets that a table was to be resynced":    func(*History) Wrap { return standings(func(st *syncer.Standing) { st.Resync = false }) },
		"says not modified of what has changed":      func(*History) Wrap { return alwaysUnchanged() },
		"tombstones are passed over as if unchanged": func(*History) Wrap { return noTombstones() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draw := rapid.Custom(drawHistory)
			for seed := range histories {
				h := draw.Example(seed)
				if w := plant(&h); live(t, h, w) != nil {
					t.Logf("seen in history %d", seed+1)
					return
				}
			}
			t.Errorf("not seen in %d histories", histories)
		})
	}
}

func uncapped() Wrap {
	return Wrap{Source: func(s syncer.Source) syncer.Source {
		o := s.(*owner)
		return eachBatch(func(w syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error) {
			var high time.Duration
			if r := w.From.Resume; r != nil {
				high = parse(r.High)
			}
			return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
				if err != nil || o.Snapshot {
					return b, err
				}
				for _, r := range b.Records {
					at, err := time.Parse(`"`+time.RFC3339+`"`, string(r.Slots[2]))
					must(err)
					high = max(high, at.Sub(o.start))
				}
				if b.End != nil {
					b.End.Watermark = max(high, parse(b.End.Watermark)).String()
				}
				return b, nil
			}
		}).Source(s)
	}}
}

func movesOnFailure() Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table {
		high := ""
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				if r := b[len(b)-1].Resume; r != nil {
					high = r.High
				}
				return t.Apply(ctx, w, b)
			},
			settle: func(_ *syncer.Walk, s *syncer.Settlement) {
				if s.Failure != nil && high != "" {
					*s = syncer.Settlement{End: &syncer.End{Watermark: high}}
				}
			}}
	}}
}

func dropsTies() Wrap {
	return eachBatch(func(syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error) {
		last := ""
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil {
				return b, err
			}
			for len(b.Records) > 0 && string(b.Records[0].Slots[2]) == last {
				b.Records = b.Records[1:]
			}
			if n := len(b.Records); n > 0 {
				last = string(b.Records[n-1].Slots[2])
			}
			return b, nil
		}
	})
}

func endsEarly() Wrap {
	return eachBatch(func(w syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error) {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil && w.Kind.Listing() {
				return &syncer.Batch{End: &syncer.End{Listed: true}}, nil
			}
			return b, err
		}
	})
}

func positionFirst() Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			if a, err := t.Apply(ctx, w, []*syncer.Batch{{Resume: b[len(b)-1].Resume}}); err != nil {
				return a, err
			}
			return t.Apply(ctx, w, b)
		}}
	}}
}

func asOfEnd() Wrap {
	return settlements(func(w *syncer.Walk, _ *syncer.Settlement) { w.Sent = time.Now() })
}

func noLag() Wrap {
	return settlements(func(_ *syncer.Walk, s *syncer.Settlement) { s.Lag = 0 })
}

// newestFirst turns the order of as-ofs round.
func newestFirst(st *syncer.Standing) {
	if epoch := time.Unix(0, 0); !st.AsOf.IsZero() {
		st.AsOf = epoch.Add(epoch.Sub(st.AsOf))
	}
}

// alwaysUnchanged says "not modified" to whoever asks with a validator.
func alwaysUnchanged() Wrap {
	return eachBatch(func(w syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error) {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.End != nil && w.From.Validator != "" {
				return &syncer.Batch{End: &syncer.End{Unchanged: true, Validator: w.From.Validator}}, nil
			}
			return b, err
		}
	})
}

func noTombstones() Wrap {
	return eachBatch(func(syncer.Walk) func(*syncer.Batch, error) (*syncer.Batch, error) {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil {
				return b, err
			}
			var left []syncer.Record
			for _, r := range b.Records {
				if !r.Gone {
					left = append(left, r)
				}
			}
			b.Records = left
			return b, nil
		}
	})
}
