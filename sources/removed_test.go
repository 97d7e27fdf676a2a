package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// TestDeletedAskBoundsTheWatermark: an owner without a clock cannot tell what
// was deleted between the two questions, however long the first answer took to
// apply, so that the watermark stays ahead of both.
func TestDeletedAskBoundsTheWatermark(t *testing.T) {
	for _, dated := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var asked time.Time
			owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/deleted") {
					asked = time.Now()
					fmt.Fprint(w, `{"gone":[{"id":2}]}`)
					return
				}
				if dated { // the list alone
					w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
				}
				fmt.Fprintf(w, `{"data":[{"id":1,"name":"a","updated_at":%q}]}`, time.Now().UTC().Format(time.RFC3339))
			})
			spec := deletedAsk(t)
			spec.Records.DeletedAsk.From, spec.Records.DeletedAsk.Earliest = "", ""
			var end *syncer.End
			for b, err := range source(t, owner, spec).Walk(t.Context(), changes(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))) {
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute) // a table that takes long to delete
				end = b.End
			}
			at, err := time.Parse(time.RFC3339, end.Watermark)
			if err != nil || at.After(asked) || asked.Sub(at) > time.Minute {
				t.Errorf("dated %v: what is gone is known up to %v, and the watermark is %q", dated, asked.UTC(), end.Watermark)
			}
		})
	}
}

// TestDeletedAskAges: a copy is no fresher than its deletions, whether the owner
// tells its time or not.
func TestDeletedAskAges(t *testing.T) {
	for _, dated := range []bool{false, true} {
		for ago, least := range map[time.Duration]time.Duration{time.Hour: time.Hour, 0: 0, -time.Hour: 0} {
			synctest.Test(t, func(t *testing.T) {
				owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
					now := time.Now().UTC()
					if dated {
						w.Header().Set("Date", now.Format(http.TimeFormat))
					}
					if strings.HasSuffix(r.URL.Path, "/deleted") {
						fmt.Fprintf(w, `{"gone":[],"covered":%q,"earliest":"1999-01-01T00:00:00Z"}`, now.Add(-ago).Format(time.RFC3339))
						return
					}
					fmt.Fprintf(w, `{"data":[{"id":1,"name":"a","updated_at":%q}]}`, now.Format(time.RFC3339))
				})
				_, end := complete(t, source(t, owner, deletedAsk(t)), changes(time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339)))
				if end.Age < least || end.Age > least+time.Second {
					t.Errorf("dated %v, deletions told up to %v ago: as-of is set back by %v", dated, ago, end.Age)
				}
			})
		}
	}
}

// manyGone is a list of deletions, of the ids from 1 up.
func manyGone(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i + 1)
	}
	return "[" + strings.Join(all, ",") + "]"
}

// inParts checks that deletions come in batches that a table can hold, which
// tell how large they are.
func inParts(t *testing.T, batches []*syncer.Batch, slots int) (gone int) {
	t.Helper()
	for i, b := range batches {
		tombs := 0
		for _, r := range b.Records {
			if r.Gone {
				tombs++
			}
		}
		if gone += tombs; tombs > 10_000 || b.Size < int64(tombs*slots*24) {
			t.Errorf("batch %d has %d deletions and says that it holds %d bytes", i, tombs, b.Size)
		}
	}
	return gone
}

// TestDeletionsComeInParts: one key makes a whole record, so that a long list of
// what is gone would be a batch of any size.
func TestDeletionsComeInParts(t *testing.T) {
	const many = 25_001
	spec := deletedAsk(t)
	spec.Records.DeletedAsk.From, spec.Records.DeletedAsk.Earliest, spec.Records.DeletedAsk.Key = "", "", ""
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/deleted") {
			fmt.Fprintf(w, `{"gone":%s}`, manyGone(many))
			return
		}
		fmt.Fprint(w, `{"data":[]}`)
	})
	batches, _ := complete(t, source(t, owner, spec), changes(""))
	if got := inParts(t, batches, len(spec.Paths)); got != many || len(batches) != 4 {
		t.Errorf("of an endpoint, %d deletions come in %d batches", got, len(batches))
	}
}

// TestDeletionsOfAPageComeInParts: the parts of a page's list stand where the
// page before it did, and a record that the page has, too, comes behind them.
func TestDeletionsOfAPageComeInParts(t *testing.T) {
	const many = 25_001
	spec := list(sources.Paging{By: sources.Cursor, Next: "next"}, param("cursor", "{cursor}"))
	spec.Records.DeletedList = sources.DeletedList{At: "gone"}
	spec.Paths = []string{"id", "name"}
	owner := pages(`{"data":[{"id":0}],"next":"two"}`, fmt.Sprintf(`{"data":[{"id":7}],"gone":%s,"next":"three"}`, manyGone(many)), `{"data":[]}`)
	batches, _ := complete(t, source(t, owner, spec), snapshot())
	if got := inParts(t, batches, len(spec.Paths)); got != many || len(batches) != 5 {
		t.Fatalf("%d deletions come in %d batches", got, len(batches))
	}
	for i, b := range batches[:4] {
		if want := batches[0].Resume.Cursor; b.Resume == nil || (b.Resume.Cursor == want) != (i < 3) {
			t.Errorf("batch %d goes on at %+v; page two is at %s", i, b.Resume, want)
		}
	}
	all := shown(batches)
	if last := all[len(all)-1]; last != "7 " {
		t.Errorf("the last record is %q, want the one that is there", last)
	}
}
