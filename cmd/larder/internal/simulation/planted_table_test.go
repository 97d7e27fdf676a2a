package simulation_test

import (
	"context"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// Mistakes of a table, and of the poll in what it makes of where tables stand:
// some of them are told to the table, others are left in what it has stored.

// movesOnFailure settles a walk that failed at what it had seen.
func movesOnFailure(sc *scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		var high notes[string] // by walk
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				if r := b[len(b)-1].Resume; r != nil {
					high.put(w.ID, r.High)
				}
				return t.Apply(ctx, w, b)
			},
			settle: func(w *syncer.Walk, s *syncer.Settlement) {
				if seen := high.get(w.ID); s.Failure != nil && seen != "" && w.Kind == syncer.Changes {
					s.Failure, s.End = nil, &syncer.End{Watermark: seen, Epoch: w.From.Epoch}
				}
			}}
	}}
}

// movesByPage moves the watermark with each page of a feed without order.
func movesByPage(sc *scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			a, err := t.Apply(ctx, w, b)
			if r := b[len(b)-1].Resume; err == nil && r != nil && r.High != "" && w.Kind == syncer.Changes {
				meddle(t, w.Partition, func(s *syncertest.Stored) { s.Position.Watermark = r.High })
			}
			return a, err
		}}
	}}
}

// positionFirst writes the position before the rows.
func positionFirst(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			if a, err := t.Apply(ctx, w, []*syncer.Batch{{Resume: b[len(b)-1].Resume}}); err != nil {
				return a, err
			}
			return t.Apply(ctx, w, b)
		}}
	}}
}

// asOfEnd counts the as-of from the walk's end.
func asOfEnd(*scene) simulation.Seams {
	return settlements(func(w *syncer.Walk, _ *syncer.Settlement) { w.Sent = time.Now() })
}

// asOfAnswer counts it from the first answer.
func asOfAnswer(*scene) simulation.Seams {
	var first notes[time.Time] // by walk
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				if first.get(w.ID).IsZero() && len(b[0].Records) > 0 {
					first.put(w.ID, time.Now())
				}
				return t.Apply(ctx, w, b)
			},
			settle: func(w *syncer.Walk, _ *syncer.Settlement) {
				if at := first.get(w.ID); !at.IsZero() {
					w.Sent = at
				}
			}}
	}}
}

// asOfOwner takes the owner's word for what time it is.
func asOfOwner(sc *scene) simulation.Seams {
	return settlements(func(w *syncer.Walk, _ *syncer.Settlement) { w.Sent = w.Sent.Add(sc.Skew) })
}

// asOfNewest takes the newest stamp for the as-of.
func asOfNewest(sc *scene) simulation.Seams {
	var newest notes[row.Stamp] // by walk
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				for _, page := range b {
					for i := range page.Records {
						if at, _ := sc.stamp(&page.Records[i]); row.Compare(at, newest.get(w.ID)) > 0 {
							newest.put(w.ID, at)
						}
					}
				}
				return t.Apply(ctx, w, b)
			},
			settle: func(w *syncer.Walk, s *syncer.Settlement) {
				if at, ok := newest.get(w.ID).Time(); ok && s.End != nil {
					w.Sent, s.Lag, s.End.Age = at, 0, 0
				}
			}}
	}}
}

// noLag leaves out how long the owner may take to show a commit.
func noLag(*scene) simulation.Seams {
	return settlements(func(_ *syncer.Walk, s *syncer.Settlement) { s.Lag = 0 })
}

// laterStart lets a resumed walk forget its first start.
func laterStart(*scene) simulation.Seams {
	return standings(func(_ syncer.Partition, st *syncer.Standing) {
		for _, r := range []*syncer.Resume{st.Position.Resume, st.Listing} {
			if r != nil {
				r.Sent = time.Now()
			}
		}
	})
}

// alike takes all copies for equally old.
func alike(*scene) simulation.Seams {
	return standings(func(_ syncer.Partition, st *syncer.Standing) {
		if !st.AsOf.IsZero() {
			st.AsOf = time.Now()
		}
	})
}

// another asks in each partition from where another one stands.
func another(*scene) simulation.Seams {
	var last notes[syncer.Partition] // one
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, standing: func(p syncer.Partition, st *syncer.Standing) {
			other := last.get("")
			last.put("", p)
			if st.Position.Watermark == "" || other.Name == p.Name || other.Name == "" {
				return
			}
			meddle(t, other, func(s *syncertest.Stored) {
				if mark := s.Position.Watermark; mark != "" {
					st.Position.Watermark = mark
				}
			})
		}}
	}}
}

// forgetsOrders forgets that a table was to be resynced.
func forgetsOrders(*scene) simulation.Seams {
	return standings(func(_ syncer.Partition, st *syncer.Standing) { st.Resync = false })
}

