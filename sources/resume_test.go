package sources_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// upTo walks and stops after n batches.
func upTo(t *testing.T, s *sources.Source, w syncer.Walk, n int) []*syncer.Batch {
	t.Helper()
	var batches []*syncer.Batch
	for b, err := range s.Walk(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		if batches = append(batches, b); len(batches) == n {
			break
		}
	}
	return batches
}

// stored passes a Resume through the form in which tables keep it.
func stored(t *testing.T, r *syncer.Resume) *syncer.Resume {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back := new(syncer.Resume)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	return back
}

// goOn is the walk that goes on at r, as a poll plans it.
func goOn(r *syncer.Resume) syncer.Walk {
	return syncer.Walk{ID: r.Walk, Kind: r.Kind, Sent: r.Sent, From: syncer.Position{Watermark: r.From, Resume: r}}
}

// TestResumeAtEveryPage: killed after any page and resumed in a new process,
// walks by token, keyset and links that hold a place give the same records and
// the same watermark, or, of an owner without a clock, one that lies before it.
func TestResumeAtEveryPage(t *testing.T) {
	for _, noDate := range []bool{false, true} {
		for _, by := range []sources.Style{sources.Cursor, sources.NextURL, sources.Link, sources.Keyset} {
			t.Run(fmt.Sprintf("%s, no date %v", by, noDate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Clock: sourcetest.Clock{NoDate: noDate}}
					owner := quick(o)
					if by == sources.Link {
						o.Style, owner = sourcetest.NextURL, linking(o, placeLinks)
					}
					for _, id := range sequence(1, 20) {
						o.Put("row", id)
						time.Sleep(time.Second)
					}
					since := o.Truth()[3].UpdatedAt
					time.Sleep(time.Hour)
					s := source(t, owner, users(t, by))
					whole, end := complete(t, s, changes(since))
					for n := 1; n < len(whole); n++ {
						first := upTo(t, s, changes(since), n)
						r := first[n-1].Resume
						if r == nil || r.Walk != "w1" || r.Kind != syncer.Changes || r.From != since {
							t.Fatalf("page %d: resume %+v", n, r)
						}
						time.Sleep(time.Minute)
						rest, got := complete(t, source(t, owner, users(t, by)), goOn(stored(t, r)))
						if diff := cmp.Diff(ids(whole), ids(append(first, rest...))); diff != "" {
							t.Errorf("page %d: %s", n, diff)
						}
						// Without a date the time between the two parts counts against it.
						if got.Watermark > end.Watermark || !noDate && got.Watermark < end.Watermark {
							t.Errorf("page %d: watermark %q, want %q", n, got.Watermark, end.Watermark)
						}
					}
				})
			})
		}
	}
}

// TestPagesThatMoveAreNotResumed: page, offset and streamed walks start
// again, and those by links with page numbers.
func TestPagesThatMoveAreNotResumed(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset, sources.Link} {
		o := &sourcetest.Owner{Style: styles[by], PageSize: 3}
		o.Put("row", sequence(1, 9)...)
		for _, b := range upTo(t, source(t, quick(o), users(t, by)), resync(), 2) {
			if b.Resume != nil {
				t.Errorf("%s: %+v", by, b.Resume)
			}
		}
	}
	o := &sourcetest.Owner{Style: sourcetest.Lines}
	o.Put(long, sequence(1, 3000)...)
	for _, b := range upTo(t, source(t, quick(o), lines(t)), resync(), 2) {
		if b.Resume != nil {
			t.Errorf("streamed: %+v", b.Resume)
		}
	}
}

// TestAscendingResumesFromTheHighest: under a promised order any style goes on
// by asking since the highest stamp so far.
func TestAscendingResumesFromTheHighest(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset, sources.Link, sources.None} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: styles[by], PageSize: 300}
				spec := users(t, by)
				if by == sources.None {
					o.Style, spec = sourcetest.Lines, lines(t)
				}
				spec.Watermark.Order, spec.Paging.Size = sources.Ascending, 0
				for _, id := range sequence(1, 2100) {
					o.Put(long, id)
					time.Sleep(time.Second)
				}
				s := source(t, quick(o), spec)
				first := upTo(t, s, resync(), 2)
				r := first[1].Resume
				if r == nil || r.Cursor != "" || r.High != jsonText(first[1].Records[len(first[1].Records)-1].Slots[2]) {
					t.Fatalf("resume %+v", r)
				}
				rest, _ := complete(t, s, goOn(stored(t, r)))
				if diff := cmp.Diff(truth(o), copied(t, append(first, rest...), nil)); diff != "" {
					t.Error(diff)
				}
				if by != sources.None {
					return
				}
				high, _ := time.Parse(time.RFC3339Nano, r.High)
				asked, _ := time.Parse(time.RFC3339Nano, o.Requests()[1].URL.Query().Get("since"))
				if high.Sub(asked) != 2*time.Minute {
					t.Errorf("asked since %v for a walk that stands at %v", asked, high)
				}
			})
		})
	}
}

