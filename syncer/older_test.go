package syncer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// An answer out of a cache that is older than the copy is not believed: rows
// would go back to what they were, and as-of would not.
func TestAnswersOlderThanTheCopyAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		shows  time.Duration // how long ago
		refuse bool
	}{
		"not out of a cache":              {0, false},
		"older than the copy":             {90 * time.Second, true},
		"older, but newer than the copy":  {30 * time.Second, false},
		"the answer that the copy is of":  {time.Minute, false},
		"older by far, and without a row": {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list, shows := []syncer.Record{item(1, 1), item(2, 1)}, time.Duration(0)
				p := newPantry(t, &script{walk: func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
					b := &syncer.Batch{Records: list, End: &syncer.End{Listed: true, Age: shows}}
					if shows > 0 {
						b.Shows = time.Now().Add(-shows)
					}
					yield(b, nil)
				}}, 2)
				p.Snapshot = true
				p.mustPoll()
				before := p.standing(0).AsOf
				time.Sleep(time.Minute)
				list, shows = []syncer.Record{item(1, 2)}, test.shows
				if strings.Contains(name, "without") {
					list = nil
				}
				r := p.Poll(t.Context(), time.Time{})[0]
				if refused := !r.OK(); refused != test.refuse {
					t.Fatalf("report %+v", r)
				}
				if !test.refuse {
					p.want(0, "1:2")
					return
				}
				for i, told := range r.Tables {
					p.want(i, "1:1 2:1")
					if told.Failure == nil || told.Failure.Class != syncer.ClassAnswer || !strings.Contains(told.Failure.Text, "old, out of a cache") {
						t.Errorf("says %+v", told.Failure)
					}
				}
				if st := p.standing(0); !st.AsOf.Equal(before) {
					t.Errorf("as-of moves from %s to %s", before, st.AsOf)
				}
			})
		})
	}
}
