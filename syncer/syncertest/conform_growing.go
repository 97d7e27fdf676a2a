package syncertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// growingScenarios are of columns that are added while walks are under way: a
// walk fills none that was not there before it began.
var growingScenarios = map[string]func(*testing.T, *bench){
	"the list that adds a column needs one other, and that none": func(t *testing.T, b *bench) {
		for _, kind := range []syncer.WalkKind{syncer.Resync, syncer.Snapshot, syncer.Changes} {
			b.respec(func(s *row.Spec) { s.Target, s.Drift = "of_"+string(kind), row.DriftAdd })
			w := b.begin(kind, "w0")
			b.apply(w, person("1", "Ada", "00:01"))
			b.apply(w, plus(person("2", "Bo", "00:01"), "vip", "true"))
			b.settle(w, syncer.End{Watermark: "W0", Listed: kind.Listing()})
			if st := b.standing(); !st.Resync {
				t.Errorf("%s stands at %+v", kind, st)
			}
			if kind.Listing() {
				b.reason(string(kind), isDue)
			}
			b.list(syncer.Resync, "w1", plus(person("1", "Ada", "00:01"), "vip", "false"), plus(person("2", "Bo", "00:01"), "vip", "true"))
			b.holds("vip", "1 false", "2 true")
			if st := b.standing(); st.Resync {
				t.Errorf("%s stands at %+v after a resync", kind, st)
			}
			b.reason(string(kind), "")
		}
	},
	"pages that are gathered are not of one moment": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		w := b.begin(syncer.Resync, "w0")
		_, err := b.table.Apply(t.Context(), w, []*syncer.Batch{
			{Records: []syncer.Record{person("1", "Ada", "00:01")}},
			{Records: []syncer.Record{plus(person("2", "Bo", "00:01"), "vip", "true")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		b.settle(w, syncer.End{Watermark: "W0", Listed: true})
		if !b.standing().Resync {
			t.Error("the first page was read before the field was there, and no resync is due")
		}
	},
	"a list that was opened before the column was there does not fill it": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		for name, open := range map[string]func(string) syncer.Walk{
			"opened": func(id string) syncer.Walk { return b.begin(syncer.Resync, id) },
			"asked":  func(id string) syncer.Walk { return b.walk(syncer.Snapshot, id) },
		} {
			w := open("w of " + name)
			b.changes(plus(person("2", "Bo", "00:02"), "vip_"+name, "true"))
			b.apply(w, person("1", "Ada", "00:01")) // the page as the owner wrote it before it had the field
			b.apply(w, plus(person("2", "Bo", "00:02"), "vip_"+name, "true"))
			b.settle(w, syncer.End{Watermark: "W0", Listed: true})
			if !b.standing().Resync {
				t.Errorf("%s: no resync is due", name)
			}
		}
	},
	"a list without records does not fill a column that came beside it": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		w := b.begin(syncer.Resync, "w1")
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "true"))
		b.settle(w, syncer.End{Watermark: "W1", Listed: true})
		if !b.standing().Resync {
			t.Error("no resync is due")
		}
	},
	"a list that added a column does not go on": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		w := b.begin(syncer.Resync, "w0")
		b.apply(w, person("1", "Ada", "00:01"))
		b.stand(w, "page 2")
		if b.standing().Listing == nil {
			t.Fatal("the list cannot go on")
		}
		b.apply(w, plus(person("2", "Bo", "00:01"), "vip", "true"))
		b.stand(w, "page 3")
		if st := b.standing(); st.Listing != nil {
			t.Errorf("the list goes on at %+v", st.Listing)
		}
	},
	"audits find what they found though a daemon starts anew": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "z", "1", "a", "2"), person("2", "Bo", "00:01"))
		b.audit(looks, plus(person("1", "Ada", "00:01"), "z", "1", "a", "3"), person("2", "Bo", "00:01"))
		b.Age(2 * time.Minute)
		b.drifts(row.DriftAdd)
		if got := b.audit(looks, plus(person("1", "Ada", "00:01"), "z", "1", "a", "3"), person("2", "Bo", "00:01")); got.Different != 1 {
			t.Errorf("found %+v", got)
		}
	},
	"a row that was read before the column was there is not written without it": func(t *testing.T, b *bench) {
		stale := 0
		for n := range 25 {
			b.respec(func(s *row.Spec) { s.Target, s.Drift = fmt.Sprint("race_", n), row.DriftAdd })
			list, changes := b.begin(syncer.Resync, "w"), b.walk(syncer.Changes, "c")
			var all sync.WaitGroup
			for w, r := range map[*syncer.Walk]syncer.Record{
				&list:    plus(person("1", "list", "00:01"), "vip", "true"),
				&changes: plus(person("1", "changes", "00:02"), "vip", "null"),
			} {
				all.Go(func() {
					if _, err := b.table.Apply(t.Context(), *w, []*syncer.Batch{{Records: []syncer.Record{r}}}); err != nil {
						t.Errorf("apply: %v", err)
					}
				})
			}
			all.Wait()
			if rows := b.Rows(b.spec.Target, []string{"name", "vip"}); len(rows) != 1 || rows[0][0] != "changes" || rows[0][1] != "NULL" {
				stale++
			}
		}
		if stale > 0 {
			t.Errorf("%d of 25 times the newer row has a value of the older", stale)
		}
	},
}
