package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
