package sources_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// A cache between that answers with pages of some minutes ago, each of another
// age: the copy says that it is as old as the oldest of them, its watermark
// passes nothing that the cache hid, and it is whole once the cache is out of
// the way. One that obeys is told to ask the owner.
func TestCachedPagesAreAsOldAsTheyAre(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(t, o, users(t, by))
			spread(o, "new", 1, 9)
			s.heals("first poll", o)
			time.Sleep(time.Hour)
			spread(o, "hidden by the cache", 1, 5)
			o.Cache.Shared = []time.Duration{20 * time.Minute, 5 * time.Minute}
			if by != sources.None {
				o.Cache.Shared = append(o.Cache.Shared, 0)
			}
			for range 3 {
				time.Sleep(time.Minute)
				o.Put("hidden, too", 9)
				asked, now, held := len(o.Requests()), time.Now(), s.kept().AsOf
				s.Poll(t.Context(), time.Time{})
				oldest := time.Duration(0)
				for n := asked; n < len(o.Requests()); n++ {
					oldest = max(oldest, o.Cache.Shared[n%len(o.Cache.Shared)])
				}
				if as := s.kept().AsOf; as.After(now.Add(-oldest)) && !as.Equal(held) {
					t.Errorf("as of %s before answers of up to %s before", now.Sub(as), oldest)
				}
			}
			o.Cache.Obeys = true
			s.heals("a cache that obeys", o)
			if as := s.kept().AsOf; time.Since(as) > 0 {
				t.Errorf("as of %s ago, want of now", time.Since(as))
			}
		})
	})
}

// A quota that is smaller than a walk is no reason never to finish: each poll
// goes on where the last one stood, asks no page twice but those that were
// refused, and waits as long as it is told, whatever form that has.
func TestQuotaSmallerThanAWalkInEveryStyle(t *testing.T) {
	const pages, each = 12, 3
	for _, by := range []sources.Style{sources.Cursor, sources.NextURL, sources.Link, sources.Keyset} {
		for _, tell := range []sourcetest.Tell{sourcetest.TellSeconds, sourcetest.TellDate, sourcetest.TellAbsurd, sourcetest.TellNothing} {
			for _, mode := range []sources.Mode{sources.Incremental, sources.SnapshotAll} {
				t.Run(fmt.Sprintf("%s %s %q", by, mode, tell), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Tombstones: mode == sources.Incremental,
							Quota: sourcetest.Quota{Requests: each, Every: 10 * time.Minute, Tell: tell}}
						s := newShelf(t, o, usersBy(t, by, mode))
						if by == sources.Link {
							o.Style = sourcetest.NextURL
							s.Source = source(t, linking(o, placeLinks), usersBy(t, by, mode))
						}
						spread(o, "row", 1, 3*pages)
						polls := 0
						for ; polls < 20; polls++ {
							r := s.Poll(t.Context(), time.Time{})[0]
							if r.OK() {
								break
							}
							if r.Failure.Class != syncer.ClassRateLimited {
								t.Fatalf("poll %d: %+v", polls, r.Failure)
							}
							wait := 10 * time.Minute
							if !r.RetryAt.IsZero() {
								wait = max(time.Until(r.RetryAt), time.Second)
							}
							if wait > time.Hour || wait < time.Minute {
								t.Fatalf("is to be asked again in %s", wait)
							}
							time.Sleep(wait)
						}
						if n := len(o.Requests()); polls > pages/each+1 || n > pages+1+2*polls {
							t.Errorf("%d polls, %d requests", polls, n)
						}
						want := map[string]string{}
						for _, r := range o.Truth() {
							want[fmt.Sprint(r.ID)] = r.Name
						}
						s.holds("all of it", want)
					})
				})
			}
		}
	}
}
