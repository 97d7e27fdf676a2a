package sources_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// conditional is a snapshot of the owner's list, asked for conditionally.
func conditional(t *testing.T, style sourcetest.Style) (*sourcetest.Owner, sources.Spec) {
	o := &sourcetest.Owner{Style: style, Cache: sourcetest.Cache{ETags: true}}
	o.Put("row", 1, 2, 3)
	spec := users(t, sources.None)
	if style == sourcetest.Lines {
		spec = lines(t)
	}
	spec.Mode, spec.Request.Conditional, spec.Records.Deleted = sources.SnapshotAll, true, ""
	return o, spec
}

// TestNotModified: an unchanged list is one request without a body, for pages
// and for streams; a changed one is read again.
func TestNotModified(t *testing.T) {
	for _, style := range []sourcetest.Style{sourcetest.Whole, sourcetest.Lines} {
		t.Run(string(style), func(t *testing.T) {
			o, spec := conditional(t, style)
			s := source(t, quick(o), spec)
			_, end := complete(t, s, snapshot())
			if end.Validator == "" || end.Unchanged {
				t.Fatalf("end %+v", end)
			}
			again := snapshot()
			again.From.Validator = end.Validator
			batches, same := complete(t, s, again)
			if !same.Unchanged || same.Listed || same.Validator != end.Validator || len(batches) != 1 || len(ids(batches)) != 0 {
				t.Errorf("%d batches, end %+v", len(batches), same)
			}
			o.Put("new", 4)
			batches, changed := complete(t, s, again)
			if changed.Unchanged || !changed.Listed || changed.Validator == end.Validator || len(ids(batches)) != 4 {
				t.Errorf("%d records, end %+v", len(ids(batches)), changed)
			}
		})
	}
}

// TestValidatorsAreNotSent to another request than they stem from, by a
// resync, and when nobody asked for it.
func TestValidatorsAreNotSent(t *testing.T) {
	o, spec := conditional(t, sourcetest.Whole)
	_, end := complete(t, source(t, quick(o), spec), snapshot())
	other, off := spec, spec
	other.Request.Query = append(other.Request.Query[:1:1], param("x", "1"))
	off.Request.Conditional = false
	everything := snapshot()
	everything.Kind = syncer.Resync
	for name, c := range map[string]struct {
		spec      sources.Spec
		walk      syncer.Walk
		validator string
	}{
		"another request": {other, snapshot(), end.Validator},
		"a resync":        {spec, everything, end.Validator},
		"not conditional": {off, snapshot(), end.Validator},
		"not a validator": {spec, snapshot(), `{"etag"`},
		"none":            {spec, snapshot(), ""},
	} {
		c.walk.From.Validator = c.validator
		_, got := complete(t, source(t, quick(o), c.spec), c.walk)
		last := o.Requests()[len(o.Requests())-1]
		if got.Unchanged || last.Header.Get("If-None-Match") != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if (got.Validator == "") != (name == "not conditional") {
			t.Errorf("%s: validator %q", name, got.Validator)
		}
	}
}

// TestLastModified goes back where there is no ETag.
func TestLastModified(t *testing.T) {
	const date = "Mon, 23 Nov 2026 11:00:00 GMT"
	now := "Mon, 23 Nov 2026 11:00:59 GMT"
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", date)
		w.Header().Set("Date", now)
		if r.Header.Get("If-Modified-Since") == date {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(`{"data":[]}`))
	})
	spec := list(sources.Paging{})
	spec.Request.Conditional = true
	s := source(t, owner, spec)
	_, end := complete(t, s, snapshot())
	if end.Validator != "" {
		t.Errorf("validator %q of an answer that may change within the second", end.Validator)
	}
	now = "Mon, 23 Nov 2026 11:01:00 GMT"
	_, end = complete(t, s, snapshot())
	w := snapshot()
	w.From.Validator = end.Validator
	if _, end = complete(t, s, w); !end.Unchanged {
		t.Errorf("end %+v", end)
	}
}

// TestConditionalPagesAreRefused: later pages may change while the first does not.
func TestConditionalPagesAreRefused(t *testing.T) {
	spec := users(t, sources.Page)
	spec.Request.Conditional = true
	client, err := sources.NewClient(pages(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources.New(client, spec); err == nil || !strings.Contains(err.Error(), "conditional") {
		t.Error(err)
	}
}

// TestOneBudgetForAnOwner: its sources share rate and concurrency.
func TestOneBudgetForAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		var at []time.Time
		o := &sourcetest.Owner{Style: sourcetest.Whole}
		owner := quick(o)
		owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			running++
			most = max(most, running)
			at = append(at, time.Now())
			mu.Unlock()
			time.Sleep(10 * time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return o.Transport().RoundTrip(r)
		})
		owner.Rate, owner.Burst, owner.Concurrency = 0.5, 2, 3
		client, err := sources.NewClient(owner)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 9 {
			s, err := sources.New(client, users(t, sources.None))
			if err != nil {
				t.Fatal(err)
			}
			go func() { complete(t, s, resync()) }()
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if most != 3 || len(at) != 9 {
			t.Errorf("%d requests, %d at one time", len(at), most)
		}
		for i := range at {
			if earliest := time.Duration(max(i-1, 0)) * 2 * time.Second; at[i].Sub(start) < earliest {
				t.Errorf("request %d after %v", i, at[i].Sub(start))
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRequestsAreNotCached on their way, and say who asks.
func TestRequestsAreNotCached(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Whole}
	owner := quick(o)
	owner.Headers = map[string]string{"User-Agent": "larder/1.0", "accept": "application/vnd.shop+json"}
	complete(t, source(t, owner, users(t, sources.None)), resync())
	h := o.Requests()[0].Header
	if h.Get("Cache-Control") != "no-cache" || h.Get("User-Agent") != "larder/1.0" || h.Get("Accept") != "application/vnd.shop+json" {
		t.Error(h)
	}
}

// TestSpecsThatCannotWork are refused before anything is sent.
func TestSpecsThatCannotWork(t *testing.T) {
	client, err := sources.NewClient(pages(""))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sources.Spec){
		"no mode":             func(s *sources.Spec) { s.Mode = "" },
		"no key":              func(s *sources.Spec) { s.Records.Key = nil },
		"only constants":      func(s *sources.Spec) { s.Records.Key = []string{"each.city"} },
		"a broken path":       func(s *sources.Spec) { s.Paths = []string{"a..b"} },
		"a broken place":      func(s *sources.Spec) { s.Paging.Total = "header:" },
		"unknown paging":      func(s *sources.Spec) { s.Paging.By = "scroll" },
		"no next":             func(s *sources.Spec) { s.Paging = sources.Paging{By: sources.Cursor} },
		"no keyset":           func(s *sources.Spec) { s.Paging = sources.Paging{By: sources.Keyset} },
		"no format":           func(s *sources.Spec) { s.Watermark.Format = nil },
		"no watermark":        func(s *sources.Spec) { s.Watermark.From = nil },
		"two watermarks":      func(s *sources.Spec) { s.Watermark.Start = true },
		"initial unreadable":  func(s *sources.Spec) { s.Watermark.Initial = "yesterday" },
		"a query in the path": func(s *sources.Spec) { s.Request.Path = text("/list?x=1") },
		"places of lines":     func(s *sources.Spec) { s.Records.At, s.Records.Format, s.Paging.Total = "", sources.NDJSON, "total" },
	} {
		spec := users(t, sources.None)
		change(&spec)
		if _, err := sources.New(client, spec); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
