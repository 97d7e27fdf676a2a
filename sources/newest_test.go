package sources_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// TestNewest: how old the newest record is, by the owner's clock, whatever ours
// says; a stamp of its future is its present, and what cannot be read or is not
// there tells nothing.
func TestNewest(t *testing.T) {
	owner := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC) // a clock far from ours
	now := time.Now()
	stamp := func(at time.Time) string { return `"` + at.UTC().Format(time.RFC3339) + `"` }
	for _, c := range []struct {
		name, date string
		stamps     []string
		want       time.Duration // -1: nothing tells
	}{
		{"the greatest", owner.Format(http.TimeFormat), []string{stamp(owner.Add(-3 * time.Hour)), stamp(owner.Add(-time.Hour)), stamp(owner.Add(-2 * time.Hour))}, time.Hour},
		{"of the future", owner.Format(http.TimeFormat), []string{stamp(owner.Add(48 * time.Hour))}, 0},
		{"unreadable and null", owner.Format(http.TimeFormat), []string{`"soon"`, "null", "7", stamp(owner.Add(-time.Hour))}, time.Hour},
		{"none", owner.Format(http.TimeFormat), nil, -1},
		{"nothing readable", owner.Format(http.TimeFormat), []string{"null"}, -1},
		{"without a date", "", []string{stamp(now.Add(-time.Hour))}, time.Hour},
		{"of our future without a date", "", []string{stamp(now.Add(time.Hour))}, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			if c.date != "" {
				w.Header().Set("Date", c.date)
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "[")
			for i, s := range c.stamps {
				if i > 0 {
					fmt.Fprint(w, ",")
				}
				fmt.Fprintf(w, `{"id":%d,"seen":%s}`, i, s)
			}
			fmt.Fprint(w, "]")
		}))
		spec := sources.Spec{Name: "s", Mode: sources.SnapshotAll, Request: sources.Request{Path: text("/")},
			Records: sources.Records{Key: []string{"id"}}, Paths: []string{"id", "seen"},
			Newest: sources.Newest{From: []string{"changed", "seen"}, Format: rfc3339(t)}}
		client, err := sources.NewClient(sources.Owner{Name: "o", URL: server.URL, Timeout: time.Second, Concurrency: 1, MaxBody: 1 << 20, MaxDepth: 20})
		if err != nil {
			t.Fatal(err)
		}
		src, err := sources.New(client, spec)
		if err != nil {
			t.Fatal(err)
		}
		w := syncer.Walk{ID: "w", Kind: syncer.Snapshot, Sent: time.Now()}
		_, end := complete(t, src, w)
		old := w.Sent.Sub(end.Newest)
		switch {
		case c.want < 0 && !end.Newest.IsZero():
			t.Errorf("%s: the newest record is %s old", c.name, old)
		case c.want >= 0 && (end.Newest.IsZero() || old < c.want-3*time.Second || old > c.want+3*time.Second):
			t.Errorf("%s: the newest record is %s old, want %s", c.name, old, c.want)
		}
		server.Close()
	}
}
