package simulation_test

import (
	"errors"
	"slices"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Mistakes of a source: in what it takes for the end, in what it makes the
// watermark, and in what it hands on.

// uncapped lets the watermark pass the walk's start.
func uncapped(sc *scene) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		high, text := row.Stamp{}, ""
		if r := w.From.Resume; r != nil {
			high, text = sc.mark(r.High), r.High
		}
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil || sc.spec.Mode != sources.Incremental || w.Kind == syncer.Audit {
				return b, err
			}
			for i := range b.Records {
				if at, is := sc.stamp(&b.Records[i]); row.Compare(at, high) > 0 {
					high, text = at, is
				}
			}
			if b.End != nil && row.Compare(high, sc.mark(b.End.Watermark)) > 0 {
				b.End.Watermark = text
			}
			return b, nil
		}
	})
}

// ownClock takes our own time at the walk's start for the watermark.
func ownClock(sc *scene) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.End != nil && !b.End.Unchanged && b.End.Watermark != "" && sc.spec.Mode == sources.Incremental {
				b.End.Watermark = sc.spec.Watermark.Format.RenderLike(row.StampAt(w.Sent), b.End.Watermark)
			}
			return b, err
		}
	})
}

// dropsTies takes a record that has the stamp of the one before the page for one
// that it has seen.
func dropsTies(sc *scene) simulation.Seams {
	return batches(func(syncer.Walk) altered {
		last := row.Stamp{}
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil {
				return b, err
			}
			for len(b.Records) > 0 && !last.IsZero() {
				if at, _ := sc.stamp(&b.Records[0]); row.Compare(at, last) != 0 {
					break
				}
				b.Records = b.Records[1:]
			}
			if n := len(b.Records); n > 0 {
				last, _ = sc.stamp(&b.Records[n-1])
			}
			return b, nil
		}
	})
}

// endsWith takes an error for the end of a walk of some kind.
func endsWith(which func(syncer.Walk, error) bool) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil && which(w, err) {
				return &syncer.Batch{End: &syncer.End{Watermark: w.From.Watermark, Epoch: w.From.Epoch, Listed: w.Kind.Listing()}}, nil
			}
			return b, err
		}
	})
}

// brokenList takes a broken list for a whole one.
func brokenList(*scene) simulation.Seams {
	return endsWith(func(w syncer.Walk, _ error) bool { return w.Kind.Listing() })
}

// brokenChanges takes changes that break off for all that there are.
func brokenChanges(*scene) simulation.Seams {
	return endsWith(func(w syncer.Walk, err error) bool {
		return w.Kind == syncer.Changes && !errors.Is(err, syncer.ErrExpired) && !errors.Is(err, syncer.ErrNotResumable)
	})
}

// refusedResume takes a walk that cannot go on for one that is over.
func refusedResume(*scene) simulation.Seams {
	return endsWith(func(_ syncer.Walk, err error) bool { return errors.Is(err, syncer.ErrNotResumable) })
}

// expiredIsEmpty takes an expired watermark for one since which nothing changed.
func expiredIsEmpty(*scene) simulation.Seams {
	return endsWith(func(w syncer.Walk, err error) bool {
		return w.Kind == syncer.Changes && errors.Is(err, syncer.ErrExpired)
	})
}

// expiredIsTransient tries an expired watermark again for ever.
func expiredIsTransient(*scene) simulation.Seams {
	return batches(func(syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if errors.Is(err, syncer.ErrExpired) {
				err = errors.New("owner is in trouble")
			}
			return b, err
		}
	})
}

// emptyIsTheEnd takes an empty page for the end though a next one is told.
func emptyIsTheEnd(*scene) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		last := &syncer.End{Watermark: w.From.Watermark, Epoch: w.From.Epoch}
		if r := w.From.Resume; r != nil {
			last.Watermark = r.High
		}
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.Resume != nil {
				last.Watermark = b.Resume.High
			}
			if err == nil && b.End == nil && len(b.Records) == 0 {
				last.Listed = w.Kind.Listing()
				return &syncer.Batch{End: last}, nil
			}
			return b, err
		}
	})
}

// alwaysUnchanged says "not modified" to whoever asks with a validator.
func alwaysUnchanged(*scene) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.End != nil && w.From.Validator != "" {
				return unmodified(w), nil
			}
			return b, err
		}
	})
}

