package sources_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// since walks for changes since a watermark of an epoch.
func since(watermark, epoch string) syncer.Walk {
	w := changes(watermark)
	w.From.Epoch = epoch
	return w
}

// historian answers one page, with its epoch in the page and in /about.
func historian(epoch *string, asked *[]string) sources.Owner {
	return scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path)
		if w.Header().Set("X-Index", *epoch); r.URL.Path == "/v1/about" {
			fmt.Fprintf(w, `{"history":%q}`, *epoch)
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":"2026-01-02T00:00:00Z"}],"history":%q}`, *epoch)
	})
}

// TestEpoch: another epoch than the one that the watermark belongs to means
// that the owner's history started again.
func TestEpoch(t *testing.T) {
	about := &sources.Request{Path: text("/about")}
	for name, c := range map[string]struct {
		epoch     sources.Epoch
		held, now string
		expired   bool
		keep      string
		class     syncer.Class
	}{
		"the same":               {epoch: sources.Epoch{At: "history"}, held: "a", now: "a", keep: "a"},
		"another":                {epoch: sources.Epoch{At: "history"}, held: "a", now: "b", expired: true},
		"the first":              {epoch: sources.Epoch{At: "history"}, now: "b", keep: "b"},
		"none":                   {epoch: sources.Epoch{At: "history"}, held: "a", class: syncer.ClassAnswer},
		"in a header":            {epoch: sources.Epoch{At: "header:X-Index"}, held: "a", now: "b", expired: true},
		"asked, the same":        {epoch: sources.Epoch{At: "history", Request: about}, held: "a", now: "a", keep: "a"},
		"asked, another":         {epoch: sources.Epoch{At: "history", Request: about}, held: "a", now: "b", expired: true},
		"rising":                 {epoch: sources.Epoch{At: "history", Falling: true}, held: "900", now: "1000", keep: "1000"},
		"falling":                {epoch: sources.Epoch{At: "history", Falling: true}, held: "1000", now: "900", expired: true},
		"falling, the first":     {epoch: sources.Epoch{At: "history", Falling: true}, now: "900", keep: "900"},
		"falling time":           {epoch: sources.Epoch{At: "history", Falling: true}, held: "2026-01-02T00:00:00Z", now: "2026-01-01T23:59:59.9Z", expired: true},
		"falling, but no number": {epoch: sources.Epoch{At: "history", Falling: true}, held: "a", now: "b", class: syncer.ClassAnswer},
		"too long":               {epoch: sources.Epoch{At: "history"}, now: strings.Repeat("a", 2000), class: syncer.ClassAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			spec := users(t, sources.None)
			spec.Epoch = c.epoch
			s := source(t, historian(&c.now, &asked), spec)
			batches, err := walk(t, s, since("2026-01-01T00:00:00Z", c.held))
			switch {
			case c.expired:
				if !errors.Is(err, syncer.ErrExpired) || len(batches) > 0 {
					t.Errorf("%d batches, %v: want ErrExpired", len(batches), err)
				}
			case c.class != "":
				if syncer.Classify(err) != c.class || errors.Is(err, syncer.ErrExpired) {
					t.Errorf("got %v, want class %s", err, c.class)
				}
			case err != nil || batches[len(batches)-1].End.Epoch != c.keep:
				t.Errorf("got %+v, %v; want epoch %q", batches[len(batches)-1].End, err, c.keep)
			}
			if c.epoch.Request != nil && asked[0] != "/v1/about" {
				t.Errorf("asked %v", asked)
			}
			// From zero, there is nothing that it could contradict.
			if c.class == "" {
				if _, end := complete(t, s, resync()); end.Epoch != c.now {
					t.Errorf("a resync keeps %q", end.Epoch)
				}
			}
		})
	}
}

// An epoch that changes between pages, or while a walk was not there, is as
// another one.
func TestEpochInMidWalk(t *testing.T) {
	spec := users(t, sources.Cursor)
	spec.Paging.Next, spec.Epoch.At = "next", "history"
	body := func(id int, next, epoch string) string {
		return fmt.Sprintf(`{"data":[{"id":%d,"updated_at":"2026-01-02T00:00:00Z"}],"next":%q,"history":%q}`, id, next, epoch)
	}
	if _, err := walk(t, source(t, pages(body(1, "x", "a"), body(2, "", "b")), spec), since("2026-01-01T00:00:00Z", "")); !errors.Is(err, syncer.ErrExpired) {
		t.Errorf("changes: got %v", err)
	}
	fails(t, source(t, pages(body(1, "x", "a"), body(2, "", "b")), spec), resync(), syncer.ClassAnswer)

	first := upTo(t, source(t, pages(body(1, "x", "a")), spec), resync(), 1)
	on := goOn(stored(t, first[0].Resume))
	if _, end := complete(t, source(t, pages(body(2, "", "a")), spec), on); end.Epoch != "a" {
		t.Errorf("end %+v", end)
	}
	if _, err := walk(t, source(t, pages(body(2, "", "b")), spec), on); !isNotResumable(err) {
		t.Errorf("a list that goes on in another history: got %v", err)
	}
}

