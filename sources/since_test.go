package sources_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// anchored is an incremental feed of numbers, paged by asking since the
// greatest so far.
func anchored(t *testing.T) sources.Spec {
	return sources.Spec{
		Name: "numbers", Mode: sources.Incremental,
		Request:   sources.Request{Path: text("/numbers"), Query: []sources.Param{param("since", "{since}")}},
		Paging:    sources.Paging{By: sources.Since, Size: 3},
		Records:   sources.Records{At: "data", Key: []string{"id"}},
		Watermark: sources.Watermark{From: []string{"n"}, Format: format(t, "integer"), OverlapCount: 5},
		Paths:     []string{"id", "n"},
	}
}

// numbers is an owner of records, which answers at most three since a number,
// inclusive.
func numbers(asked *[]string, records ...[2]int) sources.Owner {
	return scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Query().Get("since"))
		since := 0
		fmt.Sscan(r.URL.Query().Get("since"), &since)
		list := []map[string]int{}
		for _, rec := range records {
			if rec[1] >= since && len(list) < 3 {
				list = append(list, map[string]int{"id": rec[0], "n": rec[1]})
			}
		}
		body, _ := json.Marshal(map[string]any{"data": list})
		_, _ = w.Write(body)
	})
}

// TestSinceMovesPageByPage: the overlap is of the first request alone, and a
// page without a new key is the end.
func TestSinceMovesPageByPage(t *testing.T) {
	var asked []string
	var records [][2]int
	for i := 1; i <= 8; i++ {
		records = append(records, [2]int{i, i})
	}
	batches, end := complete(t, source(t, numbers(&asked, records...), anchored(t)), changes("6"))
	if diff := cmp.Diff([]string{"1", "3", "5", "7", "8"}, asked); diff != "" {
		t.Error(diff)
	}
	if end.Watermark != "8" || len(copiedIDs(batches)) != 8 {
		t.Errorf("end %+v, records %v", end, ids(batches))
	}
}

func copiedIDs(batches []*syncer.Batch) []string {
	all := ids(batches)
	slices.Sort(all)
	return slices.Compact(all)
}

// TestSinceThatStandsStill: more records of one number than fit in a page
// would be lost; fewer are the end.
func TestSinceThatStandsStill(t *testing.T) {
	var asked []string
	tooMany := [][2]int{{1, 1}, {2, 2}, {3, 2}, {4, 2}, {5, 2}, {6, 3}}
	s := source(t, numbers(&asked, tooMany...), anchored(t))
	if err := fails(t, s, resync(), syncer.ClassPaging); !strings.Contains(err.Error(), "more records share one watermark") {
		t.Error(err)
	}
	asked = nil
	_, end := complete(t, source(t, numbers(&asked, [2]int{1, 1}, [2]int{2, 2}, [2]int{3, 2}), anchored(t)), resync())
	if end.Watermark != "2" || len(asked) != 2 {
		t.Errorf("end %+v after asking %q", end, asked)
	}
}

// TestSinceNewestFirst: to go on at the newest record would leave out what lies
// before a page that is not the last. One that is may come in any order.
func TestSinceNewestFirst(t *testing.T) {
	var asked []string
	s := source(t, numbers(&asked, [2]int{4, 4}, [2]int{3, 3}, [2]int{2, 2}, [2]int{1, 1}), anchored(t))
	if err := fails(t, s, resync(), syncer.ClassPaging); !strings.Contains(err.Error(), "newest record") {
		t.Error(err)
	}
	more := anchored(t)
	more.Paging.Size, more.Paging.More = 0, sources.Test{At: "more"}
	fails(t, source(t, pages(`{"data":[{"id":2,"n":2},{"id":1,"n":1}],"more":true}`, `{"data":[]}`), more), resync(), syncer.ClassPaging)
	_, end := complete(t, source(t, numbers(&asked, [2]int{2, 2}, [2]int{1, 1}), anchored(t)), resync())
	if end.Watermark != "2" {
		t.Errorf("end %+v", end)
	}
}

// TestSinceJudgesByMore: a flag ends, and one that says that more follows is
// not believed behind a page without news.
func TestSinceJudgesByMore(t *testing.T) {
	spec := delta()
	spec.Mode, spec.Watermark = sources.Log, sources.Watermark{Last: "id", Opaque: sources.Token}
	spec.Paging = sources.Paging{By: sources.Since, More: sources.Test{At: "more"}}
	for name, c := range map[string]struct {
		bodies []string
		want   int
		class  syncer.Class
	}{
		"ends":             {[]string{`{"data":[{"id":"a"}],"more":true}`, `{"data":[{"id":"b"}],"more":false}`}, 2, ""},
		"nothing, goes on": {[]string{`{"data":[{"id":"a"}],"more":true}`, `{"data":[],"more":true}`}, 0, syncer.ClassPaging},
		"again, goes on":   {[]string{`{"data":[{"id":"a"}],"more":true}`}, 0, syncer.ClassPaging},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, pages(c.bodies...), spec)
			if c.class != "" {
				fails(t, s, changes("0"), c.class)
				return
			}
			if batches, _ := complete(t, s, changes("0")); len(batches) != c.want {
				t.Errorf("%d pages", len(batches))
			}
		})
	}
}

