package syncertest

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

var applyScenarios = map[string]func(*testing.T, *bench){
	"rows and resume land together": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Resync, "w1")
		w.Sent = time.Now().Add(-time.Minute)
		r := &syncer.Resume{Walk: "w1", Kind: syncer.Resync, From: "f", Sent: w.Sent.Add(-time.Hour), OwnerStart: "o", Cursor: "c2", High: "h"}
		a, err := b.table.Apply(t.Context(), w, []*syncer.Batch{
			{Records: []syncer.Record{person("1", "Ada", "00:01")}, Resume: &syncer.Resume{Cursor: "c1"}},
			{Records: []syncer.Record{person("2", "Bo", "00:02")}, Resume: r},
		})
		if err != nil || a.Inserted != 2 {
			t.Fatalf("apply: %+v, %v", a, err)
		}
		b.want("1 Ada 00:01", "2 Bo 00:02")
		got := b.standing().Listing
		if got == nil {
			t.Fatal("no resume is stored")
		}
		near(t, "Sent", got.Sent, r.Sent)
		g := *got
		g.Sent = r.Sent
		if g != *r {
			t.Errorf("resume is %+v, want %+v", g, *r)
		}
		if st := b.standing(); !st.AsOf.IsZero() || st.Position.Watermark != "" {
			t.Errorf("a walk without its end moved as-of or watermark: %+v", st)
		}
	},
	"the last of several resumes counts, nil too": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Resync, "w1")
		for _, r := range []*syncer.Resume{{Walk: "w1", Kind: syncer.Resync, Sent: w.Sent, Cursor: "c"}, nil} {
			if _, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Resume: r}}); err != nil {
				t.Fatal(err)
			}
		}
		if r := b.standing().Listing; r != nil {
			t.Errorf("resume is %+v after a batch that cannot be resumed", r)
		}
	},
	"one key twice in a batch: the newer version wins, in any order": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w"), person("1", "new", "00:05"), person("1", "old", "00:01"), person("2", "old", "00:01"), person("2", "new", "00:05"))
		b.want("1 new 00:05", "2 new 00:05")
	},
	"an older version is left alone, an equal one overwrites": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:05"), person("2", "Bo", "00:05"))
		a := b.apply(b.walk(syncer.Changes, "w2"), person("1", "stale", "00:04"), person("2", "same stamp", "00:05"))
		b.want("1 Ada 00:05", "2 same stamp 00:05")
		if a.Updated != 1 || a.Unchanged != 1 {
			t.Errorf("counted %+v", a)
		}
	},
	"a null version is the oldest": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:05"), person("2", "Bo", ""))
		b.apply(b.walk(syncer.Changes, "w2"), person("1", "no stamp", ""), person("2", "stamped", "00:01"))
		b.want("1 Ada 00:05", "2 stamped 00:01")
	},
	"unchanged rows are counted as such": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:05"), person("2", "Bo", ""))
		a := b.apply(b.walk(syncer.Changes, "w2"), person("1", "Ada", "00:05"), person("2", "Bo", ""), person("3", "Cy", "00:06"))
		if a != (syncer.Applied{Inserted: 1, Unchanged: 2}) {
			t.Errorf("counted %+v", a)
		}
	},
	"a tombstone deletes, an older one does not": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:05"), person("2", "Bo", "00:05"), person("3", "Cy", "00:05"))
		a := b.apply(b.walk(syncer.Changes, "w2"), tombstone("1", "00:06"), tombstone("2", "00:04"), tombstone("3", ""), tombstone("4", "00:01"))
		b.want("2 Bo 00:05")
		if a.Deleted != 2 {
			t.Errorf("counted %+v", a)
		}
	},
	"a late old version does not bring a deleted row back, a newer one does": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:05"))
		b.apply(b.walk(syncer.Changes, "w2"), tombstone("1", "00:08"))
		b.apply(b.walk(syncer.Changes, "w3"), person("1", "late", "00:06"))
		b.want()
		b.apply(b.walk(syncer.Changes, "w4"), person("1", "again", "00:09"))
		b.want("1 again 00:09")
	},
	"versions of a row end the same in whatever order they come": func(t *testing.T, b *bench) {
		var want []string
		var steps [4][]syncer.Record
		key := 0
		for _, versions := range [][]syncer.Record{
			{person("", "a", "00:01"), tombstone("", "00:02"), person("", "c", "00:03"), person("", "d", "00:04")},
			{person("", "a", "00:01"), person("", "b", "00:02"), person("", "c", "00:03"), tombstone("", "00:04")},
		} {
			permute(len(versions), func(order []int) {
				id := strconv.Itoa(key)
				for step, i := range order {
					r := versions[i]
					r.Slots = slices.Clone(r.Slots)
					r.Slots[0] = []byte(id)
					steps[step] = append(steps[step], r)
				}
				if !versions[3].Gone {
					want = append(want, id+" d 00:04")
				}
				key++
			})
		}
		for step, records := range steps {
			b.apply(b.walk(syncer.Changes, fmt.Sprint("w", step)), records...)
		}
		b.want(want...)
	},
	"a deleted key is forgotten in time": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), tombstone("1", "00:08"))
		b.Age(3 * time.Minute)
		b.apply(b.walk(syncer.Changes, "w2"), person("1", "restored", "00:06"))
		b.want("1 restored 00:06")
	},
	"a deletion counts anew once an earlier one of its key is forgotten": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), tombstone("1", "00:09"))
		b.Age(3 * time.Minute)
		b.apply(b.walk(syncer.Changes, "w2"), tombstone("1", "00:08"))
		if a := b.apply(b.walk(syncer.Changes, "w3"), person("1", "late", "00:06")); a != (syncer.Applied{}) {
			t.Errorf("a late old version counted %+v", a)
		}
		b.want()
		b.apply(b.walk(syncer.Changes, "w4"), person("1", "again", "00:08"))
		b.want("1 again 00:08")
	},
	"delete and insert in one batch fold by version": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.apply(b.walk(syncer.Changes, "w2"), tombstone("1", "00:05"), person("1", "reborn", "00:06"), person("2", "gone soon", "00:05"), tombstone("2", "00:06"))
		b.want("1 reborn 00:06")
	},
	"lateness counts only rows that were changed": func(t *testing.T, b *bench) {
		first := person("1", "Ada", "00:05")
		b.apply(b.walk(syncer.Changes, "w1"), first)
		first.Late = time.Hour
		late := person("2", "Bo", "00:04")
		late.Late = 90 * time.Second
		if a := b.apply(b.walk(syncer.Changes, "w2"), first, late); a.Late != 90*time.Second {
			t.Errorf("lateness is %s, want 90s", a.Late)
		}
	},
	"in a resync a restored owner wins over newer rows": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "from the future", "09:00"))
		w := b.walk(syncer.Resync, "w2")
		b.apply(w, person("1", "restored", "00:05"))
		b.want("1 restored 00:05")
		b.apply(w, person("1", "same walk, older", "00:04"))
		b.want("1 restored 00:05")
		b.apply(w, person("1", "same walk, newer", "00:06"))
		b.want("1 same walk, newer 00:06")
	},
	"in a snapshot the version guard holds": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:05"))
		b.list(syncer.Snapshot, "w2", person("1", "stale replica", "00:04"))
		b.want("1 Ada 00:05")
	},
	"text that looks like SQL is only text": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", `'; drop table people; -- %s $1 ?1`, "00:05"))
		b.want(`1 '; drop table people; -- %s $1 ?1 00:05`)
	},
}

// permute calls f with every order of n things.
func permute(n int, f func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var from func(int)
	from = func(at int) {
		if at == n {
			f(order)
			return
		}
		for i := at; i < n; i++ {
			order[at], order[i] = order[i], order[at]
			from(at + 1)
			order[at], order[i] = order[i], order[at]
		}
	}
	from(0)
}
