package sources_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// linking is an owner whose pages lead on by a link in headers: Link and X-Next.
// next finds it, "" at the end. What the owner calls offset may be $skip there.
func linking(o *sourcetest.Owner, next func(r *http.Request, body []byte) string) sources.Owner {
	owner, asked := quick(o), o.Transport()
	owner.Transport = transport(func(r *http.Request) (*http.Response, error) {
		known := r.Clone(r.Context())
		known.URL.RawQuery = strings.Replace(r.URL.RawQuery, "%24skip=", "offset=", 1)
		answer, err := asked.RoundTrip(known)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		answer.Body = io.NopCloser(bytes.NewReader(body))
		answer.Header.Del("Link")
		if link := next(r, body); link != "" {
			answer.Header.Set("Link", "<"+link+`>; rel="next"`)
			answer.Header.Set("X-Next", link)
		}
		return answer, err
	})
	return owner
}

// placeLinks are the owner's own next links, which hold a place.
func placeLinks(_ *http.Request, body []byte) string {
	var page struct{ Links struct{ Next string } }
	_ = json.Unmarshal(body, &page)
	return page.Links.Next
}

// countedLinks are links that add each to the parameter name, of a list of so
// many records.
func countedLinks(name string, first, each, records int) func(r *http.Request, body []byte) string {
	return func(r *http.Request, _ []byte) string {
		q := r.URL.Query()
		at, _ := strconv.Atoi(q.Get(name))
		if q.Get(name) == "" {
			at = first
		}
		if at += each; (at-first)*3/each >= records {
			return ""
		}
		q.Set(name, strconv.Itoa(at))
		return "?" + q.Encode()
	}
}

// numberedLinks is each way in which links hold no more than a number.
var numberedLinks = map[string]struct {
	by    sources.Style
	style sourcetest.Style
	name  string
	first int
	each  int
}{
	"links with page numbers":      {sources.Link, sourcetest.Page, "page", 1, 1},
	"links with offsets":           {sources.Link, sourcetest.Offset, "offset", 0, 3},
	"next URLs with page numbers":  {sources.NextURL, sourcetest.Page, "page", 1, 1},
	"next URLs with offsets":       {sources.NextURL, sourcetest.Offset, "offset", 0, 3},
	"next URLs that skip a number": {sources.NextURL, sourcetest.Offset, "$skip", 0, 3},
}

// byLinks is the owner's list, paged by links in a header.
func byLinks(t *testing.T, by sources.Style) sources.Spec {
	spec := users(t, by)
	if by == sources.NextURL {
		spec.Paging.Next = "header:X-Next"
	}
	return spec
}

// A walk by links that hold a page number or an offset starts again where it was
// cut off: what has slipped to a page that was read is not missed.
func TestNumberedLinksStartAgain(t *testing.T) {
	for name, c := range numberedLinks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := hot(c.style, func(*sourcetest.Owner, int) {})
				o.Order = sourcetest.ByStamp
				links := countedLinks(c.name, c.first, c.each, 12)
				owner, asked := linking(o, links), 0
				inner := owner.Transport
				owner.Transport = transport(func(r *http.Request) (*http.Response, error) {
					if asked++; asked == 3 || asked == 4 { // one is tried again
						return nil, io.ErrUnexpectedEOF
					}
					return inner.RoundTrip(r)
				})
				spec := byLinks(t, c.by)
				s := newShelf(t, o, spec)
				s.Source = source(t, owner, spec)
				if r := s.Poll(t.Context(), time.Time{})[0]; r.OK() || r.Batches != 2 {
					t.Fatalf("poll is not cut off behind its second page: %+v", r)
				}
				o.Put("moves behind", 1)
				time.Sleep(time.Second)
				s.poll(syncer.Resync)
				s.has("behind the cut", o)
			})
		})
	}
}

// A place that was stored at such a link is not gone on from, whichever page it
// is of.
func TestNumberedLinksAreNotResumed(t *testing.T) {
	for name, c := range numberedLinks {
		for page := 2; page <= 4; page++ {
			t.Run(fmt.Sprint(name, " ", page), func(t *testing.T) {
				o := &sourcetest.Owner{Style: c.style, PageSize: 3}
				o.Put("row", sequence(1, 12)...)
				at := url.Values{"size": {"3"}, c.name: {strconv.Itoa(c.first + c.each*(page-1))}}
				r := &syncer.Resume{Walk: "w1", Kind: syncer.Resync, Sent: time.Now(), Cursor: "https://owner.example/v1/users?" + at.Encode()}
				s := source(t, linking(o, countedLinks(c.name, c.first, c.each, 12)), byLinks(t, c.by))
				if batches, err := walk(t, s, goOn(r)); !isNotResumable(err) || len(batches) > 0 {
					t.Errorf("%d batches, %v", len(batches), err)
				}
			})
		}
	}
}

// Links in a header that hold a place are gone on from, up to the last page.
func TestLinksThatKeepTheirPlaceAreResumed(t *testing.T) {
	for _, by := range []sources.Style{sources.Link, sources.NextURL} {
		o := &sourcetest.Owner{Style: sourcetest.NextURL, PageSize: 3}
		o.Put("row", sequence(1, 12)...)
		s := source(t, linking(o, placeLinks), byLinks(t, by))
		whole, _ := complete(t, s, resync())
		for n := 1; n < len(whole); n++ {
			first := upTo(t, s, resync(), n)
			if first[n-1].Resume == nil {
				t.Fatalf("%s: page %d cannot be resumed", by, n)
			}
			rest, _ := complete(t, s, goOn(stored(t, first[n-1].Resume)))
			if diff := cmp.Diff(ids(whole), ids(append(first, rest...))); diff != "" {
				t.Errorf("%s: page %d: %s", by, n, diff)
			}
		}
	}
}

// Other numbers in links are places: of keys, of tokens, of moments.
func TestNumbersThatAreNoPagesAreResumed(t *testing.T) {
	for _, query := range []string{"starting_after=%d17", "page_token=%d41", "start_time=178000%d000", "cursor=%d0"} {
		owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":"?per_page=1&%s"}`, n, fmt.Sprintf(query, n))
		})
		s := source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"}, param("per_page", "1")))
		r := upTo(t, s, snapshot(), 2)[1].Resume
		if r == nil {
			t.Errorf("%s: cannot be resumed", query)
			continue
		}
		w := goOn(stored(t, r))
		if got := upTo(t, s, w, 1); len(got) != 1 {
			t.Errorf("%s: %d batches", query, len(got))
		}
	}
}
