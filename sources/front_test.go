package sources_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// hot is an owner of twelve records, newest first and three a page, that
// changes some of them before each page but the first.
func hot(by sourcetest.Style, change func(o *sourcetest.Owner, page int)) *sourcetest.Owner {
	o := &sourcetest.Owner{Style: by, PageSize: 3, Order: sourcetest.ByStampDesc}
	for _, id := range sequence(1, 12) {
		o.Put("old", id)
		time.Sleep(time.Second)
	}
	o.Between = func(page int) {
		if page > 1 {
			change(o, page)
			time.Sleep(time.Second)
		}
	}
	return o
}

// A record that changes before its page is read jumps to the front, behind the
// walk. A walk that declares the order reads the front again and has it.
func TestNewestFirstMissesNothing(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset, sources.Link, sources.NextURL, sources.Cursor, sources.Keyset} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				missed := func(order sources.Order) map[string]string {
					o := hot(styles[by], func(o *sourcetest.Owner, page int) {
						if page == 2 {
							o.Put("changed", 1)
						}
					})
					before := truth(o)
					spec := users(t, by)
					spec.Watermark.Order = order
					batches, _ := complete(t, source(t, quick(o), spec), resync())
					seen := copied(t, batches, nil)
					for id := range before {
						if _, ok := seen[id]; ok {
							delete(before, id)
						}
					}
					return before
				}
				if m := missed(sources.Unordered); len(m) != 1 {
					t.Errorf("without the declared order %v are missed; the trap is not set", m)
				}
				if m := missed(sources.Descending); len(m) != 0 {
					t.Errorf("newest first, %v are missed", m)
				}
			})
		})
	}
}

// A feed that moves by more than a page while its front is read is read again
// until it is quiet, and given up if it never is.
func TestFrontIsReadUntilItIsOnePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := func(until int) *sourcetest.Owner {
			return hot(sourcetest.Offset, func(o *sourcetest.Owner, page int) {
				if page <= until {
					o.Put("again", sequence(1, 6)...)
				}
			})
		}
		spec := users(t, sources.Offset)
		spec.Watermark.Order = sources.Descending
		o := busy(8)
		batches, _ := complete(t, source(t, quick(o), spec), resync())
		if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
			t.Errorf("a feed that comes to rest is not copied (-want +got):\n%s", diff)
		}
		fails(t, source(t, quick(busy(1000)), spec), resync(), syncer.ClassPaging)
	})
}
