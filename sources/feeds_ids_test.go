package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

const salesforceTime = "2006-01-02T15:04:05.000-0700"

func salesforceAccounts(t testing.TB) sources.Spec {
	f := format(t, salesforceTime)
	const base = "/services/data/v60.0"
	listed := func(name string) sources.Request {
		return sources.Request{Path: text(base + "/sobjects/Account/" + name + "/"),
			Query: []sources.Param{param("start", "{since}"), param("end", "{until}")}}
	}
	return sources.Spec{
		Name: "accounts", Mode: sources.Incremental, Request: listed("updated"),
		Records: sources.Records{At: "ids", As: sources.AsValue, Key: []string{"Id"},
			DeletedAsk: &sources.DeletedAsk{Request: listed("deleted"), At: "deletedRecords", Key: "id",
				From: "latestDateCovered", Earliest: "earliestDateAvailable"},
			Hydrate: &sources.Hydrate{Batch: 3, Request: sources.Request{Path: text(base + "/composite/sobjects/Account"),
				Query: []sources.Param{param("ids", "{keys}"), param("fields", "Id,Name,SystemModstamp")}}},
		},
		Watermark: sources.Watermark{Place: "body:latestDateCovered", Format: f, Overlap: 2 * time.Minute, Settle: time.Minute},
		Resync: sources.Resync{
			Request:   &sources.Request{Path: text(base + "/query"), Query: []sources.Param{param("q", "SELECT Id, Name, SystemModstamp FROM Account")}},
			Paging:    &sources.Paging{By: sources.NextURL, Next: "nextRecordsUrl"},
			Records:   &sources.Records{At: "records", Key: []string{"Id"}},
			Watermark: &sources.Watermark{Start: true, Format: f},
		},
		Paths: []string{"Id", "Name"},
	}
}

// accounts is a shelf that has copied five accounts by query.
func accounts(t *testing.T, o *feedtest.Salesforce) *shelf {
	t.Helper()
	o.Put("old", names(1, 5)...)
	time.Sleep(time.Hour)
	s := newShelf(t, o, salesforceAccounts(t))
	s.poll(syncer.Resync)
	s.holds("first poll, by query", o.Truth())
	time.Sleep(10 * time.Minute)
	return s
}

// TestFeedSalesforce: ids of what changed and of what is gone, rows by id, and
// everything by query. What is written meanwhile comes with the next poll.
func TestFeedSalesforce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.Salesforce{}
		s := accounts(t, o)
		o.Put("new", names(4, 12)...)
		o.Delete(names(1, 2)...)
		time.Sleep(10 * time.Minute)
		at := len(o.Asked())
		if r := s.poll(syncer.Changes); r.Records != 2+9 {
			t.Errorf("%d records, want 2 deletions and 9 changes", r.Records)
		}
		s.holds("changes", o.Truth())
		asked := o.Asked()[at:]
		if n := len(asked); n != 2+3 || !strings.HasSuffix(asked[0].Path, "/deleted/") || asked[0].RawQuery != asked[1].RawQuery {
			t.Errorf("%d requests, %v, want deletions first, over the same time", n, asked[:2])
		}
		o.Put("back", "k01")
		time.Sleep(10 * time.Minute)
		s.poll(syncer.Changes)
		s.holds("undeleted", o.Truth())
		if r := s.poll(syncer.Changes); r.Records > 1 { // the overlap
			t.Errorf("a quiet poll brings %d records", r.Records)
		}
	})
}

// TestFeedSalesforceUncommitted: what is stamped and commits an hour later,
// changes and deletions alike, lies behind what both lists cover until then.
func TestFeedSalesforceUncommitted(t *testing.T) {
	for _, value := range []string{"late", ""} {
		t.Run(fmt.Sprintf("writes %q", value), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &feedtest.Salesforce{}
				s := accounts(t, o)
				commit, began := o.Begin(value, "k01", "k02"), time.Now()
				for range 6 {
					o.Put("other", "k03")
					time.Sleep(10 * time.Minute)
					s.poll(syncer.Changes)
					s.holds("meanwhile", o.Truth())
				}
				if got := s.standing().Position.Watermark; got > began.UTC().Format(salesforceTime) {
					t.Errorf("stands at %s, behind what began at %s", got, began)
				}
				commit()
				time.Sleep(2 * time.Minute)
				s.poll(syncer.Changes)
				s.holds("committed", o.Truth())
			})
		})
	}
}