// keptValidator keeps a validator though rows wait to be swept.
func keptValidator(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, settled: func(w syncer.Walk, s syncer.Settlement, _ *syncer.Settled) {
			if s.End != nil && s.End.Validator != "" {
				meddle(t, w.Partition, func(st *syncertest.Stored) { st.Position.Validator = s.End.Validator })
			}
		}}
	}}
}

// latestPart takes for each partition the as-of of the best.
func latestPart(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, settled: func(w syncer.Walk, s syncer.Settlement, out *syncer.Settled) {
			if s.End == nil || w.Kind == syncer.Audit {
				return
			}
			meddle(t, w.Partition, func(st *syncertest.Stored) {
				st.Parts(func(other *syncertest.Stored) {
					if !other.AsOf.IsZero() {
						other.AsOf = later(other.AsOf, out.AsOf)
					}
				})
			})
		}}
	}}
}

// unfenced writes whoever holds the lease.
func unfenced(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		own := func(p syncer.Partition) { meddle(t, p, func(s *syncertest.Stored) { s.Unfence() }) }
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				own(w.Partition)
				return t.Apply(ctx, w, b)
			},
			settle: func(w *syncer.Walk, _ *syncer.Settlement) { own(w.Partition) }}
	}}
}

// firstPageWins folds keys page by page: of a key that comes on two pages of one
// transaction, the first is what stays.
func firstPageWins(sc *scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			return t.Apply(ctx, w, firstOnly(sc, b))
		}}
	}}
}

// firstOnly leaves out what a key has on a later page.
func firstOnly(sc *scene, pages []*syncer.Batch) []*syncer.Batch {
	seen := map[string]int{}
	out := make([]*syncer.Batch, len(pages))
	for i, page := range pages {
		p := *page
		p.Records = nil
		for _, r := range page.Records {
			key := keyOf(sc, &r)
			if at, there := seen[key]; there && at != i {
				continue
			}
			seen[key] = i
			p.Records = append(p.Records, r)
		}
		out[i] = &p
	}
	return out
}

// keyOf is the text of a record's key.
func keyOf(sc *scene, r *syncer.Record) string {
	key := ""
	for _, column := range sc.row.Key {
		for _, slot := range sc.row.Columns[column].Slots {
			key += string(r.Slots[slot]) + ";"
		}
	}
	return key
}

// unversioned lets an older version overwrite a newer one.
func unversioned(*scene) simulation.Seams {
	return simulation.Seams{Row: func(s *row.Spec) { s.Version = -1 }}
}

// forgetful remembers no version of what was deleted.
func forgetful(*scene) simulation.Seams {
	return simulation.Seams{Row: func(s *row.Spec) { s.Remember = 0 }}
}

// unguarded sweeps however much is missing.
func unguarded(*scene) simulation.Seams {
	return simulation.Seams{Row: func(s *row.Spec) { s.Guard = syncer.Guard{Share: 1, All: true} }}
}

// lostNotes does not notice that the notes of seen keys were lost.
func lostNotes(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		found := func(p syncer.Partition) { meddle(t, p, func(s *syncertest.Stored) { s.FindNotes() }) }
		return mistaken{Table: t,
			apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
				found(w.Partition)
				return t.Apply(ctx, w, b)
			},
			settle: func(w *syncer.Walk, _ *syncer.Settlement) { found(w.Partition) }}
	}}
}

// untold does not note which keys changes touch beside a list.
func untold(*scene) simulation.Seams {
	return applied(syncer.Changes, func(s *syncertest.Stored) { s.Untell() })
}

// overwrites lets a resync write keys that changes have told of, and counts
// them as seen all the same.
func overwrites(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			if w.Kind != syncer.Resync {
				return t.Apply(ctx, w, b)
			}
			var putBack func(*syncertest.Stored)
			meddle(t, w.Partition, func(s *syncertest.Stored) { putBack = s.TakeTold(w.ID) })
			a, err := t.Apply(ctx, w, b)
			meddle(t, w.Partition, putBack)
			return a, err
		}}
	}}
}

// closesNotes lets an end of changes empty the notes of a list.
func closesNotes(*scene) simulation.Seams {
	return ended(syncer.Changes, func(s *syncertest.Stored) { s.CloseNotes() })
}

// provesDeletes lets the end of a walk of a kind prove deletes as of its own
// as-of.
func provesDeletes(kind syncer.WalkKind) func(*scene) simulation.Seams {
	return func(*scene) simulation.Seams {
		return ended(kind, func(s *syncertest.Stored) { s.DeletesAsOf = later(s.DeletesAsOf, s.AsOf) })
	}
}

// repairsAtOnce lets a difference count as soon as it is found.
func repairsAtOnce(*scene) simulation.Seams {
	return simulation.Seams{Table: func(t syncertest.Table) syncer.Table {
		return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
			a, err := t.Apply(ctx, w, b)
			if err != nil || w.Kind != syncer.Audit || len(b) == 0 {
				return a, err
			}
			meddle(t, w.Partition, func(s *syncertest.Stored) { s.AgeSuspects(24 * time.Hour) })
			return t.Apply(ctx, w, b)
		}}
	}}
}