// TestSinceEmptyPageGoesOn where the owner moves its own token and says that
// more follows.
func TestSinceEmptyPageGoesOn(t *testing.T) {
	spec := delta()
	spec.Paging = sources.Paging{By: sources.Since, More: sources.Test{At: "more"}}
	batches, end := complete(t, source(t, pages(`{"data":[],"more":true,"token":"t1"}`, `{"data":[],"more":true,"token":"t2"}`,
		`{"data":[{"id":1}],"more":false,"token":"t3"}`), spec), changes("t0"))
	if len(batches) != 3 || end.Watermark != "t3" {
		t.Errorf("%d pages, end %+v", len(batches), end)
	}
}

// TestSinceResumes at the page behind the last one that was applied.
func TestSinceResumes(t *testing.T) {
	var asked []string
	records := [][2]int{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}}
	whole, end := complete(t, source(t, numbers(&asked, records...), anchored(t)), changes("6"))
	for n := 1; n < len(whole); n++ {
		first := upTo(t, source(t, numbers(&asked, records...), anchored(t)), changes("6"), n)
		asked = nil
		rest, got := complete(t, source(t, numbers(&asked, records...), anchored(t)), goOn(stored(t, first[n-1].Resume)))
		if all := copiedIDs(append(first, rest...)); len(all) != 7 || got.Watermark != end.Watermark {
			t.Errorf("after page %d: %v, end %+v", n, all, got)
		}
		if asked[0] != first[n-1].Resume.High {
			t.Errorf("after page %d: asks since %q, want %q", n, asked[0], first[n-1].Resume.High)
		}
	}
}

// TestSinceInABody keeps its type, and moves there as it does in a query.
func TestSinceInABody(t *testing.T) {
	spec := anchored(t)
	spec.Request.Method, spec.Request.Query = http.MethodPost, nil
	spec.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{{Name: "after", Value: sources.TextValue(text("{since}"))}}}
	var asked []string
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		var body struct{ After json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked = append(asked, string(body.After))
		fmt.Fprint(w, []string{`{"data":[{"id":1,"n":7}]}`, `{"data":[]}`}[n-1])
	})
	complete(t, source(t, owner, spec), resync())
	if diff := cmp.Diff([]string{"", "7"}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestSinceEndsBeyondAllKnownKeys: a walk of more keys than are remembered
// still finds its end, where the last record comes again and again.
func TestSinceEndsBeyondAllKnownKeys(t *testing.T) {
	const all, page = 300_000, 20_000
	requests := 0
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		requests = n
		since := 1
		fmt.Sscan(r.URL.Query().Get("since"), &since)
		body := []byte(`{"data":[`)
		for i := since; i <= all && i < since+page; i++ {
			body = fmt.Appendf(body, `{"id":%d,"n":%d},`, i, i)
		}
		_, _ = w.Write(append(body[:len(body)-1], `]}`...))
	})
	spec := anchored(t)
	spec.Paging.Size = page
	if _, end := complete(t, source(t, owner, spec), resync()); end.Watermark != fmt.Sprint(all) || requests > 18 {
		t.Errorf("end %+v after %d requests", end, requests)
	}
}

// TestSinceLeavesTheMomentOut: an owner that answers only what is later than
// the moment asked for loses the records that share the stamp a page ends with.
// The walk notices, and does not take it for complete.
func TestSinceLeavesTheMomentOut(t *testing.T) {
	second := func(n int) string { return fmt.Sprintf("2026-11-23T04:00:%02dZ", n) }
	stamps := []int{1, 2, 3, 3, 4}
	for name, inclusive := range map[string]bool{"inclusive": true, "exclusive": false} {
		t.Run(name, func(t *testing.T) {
			owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
				since, list := r.URL.Query().Get("since"), []map[string]any{}
				for id, n := range stamps {
					if at := second(n); (at > since || inclusive && at == since) && len(list) < 3 {
						list = append(list, map[string]any{"id": id, "n": at})
					}
				}
				body, _ := json.Marshal(map[string]any{"data": list})
				_, _ = w.Write(body)
			})
			spec := anchored(t)
			spec.Watermark.Format, spec.Watermark.OverlapCount = rfc3339(t), 0
			s := source(t, owner, spec)
			// From the newest moment, nothing is new, whether it is told again or not.
			batches, end := complete(t, s, changes(second(4)))
			if inclusive != (len(ids(batches)) > 0) || end.Watermark != second(4) {
				t.Errorf("since the newest: %v, watermark %s", ids(batches), end.Watermark)
			}
			if !inclusive {
				fails(t, s, resync(), syncer.ClassPaging)
				return
			}
			if batches, _ := complete(t, s, resync()); len(copiedIDs(batches)) != len(stamps) {
				t.Errorf("%v are copied", copiedIDs(batches))
			}
		})
	}
}
