package syncertest

import (
	"context"
	"iter"
	"maps"
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
	const histories = 1000
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
		"a resumed walk forgets its first start":     func(*History) Wrap { return standings(restart) },
		"changes note not what they touch":           func(h *History) Wrap { h.sideBySide(); return applied(untold) },
		"a resync overwrites what changes have told": func(h *History) Wrap { h.sideBySide(); return overwrites() },
		"an end of changes empties the notes":        func(h *History) Wrap { h.sideBySide(); return ended(syncer.Changes, (*memPart).close) },
		"an end of changes proves deletes": func(h *History) Wrap {
			h.Invisible = true
			return ended(syncer.Changes, provesDeletes)
		},
		"a resync proves deletes as of its changes": func(h *History) Wrap {
			h.Invisible = true
			return ended(syncer.Resync, provesDeletes)
		},
		"an audit proves deletes that it left": func(h *History) Wrap {
			h.Invisible = true
			return ended(syncer.Audit, provesDeletes)
		},
		"an audit repairs what no other confirms":    func(*History) Wrap { return repairsAtOnce() },
		"walks from anybody's position":              func(*History) Wrap { return standings(alike) },
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

func restart(st *syncer.Standing) {
	for _, r := range []*syncer.Resume{st.Position.Resume, st.Listing} {
		if r != nil {
			r.Sent = time.Now()
		}
	}
}

// sideBySide lets changes be walked beside lists at every poll, and the owner
// write for as long.
func (h *History) sideBySide() {
	h.Snapshot, h.ByKey, h.Page, h.Gather = false, true, 1, 1
	h.Takes, h.Slow = 200*time.Millisecond, 503*time.Millisecond
	for i := range h.Log {
		c, later := &h.Log[i], time.Duration(i)*time.Second
		c.Stamp, c.Commit, c.Visible = c.Stamp+later, c.Commit+later, c.Visible+later
	}
	for i := range h.Polls {
		h.Polls[i] = Planned{Wait: 17 * time.Millisecond, Before: Resynced, Beside: 2, Fault: Fault{Kind: None}}
	}
}

// meddle changes what a table has stored, as a mistake in it would.
func meddle(t syncer.Table, do func(*memPart)) {
	m := t.(*simTable).Table.(*MemoryTable)
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	do(m.d.tables[m.spec.Target].part(""))
}

// applied is a table with a mistake in how it applies changes.
func applied(mistake func(*memPart)) Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			a, err := t.Apply(ctx, w, b)
			if w.Kind == syncer.Changes {
				meddle(t, mistake)
			}
			return a, err
		}}
	}}
}

// untold takes back the notes of keys that changes have told of.
func untold(p *memPart) {
	for key, n := range p.seen {
		switch {
		case n.touched && n.version == nil:
			delete(p.seen, key)
		case n.touched:
			p.seen[key] = memNote{version: n.version}
		}
	}
}

// overwrites lets a resync write keys that changes have told of, and counts
// them as seen all the same.
func overwrites() Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			if w.Kind != syncer.Resync {
				return t.Apply(ctx, w, b)
			}
			told := make(map[string]memNote)
			meddle(t, func(p *memPart) {
				for key, n := range p.seen {
					if n.touched && p.seenWalk == w.ID {
						told[key] = n
						delete(p.seen, key)
					}
				}
			})
			a, err := t.Apply(ctx, w, b)
			meddle(t, func(p *memPart) { maps.Copy(p.seen, told) })
			return a, err
		}}
	}}
}

// endings are of a table with a mistake in how it settles.
type endings struct {
	syncer.Table
	kind    syncer.WalkKind
	mistake func(*memPart)
}

func (t endings) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	out, err := t.Table.Settle(ctx, w, s)
	if err == nil && s.End != nil && w.Kind == t.kind {
		meddle(t.Table, t.mistake)
	}
	return out, err
}

func ended(kind syncer.WalkKind, mistake func(*memPart)) Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table { return endings{Table: t, kind: kind, mistake: mistake} }}
}

func provesDeletes(p *memPart) { p.DeletesAsOf = later(p.DeletesAsOf, p.AsOf) }

// repairsAtOnce lets a difference count as soon as it is found.
func repairsAtOnce() Wrap {
	return Wrap{Table: func(t syncer.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			a, err := t.Apply(ctx, w, b)
			if err != nil || w.Kind != syncer.Audit || len(b) == 0 {
				return a, err
			}
			meddle(t, func(p *memPart) {
				for key, s := range p.suspects {
					s.since = s.since.Add(-24 * time.Hour)
					p.suspects[key] = s
				}
			})
			return t.Apply(ctx, w, b)
		}}
	}}
}

// alike takes all copies for equally old.
func alike(st *syncer.Standing) {
	if !st.AsOf.IsZero() {
		st.AsOf = time.Now()
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
