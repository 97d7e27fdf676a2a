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

// Oldest first and paged by position, a record that changes after it was read
// moves to the end, the others close up, and one of them crosses the border of
// a page that was read. The walk notices by the one that moved.
func TestRecordsThatCloseUpAreNotMissed(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset, sources.Link} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := hot(styles[by], func(o *sourcetest.Owner, page int) {
					if page == 2 {
						o.Put("moves behind", 1)
					}
				})
				o.Order = sourcetest.ByStamp
				batches, _ := complete(t, source(t, quick(o), users(t, by)), resync())
				if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
					t.Errorf("copy differs (-want +got):\n%s", diff)
				}
				if n := len(o.Requests()); n < 8 {
					t.Errorf("%d requests: the walk was not walked again, the trap is not set", n)
				}
			})
		})
	}
}

// Links that hold a place, and no number, miss nothing: that a record comes again
// is no reason to walk again.
func TestLinksThatKeepTheirPlaceAreWalkedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := hot(sourcetest.NextURL, func(o *sourcetest.Owner, page int) {
			if page == 2 {
				o.Put("moves behind", 1)
			}
		})
		o.Order = sourcetest.ByStamp
		batches, _ := complete(t, source(t, quick(o), users(t, sources.NextURL)), resync())
		if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
			t.Errorf("copy differs (-want +got):\n%s", diff)
		}
		if n := len(o.Requests()); n != 5 {
			t.Errorf("%d requests for 13 records, three a page", n)
		}
	})
}

// A feed in which a record moves in every pass is never complete, and says so.
func TestRecordsThatCloseUpForEverFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := hot(sourcetest.Offset, func(o *sourcetest.Owner, page int) { o.Put("moves again", int64(1+(page-2)%12)) }) // always the oldest
		o.Order = sourcetest.ByStamp
		fails(t, source(t, quick(o), users(t, sources.Offset)), resync(), syncer.ClassPaging)
	})
}

// Records that are only pushed on, because others come in front of them, come
// twice and hide nothing.
func TestRecordsThatArePushedOnAreNoReasonToWalkAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := hot(sourcetest.Offset, func(o *sourcetest.Owner, page int) {
			if page == 2 {
				stamp := time.Now().Add(-time.Hour)
				o.Commit(sourcetest.Change{ID: 99, Name: "older than all", Stamp: stamp, Commit: time.Now(), Visible: time.Now()})
			}
		})
		o.Order = sourcetest.ByStamp
		complete(t, source(t, quick(o), users(t, sources.Offset)), resync())
		if n := len(o.Requests()); n > 6 {
			t.Errorf("%d requests for 13 records, three a page", n)
		}
	})
}