func jsonText(raw []byte) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// TestWalksThatCannotGoOn: the token is unknown by now, or was never one.
func TestWalksThatCannotGoOn(t *testing.T) {
	at := func(cursor string) syncer.Walk {
		return goOn(&syncer.Resume{Walk: "w1", Kind: syncer.Resync, Sent: time.Now(), Cursor: cursor})
	}
	answers := func(status int, body string) sources.Owner {
		return scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	cursor := users(t, sources.Cursor)
	cursor.Paging.Next, cursor.Records.Error = "next", "error"
	for name, c := range map[string]struct {
		owner sources.Owner
		spec  sources.Spec
		walk  syncer.Walk
		want  bool
	}{
		"404":                {answers(404, `{}`), cursor, at(`"a"`), true},
		"410":                {answers(410, `{}`), cursor, at(`"a"`), true},
		"400":                {answers(400, `{}`), cursor, at(`"a"`), true},
		"200 with an error":  {answers(200, `{"error":"unknown cursor"}`), cursor, at(`"a"`), true},
		"401":                {answers(401, `{}`), cursor, at(`"a"`), false},
		"403":                {answers(403, `{}`), cursor, at(`"a"`), false},
		"408":                {answers(408, `{}`), cursor, at(`"a"`), false},
		"425":                {answers(425, `{}`), cursor, at(`"a"`), false},
		"429":                {answers(429, `{}`), cursor, at(`"a"`), false},
		"503":                {answers(503, `{}`), cursor, at(`"a"`), false},
		"404 from the start": {answers(404, `{}`), cursor, resync(), false},
		"no token":           {answers(200, `{"data":[]}`), cursor, at(`{"a`), true},
		"no keyset":          {answers(200, `{"data":[]}`), users(t, sources.Keyset), at(`["one"]`), true},
		"another origin":     {answers(200, `{"data":[]}`), users(t, sources.Link), at(`https://elsewhere.example/v1/users?page=2`), true},
		"a page number":      {answers(200, `{"data":[]}`), users(t, sources.Page), at(`7`), true},
	} {
		_, err := walk(t, source(t, c.owner, c.spec), c.walk)
		if isNotResumable(err) != c.want || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefusedOnALaterPage is a failure as any other: what was received stands.
func TestRefusedOnALaterPage(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 2, Fault: func(n int, _ *http.Request) *sourcetest.Fault {
		if n == 3 {
			return sourcetest.Status(404)
		}
		return nil
	}}
	o.Put("row", sequence(1, 9)...)
	batches, err := walk(t, source(t, quick(o), users(t, sources.Cursor)), resync())
	if err == nil || isNotResumable(err) || len(batches) != 2 || batches[1].Resume == nil {
		t.Errorf("%d batches, %v", len(batches), err)
	}
}

// TestRefusedBehindAResumedPage: the place it stood at was good.
func TestRefusedBehindAResumedPage(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 2}
	o.Put("row", sequence(1, 9)...)
	s := source(t, quick(o), users(t, sources.Cursor))
	r := upTo(t, s, resync(), 1)[0].Resume
	o.Fault = func(n int, _ *http.Request) *sourcetest.Fault {
		if n == 3 {
			return sourcetest.Status(404)
		}
		return nil
	}
	if batches, err := walk(t, s, goOn(r)); err == nil || isNotResumable(err) || len(batches) != 1 {
		t.Errorf("%d batches, %v", len(batches), err)
	}
}

// TestOrderGoesOnAcrossAResume: a record older than the last one before the
// kill breaks the promised order.
func TestOrderGoesOnAcrossAResume(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 2, Order: sourcetest.ByID}
	now := o.Now().Add(-time.Hour)
	for id, minute := range map[int64]int{1: 1, 2: 5, 3: 3, 4: 9} {
		at := now.Add(time.Duration(minute) * time.Minute)
		o.Commit(sourcetest.Change{ID: id, Stamp: at, Commit: at, Visible: at})
	}
	spec := users(t, sources.Cursor)
	spec.Watermark.Order = sources.Ascending
	s := source(t, quick(o), spec)
	r := upTo(t, s, resync(), 1)[0].Resume
	fails(t, s, goOn(stored(t, r)), syncer.ClassPaging)
}

// TestResumeHoldsNoCredential, though the owner writes ours into its links.
func TestResumeHoldsNoCredential(t *testing.T) {
	const canary = "canary/secret+1"
	var keys []string
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		keys = append(keys, strings.Join(r.URL.Query()["api_key"], ","))
		fmt.Fprintf(w, `{"data":[{"id":%d}],"next":"/v1/list?api%%5Fkey=canary%%2Fsecret%%2B1&from=%d&b=%%20x"}`, n, n+1)
	})
	owner.Auth = auth.Query(auth.Pair{Name: "api_key", Value: auth.Literal(canary)})
	s := source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"}))
	batches := upTo(t, s, snapshot(), 3)
	if got := batches[2].Resume.Cursor; got != "https://owner.example/v1/list?from=4&b=%20x" {
		t.Errorf("cursor %q", got)
	}
	if diff := cmp.Diff([]string{canary, canary, canary}, keys); diff != "" {
		t.Error(diff)
	}
}

// TestStoppedWalkLetsGo: leaving the loop, or ending the context, frees the
// owner's only slot.
func TestStoppedWalkLetsGo(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Lines}
	o.Put(long, sequence(1, 5000)...)
	owner := quick(o)
	owner.Concurrency = 1
	s := source(t, owner, lines(t))
	upTo(t, s, resync(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range s.Walk(ctx, resync()) {
		if cancel(); err != nil {
			if syncer.Classify(err) != syncer.ClassStopped {
				t.Error(err)
			}
			break
		}
	}
	complete(t, s, resync())
}
