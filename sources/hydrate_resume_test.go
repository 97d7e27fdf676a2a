package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// shelves is a feed of ids over nine hours, cut into three windows, of which
// the first one answers only once it is let go.
type shelves struct {
	mu    sync.Mutex
	from  time.Time
	stuck bool
	asked []string
}

func (s *shelves) at(hours float64) string {
	return s.from.Add(time.Duration(hours * float64(time.Hour))).Format(time.RFC3339)
}

func (s *shelves) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if id, one := strings.CutPrefix(r.URL.Path, "/v1/books/"); one {
		fmt.Fprintf(w, `{"book":{"id":%q,"name":"n"}}`, id)
		return
	}
	since := r.URL.Query().Get("since")
	s.mu.Lock()
	s.asked = append(s.asked, since)
	stuck := s.stuck
	s.mu.Unlock()
	if since != s.at(0) {
		fmt.Fprintf(w, `{"ids":[{"id":%q,"at":%q}]}`, "of "+since[11:13], since)
		return
	}
	if stuck {
		<-r.Context().Done()
		return
	}
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf(`{"id":"a%d","at":%q}`, i, s.at(1)))
	}
	fmt.Fprintf(w, `{"ids":[%s]}`, strings.Join(ids, ","))
}

// TestHydrateResumesWindows: a walk of windows that is stopped between two parts
// of a page, in a process that had itself resumed it, still knows which windows
// are done and where they lie.
func TestHydrateResumesWindows(t *testing.T) {
	s := &shelves{from: time.Now().UTC().Truncate(time.Second).Add(-9 * time.Hour), stuck: true}
	owner := scripted(nil)
	owner.Transport, owner.Concurrency = sourcetest.Transport(s), 2
	spec := single()
	spec.Mode, spec.Versioned = sources.Incremental, true
	spec.Request.Query = []sources.Param{param("since", "{since}"), param("until", "{until}")}
	spec.Records.As = sources.AsArray
	spec.Watermark = sources.Watermark{From: []string{"at"}, Format: rfc3339(t), Initial: s.at(0), Window: 3 * time.Hour, Slices: 2}

	first := upTo(t, source(t, owner, spec), resync(), 1)
	s.mu.Lock()
	s.stuck = false
	s.mu.Unlock()
	resume := first[0].Resume
	for b, err := range source(t, owner, spec).Walk(t.Context(), goOn(stored(t, resume))) {
		if err != nil {
			t.Fatal(err)
		}
		part := len(b.Records) == 64 // of the page of a hundred; other windows may come before it
		if part && b.Resume.Cursor != resume.Cursor {
			t.Errorf("a part of a page moves the note from %s to %s", resume.Cursor, b.Resume.Cursor)
		}
		if resume = b.Resume; part {
			break
		}
	}
	s.mu.Lock()
	s.asked = nil
	s.mu.Unlock()
	third, _ := complete(t, source(t, owner, spec), goOn(stored(t, resume)))
	seen := map[string]bool{}
	for _, id := range ids(third) {
		seen[strings.Trim(id, `"`)] = true
	}
	for i := range 100 {
		if id := fmt.Sprint("a", i); !seen[id] {
			t.Fatalf("%s of the first window is not seen; asked since %q", id, s.asked)
		}
	}
	for _, since := range s.asked {
		if since == s.at(3) {
			t.Errorf("the second window is done, and asked for again: %q", s.asked)
		}
	}
}

// TestHydrateStartsAPageAgain: a poll that breaks off inside a page fetches what
// it had of the page once more, because a list that reads the same may name a
// record for a newer change. It says how far it came.
func TestHydrateStartsAPageAgain(t *testing.T) {
	quota, name := 70, "old"
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf(`"%d"`, i))
	}
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		id, one := strings.CutPrefix(r.URL.Path, "/v1/books/")
		switch quota--; {
		case !one:
			fmt.Fprintf(w, `{"ids":[%s],"token":"next"}`, strings.Join(all, ","))
		case quota < 0:
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fmt.Fprintf(w, `{"book":{"id":%q,"name":%q}}`, id, name)
		}
	})
	owner.Concurrency = 1
	spec := single()
	spec.Mode, spec.Watermark = sources.Delta, sources.Watermark{Place: "token", Opaque: sources.Token}
	s := source(t, owner, spec)
	batches, err := walk(t, s, changes("now"))
	if err == nil || !strings.Contains(err.Error(), "page 1, behind the first 64 of 100") || len(batches) != 1 || batches[0].Resume != nil {
		t.Fatalf("%d batches, and %v", len(batches), err)
	}
	quota, name = 1000, "new"
	batches, _ = complete(t, s, changes("now"))
	for i, text := range shown(batches) {
		if want := fmt.Sprintf(`"%d" "new"`, i); text != want {
			t.Fatalf("record %d is %s, want %s", i, text, want)
		}
	}
}