// "Not modified" is of a history, too, where its header says of which.
func TestEpochOfWhatIsNotModified(t *testing.T) {
	for name, spec := range map[string]sources.Spec{"a page": users(t, sources.None), "lines": lines(t)} {
		for now, c := range map[string]struct {
			expired bool
			keep    string
		}{"a": {keep: "a"}, "b": {expired: true}, "": {keep: "a"}} {
			epoch := "a"
			owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
				if epoch != "" {
					w.Header().Set("X-Index", epoch)
				}
				w.Header().Set("ETag", `"empty"`)
				if r.Header.Get("If-None-Match") != "" {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				body := map[string]string{"a page": `{"data":[]}`}[name]
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				fmt.Fprint(w, body)
			})
			spec.Request.Conditional, spec.Epoch.At = true, "header:X-Index"
			s := source(t, owner, spec)
			w := since("2026-01-01T00:00:00Z", "a")
			_, end := complete(t, s, w)
			w.From.Validator, epoch = end.Validator, now
			batches, err := walk(t, s, w)
			switch {
			case c.expired:
				if !errors.Is(err, syncer.ErrExpired) {
					t.Errorf("%s, epoch %q: got %v, want ErrExpired", name, now, err)
				}
			case err != nil || !batches[0].End.Unchanged || batches[0].End.Epoch != c.keep:
				t.Errorf("%s, epoch %q: got %+v, %v", name, now, batches, err)
			}
		}
	}
}

// An epoch that only rises, in each page, is read in the order in which the
// owner answers: neither pages nor windows of such a feed are asked for side by
// side, though other epochs', and one that is asked for ahead, are.
func TestRisingEpochIsReadInOrder(t *testing.T) {
	about := &sources.Request{Path: text("/about")}
	ahead, sliced := counted(t, sources.Page), users(t, sources.None)
	sliced.Request.Query = append(sliced.Request.Query, param("until", "{until}"))
	for _, spec := range []sources.Spec{ahead, sliced} {
		for epoch, most := range map[sources.Epoch]int{
			{At: "seq", Falling: true}:                 1,
			{At: "seq", Falling: true, Request: about}: 2,
			{At: "fixed"}: 2,
		} {
			for _, kind := range []syncer.WalkKind{syncer.Resync, syncer.Changes} {
				synctest.Test(t, func(t *testing.T) {
					var mu sync.Mutex
					seq, inHand, atOnce := 100, 0, 0
					owner := sources.Owner{Name: "shop", URL: "https://owner.example/v1", Concurrency: 2}
					owner.Transport = sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						mu.Lock()
						inHand++
						atOnce = max(atOnce, inHand)
						mu.Unlock()
						q := r.URL.Query()
						page, _ := strconv.Atoi(q.Get("page"))
						if page == 2 || q.Get("since") == "1999-12-31T12:00:00Z" {
							time.Sleep(time.Second) // what follows is answered sooner
						}
						time.Sleep(time.Second)
						mu.Lock()
						defer mu.Unlock()
						inHand--
						seq++ // somebody writes
						w.Header().Set("Content-Type", "application/json")
						w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
						fmt.Fprintf(w, `{"data":[{"id":%d,"updated_at":"1999-12-31T18:00:00Z"}],"seq":%d,"fixed":"x","meta":{"total":3}}`, max(page, 1), seq)
					}))
					spec := spec
					spec.Epoch, spec.Versioned, spec.Watermark.Overlap = epoch, true, 0
					w := since("1999-12-31T12:00:00Z", "100")
					if w.Kind = kind; kind == syncer.Resync {
						w.From = syncer.Position{}
					}
					if epoch.At == "fixed" {
						w.From.Epoch = ""
					}
					if spec.Paging.By == sources.None {
						spec.Watermark.Initial, spec.Watermark.Window = "1999-12-31T12:00:00Z", 6*time.Hour
					}
					if _, err := walk(t, source(t, owner, spec), w); err != nil || atOnce != most {
						t.Errorf("%s of %q paged by %s: %d at one time, want %d; %v", kind, epoch.At, spec.Paging.By, atOnce, most, err)
					}
				})
			}
		}
	}
}

