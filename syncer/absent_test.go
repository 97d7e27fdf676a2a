package syncer_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// A field that no record of a whole list has is warned of once, not at each
// poll, and not if another stands in its place.
func TestAFieldThatNoRecordHasIsWarnedOfOnce(t *testing.T) {
	for name, c := range map[string]struct {
		either map[int][]int
		warned bool
	}{
		"alone":                       {nil, true},
		"another is in its place":     {map[int][]int{2: {0, 2}, 0: {0, 2}}, false},
		"nor is the one in its place": {map[int][]int{2: {2, 3}, 3: {2, 3}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				p := newPantry(t, numbered(1, nil), 1)
				p.Feed.Snapshot, p.Feed.Fields, p.Feed.Either = true, []string{"id", "v", "mail", "email"}[:3+len(c.either)/2], c.either
				d, copied := p.daemons[0], p.Feed.Copies
				r := &syncer.Runner{Concurrency: 1, Log: zerolog.New(zerolog.SyncWriter(&log)), Feeds: []*syncer.Scheduled{{Feed: p.Feed, Schedule: hourly{}}},
					Consumers: []*syncer.Consumer{{Lease: d, Inbox: d, Copies: copied}}}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
				defer cancel()
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
				want := 0
				if c.warned {
					want = 1
				}
				if got := strings.Count(log.String(), `"fields":["mail"`); got != want {
					t.Errorf("warned %d times of mail, want %d: %s", got, want, &log)
				}
			})
		})
	}
}