// TestFeedSalesforceGoneBetween: a row that goes away between the list and its
// fetch is answered with null. Its row stays and is noted until the deletion is
// told.
func TestFeedSalesforceGoneBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.Salesforce{}
		s := accounts(t, o)
		o.Put("new", "k03", "k04")
		want := o.Truth()
		want["k04"] = "old"
		time.Sleep(10 * time.Minute)
		at := s.asked
		s.between = func(n int) {
			if n == at+3 {
				o.Delete("k04")
			}
		}
		s.poll(syncer.Changes)
		s.holds("gone between", want)
		why := "is listed as changed, and the owner does not answer with it"
		if diff := cmp.Diff(map[string]string{`["k04"]`: why}, s.aside()); diff != "" {
			t.Errorf("set aside (-want +got):\n%s", diff)
		}
		time.Sleep(10 * time.Minute)
		s.poll(syncer.Changes)
		s.holds("the deletion is told", o.Truth())
		if left := s.aside(); len(left) > 0 {
			t.Errorf("still set aside: %v", left)
		}
	})
}

// TestFeedSalesforceForgets: where deletions were purged since, nothing but a
// resync finds them; a list of too many ids fails and moves nothing.
func TestFeedSalesforceForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.Salesforce{}
		s := accounts(t, o)
		o.Delete("k05")
		o.Put("new", names(1, 4)...)
		time.Sleep(10 * time.Minute)
		before := s.standing().Position.Watermark
		o.Most = 3
		r := s.Poll(t.Context(), time.Time{})[0]
		if r.Failure == nil || r.Failure.Class != syncer.ClassHTTP4xx || s.standing().Position.Watermark != before {
			t.Errorf("too many ids: %+v", r.Failure)
		}
		if strings.Contains(fmt.Sprint(r.Failure), "EXCEEDED") {
			t.Error("the failure shows what the owner said")
		}
		o.Most = 0
		o.Purge()
		s.poll(syncer.Resync)
		s.holds("after a purge", o.Truth())
		o.Put("newer", "k01")
		time.Sleep(10 * time.Minute)
		s.poll(syncer.Changes)
		s.holds("changes after it", o.Truth())
	})
}

// TestOldVersionsStay: an owner whose replica answers a fetch with an older
// version than the copy has overwrites nothing (peers' scenario of the older
// webhook).
func TestOldVersionsStay(t *testing.T) {
	versions := map[string]int{"k1": 5, "k2": 5}
	owner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, one := strings.CutPrefix(r.URL.Path, "/items/")
		if !one {
			fmt.Fprint(w, `[{"id":"k1","at":"2026-01-01T00:00:00Z"},{"id":"k2","at":"2026-01-01T00:00:00Z"}]`)
			return
		}
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		fmt.Fprintf(w, `{"id":%q,"v":%d}`, id, versions[id])
	})
	spec := sources.Spec{Name: "items", Mode: sources.Incremental, Request: sources.Request{Path: text("/items")},
		Records: sources.Records{Key: []string{"id"},
			Hydrate: &sources.Hydrate{Request: sources.Request{Path: text("/items/{record.id}")}}},
		Watermark: sources.Watermark{From: []string{"at"}, Format: rfc3339(t)}, Paths: []string{"id", "v"}}
	s := newShelfOf(t, owner, spec, func(l *row.Spec) {
		l.Version, l.Columns[1].Type = 1, row.Type{Kind: row.Bigint}
	})
	s.poll(syncer.Resync)
	versions["k1"], versions["k2"] = 4, 6
	s.poll(syncer.Changes)
	s.holds("an older version is told", map[string]string{"k1": "5", "k2": "6"})
}