// TestContiguous: a watermark of integers without gaps tells by a gap that
// records are lost.
func TestContiguous(t *testing.T) {
	for name, c := range map[string]struct {
		order   sources.Order
		edge    string // "last", "first", or "" for the greatest
		held    string
		numbers []int
		expired bool
	}{
		"next to it":                  {sources.Ascending, "", "7", []int{8, 9}, false},
		"the same again":              {sources.Ascending, "", "7", []int{7, 8}, false},
		"from the overlap":            {sources.Ascending, "", "7", []int{5, 6, 7, 8}, false},
		"less than the overlap":       {sources.Ascending, "", "7", []int{7}, false},
		"a gap behind it":             {sources.Ascending, "", "7", []int{9, 10}, true},
		"a gap between records":       {sources.Ascending, "", "7", []int{7, 8, 10}, true},
		"ties":                        {sources.Ascending, "", "7", []int{8, 8, 9}, false},
		"nothing":                     {sources.Ascending, "", "7", nil, false},
		"in any order":                {sources.Unordered, "", "7", []int{10, 9, 8}, false},
		"in any order, a gap":         {sources.Unordered, "", "7", []int{10, 9}, true},
		"newest first":                {sources.Descending, "", "7", []int{10, 9, 8}, false},
		"a log":                       {sources.Unordered, "last", "7", []int{8, 9}, false},
		"a log, a gap behind it":      {sources.Unordered, "last", "7", []int{9}, true},
		"a log, a gap between events": {sources.Unordered, "last", "7", []int{8, 10}, true},
		"newest events first":         {sources.Unordered, "first", "7", []int{10, 9, 8}, false},
		"newest first, a gap behind":  {sources.Unordered, "first", "7", []int{10, 9}, true},
		"newest first, far behind":    {sources.Unordered, "first", "7", []int{50}, true},
		"newest first, held again":    {sources.Unordered, "first", "7", []int{8, 7}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var list []string
			for i, n := range c.numbers {
				list = append(list, fmt.Sprintf(`{"id":%d,"n":%d}`, i, n))
			}
			spec := anchored(t)
			spec.Paging, spec.Epoch.Contiguous = sources.Paging{}, true
			spec.Watermark.Order = c.order
			if c.edge != "" {
				spec.Mode = sources.Log
				spec.Watermark = sources.Watermark{Last: "n", Format: format(t, "integer")}
			}
			if c.edge == "first" {
				spec.Watermark.First, spec.Watermark.Last = "n", ""
			}
			s := source(t, pages(`{"data":[`+strings.Join(list, ",")+`]}`), spec)
			_, err := walk(t, s, changes(c.held))
			if errors.Is(err, syncer.ErrExpired) != c.expired || !c.expired && err != nil {
				t.Errorf("got %v, want expired %v", err, c.expired)
			}
			if _, err := walk(t, s, resync()); err != nil {
				t.Errorf("from zero: %v", err)
			}
		})
	}
}

// A gap shows across pages, and across a resume.
func TestContiguousPages(t *testing.T) {
	spec := anchored(t)
	spec.Epoch.Contiguous, spec.Watermark.Order = true, sources.Ascending
	spec.Paging = sources.Paging{By: sources.Cursor, Next: "next"}
	spec.Request.Query = append(spec.Request.Query, param("cursor", "{cursor}"))
	page := func(n int, next string) string {
		return fmt.Sprintf(`{"data":[{"id":%d,"n":%d}],"next":%q}`, n, n, next)
	}
	complete(t, source(t, pages(page(8, "x"), page(9, "")), spec), changes("7"))
	if _, err := walk(t, source(t, pages(page(8, "x"), page(10, "")), spec), changes("7")); !errors.Is(err, syncer.ErrExpired) {
		t.Errorf("got %v", err)
	}
	first := upTo(t, source(t, pages(page(8, "x")), spec), changes("7"), 1)
	on := goOn(stored(t, first[0].Resume))
	complete(t, source(t, pages(page(9, "")), spec), on)
	if _, err := walk(t, source(t, pages(page(10, "")), spec), on); !errors.Is(err, syncer.ErrExpired) {
		t.Errorf("resumed: got %v", err)
	}
}

func TestEpochsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*sources.Spec){
		"needs a place":       func(s *sources.Spec) { s.Epoch.Falling = true },
		"that is an integer":  func(s *sources.Spec) { s.Epoch.Contiguous = true },
		"epoch needs a place": func(s *sources.Spec) { s.Epoch.Request = &sources.Request{} },
	} {
		spec := users(t, sources.None)
		change(&spec)
		client, err := sources.NewClient(sources.Owner{URL: "https://owner.example"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources.New(client, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
