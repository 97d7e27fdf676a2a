package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

const slicedFeed = `
consumer.app.database = "sqlite:app.db"
owner.app             = { url = "https://app.internal", concurrency = 4 }
[source.users]
request   = { path = "/users", query = { since = "{since}", until = "{until}" } }
records   = { key = "id", deleted = "gone" }
watermark = { from = "at", window = "1d", initial = "1999-12-25T00:00:00Z" }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "text" }
`

// Slices are walked side by side only where a table can put their records into order by itself: it cannot where they
// are events about a record, or only a part of it.
func TestSlicesAtOneTime(t *testing.T) {
	for add, want := range map[string]int{"": 4, `, unwrap = "user"`: 1, `, partial = true`: 1} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			asked, most := 0, 0
			c := parse(t, strings.Replace(slicedFeed, `"gone"`, `"gone"`+add, 1))
			o := ownerOf(c.Owners[0], nil, zerolog.Nop())
			o.Transport = sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				mu.Lock()
				asked++
				most = max(most, asked)
				mu.Unlock()
				time.Sleep(time.Second) // of the bubble
				mu.Lock()
				asked--
				mu.Unlock()
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				_, _ = w.Write([]byte("[]"))
			}))
			client, err := sources.NewClient(o)
			if err != nil {
				t.Fatal(err)
			}
			c.Sources[0].Watermark.Slices = 4 // whatever the configuration makes of it
			f, err := buildFeed(c.Sources[0], tablesOf(c, c.Sources[0]), client, plan{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range f.Source.Walk(t.Context(), syncer.Walk{ID: "w", Kind: syncer.Changes, Sent: time.Now()}) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if most != want {
				t.Errorf("with %q %d slices are walked at one time, want %d", add, most, want)
			}
		})
	}
}