// unmodified is a walk that is answered "not modified".
func unmodified(w syncer.Walk) *syncer.Batch {
	return &syncer.Batch{End: &syncer.End{Watermark: w.From.Watermark, Epoch: w.From.Epoch, Validator: w.From.Validator, Unchanged: true}}
}

// samePage takes a paged list for unchanged if its first page is, as an owner
// with an ETag for each page would have it.
func samePage(sc *scene) simulation.Seams {
	var held notes[string] // by kind and partition
	return batches(func(w syncer.Walk) altered {
		first, done, tag := true, false, ""
		name := string(w.Kind) + w.Partition.Name
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil || w.From.Resume != nil || w.Kind != syncer.Snapshot {
				return b, err
			}
			if first {
				first, tag = false, digest(b)
				if done = b.End == nil && held.get(name) == tag; done {
					return unmodified(w), nil
				}
			}
			if b.End != nil {
				held.put(name, tag)
			}
			return b, nil
		}
	})
}

func digest(b *syncer.Batch) string {
	var out []byte
	for _, r := range b.Records {
		out = append(out, slices.Concat(r.Slots...)...)
	}
	return string(out)
}

// noTombstones passes over deletions as if nothing had happened.
func noTombstones(*scene) simulation.Seams {
	return batches(func(syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil {
				b.Records = slices.DeleteFunc(b.Records, func(r syncer.Record) bool { return r.Gone })
			}
			return b, err
		}
	})
}

// bareTombstones forgets how new a deletion is, so that it beats whatever is
// there.
func bareTombstones(sc *scene) simulation.Seams {
	return batches(func(syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil || sc.row.Version < 0 {
				return b, err
			}
			for i, r := range b.Records {
				if !r.Gone {
					continue
				}
				r.Slots = slices.Clone(r.Slots)
				for _, slot := range sc.row.Columns[sc.row.Version].Slots {
					r.Slots[slot] = nil
				}
				b.Records[i] = r
			}
			return b, nil
		}
	})
}

// ageless leaves out how old an answer was when it was sent, and how far its
// walk stayed behind.
func ageless(*scene) simulation.Seams {
	return batches(func(syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.End != nil {
				b.End.Age = 0
			}
			return b, err
		}
	})
}

// misfitsPass hands on no record that does not fit, and counts it as written.
func misfitsPass(sc *scene) simulation.Seams {
	return batches(func(w syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err != nil {
				return b, err
			}
			b.Records = slices.DeleteFunc(b.Records, func(r syncer.Record) bool {
				one := &syncer.Batch{Records: []syncer.Record{r}}
				return len(sc.row.Fold([]*syncer.Batch{one}, w.Kind.Listing()).Misfits) > 0
			})
			return b, nil
		}
	})
}

// noEpoch does not look whether the owner's history started again.
func noEpoch(*scene) simulation.Seams {
	return simulation.Seams{Spec: func(s *sources.Spec) { s.Epoch = sources.Epoch{} }}
}

// noOverlap asks for what is newer than the watermark and for nothing else.
func noOverlap(*scene) simulation.Seams {
	return overlapOf(func(time.Duration) time.Duration { return 0 })
}

// noGranule counts the overlap from stamps as the owner has them, and not as it
// shows them.
func noGranule(sc *scene) simulation.Seams {
	return overlapOf(func(time.Duration) time.Duration {
		late := time.Duration(0)
		for _, c := range sc.Log {
			late = max(late, c.Visible-c.Stamp)
		}
		return max(0, late+sc.Replica+sc.Cached-sc.Settle)
	})
}

// overlapOf changes the overlap in all of a source's parts.
func overlapOf(of func(time.Duration) time.Duration) simulation.Seams {
	return simulation.Seams{Spec: func(s *sources.Spec) {
		s.Watermark.Overlap = of(s.Watermark.Overlap)
		if s.Resync.Watermark != nil {
			w := *s.Resync.Watermark
			w.Overlap = of(w.Overlap)
			s.Resync.Watermark = &w
		}
	}}
}

// noRetention asks whoever was away for whatever long what changed meanwhile.
func noRetention(*scene) simulation.Seams {
	return simulation.Seams{History: func(h *simulation.History) { h.Retention = 0 }}
}
