package syncertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// addedScenarios are of tables that get columns for fields that nobody named.
var addedScenarios = map[string]func(*testing.T, *bench){
	"a column is added by the first value that is not null": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "null", "late", "null"))
		b.added("nulls alone")
		b.noted("nulls alone")
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "null"),
			plus(person("2", "Bo", "00:02"), "vip", "true", "say", `"x"`, "n", "9007199254740993.10", "tags", `["a"]`, "o", `{"k":1}`))
		b.added("values", "n numeric", "o json", "say text", "tags json", "vip boolean")
		b.holds("vip say n tags o", "1 NULL NULL NULL NULL NULL", `2 true x 9007199254740993.10 ["a"] {"k":1}`)
		b.changes(plus(person("1", "Ada", "00:03"), "vip", "false", "n", "1e400"), plus(person("2", "Bo", "00:03"), "say", "7"))
		b.holds("vip n say", "1 false 1"+strings.Repeat("0", 400)+" NULL", "2 NULL NULL 7")
	},
	"names are quoted": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		name := `Select"; DROP TABLE 'people' -- ü %s`
		b.changes(plus(person("1", "Ada", "00:01"), name, `"x"`))
		b.added("an odd name", name+" text")
		b.noted("an odd name")
		b.changes(plus(person("1", "Ada", "00:02"), name, `"y"`))
		b.want("1 Ada 00:02")
	},
	"what can be no column is noted, and why": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "", "1", strings.Repeat("é", 32), "2", "a\x00", "3", ":deleted", "4", "x:cut", "5", "name", "6", "oid", "7"))
		oid := b.status().Added // Postgres has no column of that name any more
		want := []string{": its name is empty", ":deleted: no column", "a?: no column", "name: the table has", "x:cut: no column", strings.Repeat("é", 32) + ": its name is longer"}
		var got []string
		for _, f := range b.status().Unnamed {
			if f.Name != "oid" {
				got = append(got, f.Name+": "+f.Why)
			}
		}
		slices.Sort(got)
		if !slices.EqualFunc(got, want, strings.HasPrefix) || len(oid) > 1 {
			t.Errorf("noted are %q, want %q; added %v", got, want, oid)
		}
		b.want("1 Ada 00:01")
	},
	"the rows before get theirs by a resync, while changes go on": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		w := b.walk(syncer.Resync, "w0")
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.settle(w, syncer.End{Watermark: "W0", Listed: true})
		b.changes(plus(person("2", "Bo", "00:02"), "vip", "true"))
		st := b.standing()
		if !st.Resync || st.Position.Watermark != "W0" {
			t.Errorf("stands at %+v", st)
		}
		b.reason("added", isDue)
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W1"})
		if st := b.standing(); !st.Resync || st.Position.Watermark != "W1" {
			t.Errorf("after a poll for changes: stands at %+v", st)
		}
		w = b.begin(syncer.Resync, "w2")
		b.apply(w, plus(person("1", "Ada", "00:01"), "vip", "false"), plus(person("2", "Bo", "00:02"), "vip", "true"))
		b.settle(w, syncer.End{Watermark: "W2", Listed: true})
		b.holds("vip", "1 false", "2 true")
		if st := b.standing(); st.Resync {
			t.Errorf("after the resync: stands at %+v", st)
		}
		b.reason("after the resync", "")
	},
	"an unfinished list that did not look for columns begins again": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w0")
		b.stand(w, "page 2")
		if b.standing().Listing == nil {
			t.Fatal("the list cannot go on")
		}
		b.drifts(row.DriftAdd)
		if st := b.standing(); st.Listing != nil {
			t.Errorf("the list goes on at %+v", st.Listing)
		}
		b.stand(b.begin(syncer.Resync, "w1"), "page 2")
		b.drifts(row.DriftIgnore)
		if b.standing().Listing == nil {
			t.Error("a list that looked for columns cannot go on without")
		}
	},
	"a new daemon knows the columns, and so does its plan": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.list(syncer.Resync, "w1", plus(person("1", "Ada", "00:01"), "vip", "true"))
		intent, err := b.Table(b.db, b.spec).(Intender).Intend(t.Context())
		if err != nil || len(intent.DDL) > 0 || intent.Unfit != "" || intent.Partitions[0].Standing.Resync {
			t.Errorf("it intends %+v, %v", intent, err)
		}
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "false"))
		b.holds("vip", "1 false")
		b.added("a new daemon", "vip boolean")
		if b.standing().Resync {
			t.Error("a resync is due")
		}
	},
	"a value that does not fit goes to quarantine, and comes out of it": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "n", "1"))
		if a := b.changes(plus(person("2", "Bo", "00:02"), "n", `"many"`), plus(person("3", "Cy", "00:02"), "n", `"3"`)); a.Quarantined != 1 {
			t.Errorf("counted %+v", a)
		}
		b.holds("n", "1 1", "3 3")
		q, err := b.db.Quarantine(t.Context(), b.spec.Target, 10)
		if err != nil || len(q) != 1 || q[0].Column != "n" || !strings.Contains(q[0].Record, `"n":"many"`) {
			t.Errorf("in quarantine: %+v, %v", q, err)
		}
		b.obey(syncer.Order{Kind: syncer.OrderQuarantineRetry})
		b.changes(plus(person("2", "Bo", "00:03"), "n", "2"))
		b.holds("n", "1 1", "2 2", "3 3")
		if s := b.status(); s.Quarantined != 0 {
			t.Errorf("%d are in quarantine", s.Quarantined)
		}
	},
	"a record that has more fields than are told does not fit": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		r := plus(person("1", "Ada", "00:01"), "vip", "true")
		r.Untold = true
		if a := b.changes(r, person("2", "Bo", "00:01")); a.Quarantined != 1 || a.Inserted != 1 {
			t.Errorf("counted %+v", a)
		}
		b.drifts(row.DriftNote)
		if a := b.changes(r); a.Inserted != 1 {
			t.Errorf("noted: counted %+v", a)
		}
	},
	"equal rows are equal in added columns, too": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "n", "1"), plus(person("2", "Bo", "00:01"), "n", "2"))
		if a := b.changes(plus(person("1", "Ada", "00:01"), "n", "1")); a != (syncer.Applied{Unchanged: 1}) {
			t.Errorf("the same again: %+v", a)
		}
		if a := b.changes(plus(person("1", "Ada", "00:01"), "n", "5")); a != (syncer.Applied{Updated: 1}) {
			t.Errorf("another value: %+v", a)
		}
		b.found(b.audit(looks, plus(person("1", "Ada", "00:01"), "n", "5"), plus(person("2", "Bo", "00:01"), "n", "3")), syncer.Audited{Compared: 2, Suspects: 1})
		b.found(b.audit(looks, plus(person("1", "Ada", "00:01"), "n", "5"), plus(person("2", "Bo", "00:01"), "n", "2")), syncer.Audited{Compared: 2})
	},
	"a partial record without the field leaves it as it is": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true"), plus(person("2", "Bo", "00:01"), "vip", "true"))
		b.changes(person("1", "Eve", "00:02"), plus(person("2", "Bo", "00:02"), "vip", "null"))
		b.holds("name vip", "1 Eve true", "2 Bo NULL")
	},
	"no more columns are added than a hundred": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), many(row.MostAdded)...))
		b.changes(plus(person("1", "Ada", "00:02"), "late", "1"))
		if n := len(b.status().Added); n != row.MostAdded {
			t.Errorf("%d columns were added", n)
		}
		b.noted("full", "late: 100 columns were added already")
		b.want("1 Ada 00:02")
	},
	"only a table that larder made is altered": func(t *testing.T, b *bench) {
		b.Create("theirs", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "vip boolean")
		b.respec(func(s *row.Spec) { s.Target, s.Drift = "theirs", row.DriftAdd })
		b.changes(plus(person("1", "Ada", "00:01"), "age", "7", "vip", "true"))
		b.added("adopted")
		b.noted("adopted", "age: the table is not larder's own: ALTER TABLE", "vip: the table has another column")
		b.want("1 Ada 00:01")
		b.holds("vip", "1 NULL")
	},
	"a column that the configuration names is adopted": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.respec(func(s *row.Spec) {
			s.Columns = append(slices.Clone(s.Columns), row.Column{Name: "vip", Type: row.Type{Kind: row.Boolean}, Slots: []int{4}})
			s.Named = []string{"vip"}
			s.Shape = syncer.Shape("source", []string{"id", "name", "updated_at", "region", "vip"})
		})
		b.added("named")
		b.holds("vip", "1 true")
		r := person("1", "Ada", "00:02")
		r.Slots = append(r.Slots, []byte("false"))
		b.changes(r)
		b.holds("vip", "1 false")
	},
	"a column goes on though another table names its field": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.respec(func(s *row.Spec) { s.Named, s.Others = []string{"vip", "age"}, []string{"vip", "age"} })
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "false", "age", "7"))
		b.holds("vip", "1 false")
		b.added("named by another table", "vip boolean")
		b.noted("named by another table")
	},
	"columns are left alone while nothing is added, and filled again after": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.drifts(row.DriftNote)
		b.noted("noted", "vip")
		b.added("noted")
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "false"))
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W1"})
		b.drifts(row.DriftIgnore)
		b.noted("ignored")
		b.drifts(row.DriftAdd)
		b.added("again", "vip boolean")
		if !b.standing().Resync {
			t.Error("no resync is due, though a column was left alone")
		}
		b.list(syncer.Resync, "w2", plus(person("1", "Ada", "00:02"), "vip", "false"))
		b.holds("vip", "1 false")
	},
	"nothing is left of it when the table is forgotten": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true", ":x", "1"))
		if _, err := b.db.Forget(t.Context(), b.spec.Target); err != nil {
			t.Fatal(err)
		}
		b.drifts(row.DriftNote)
		b.noted("forgotten")
		b.added("forgotten")
	},
	"partitions and lanes add a column once": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) {
			s.Drift, s.Partitions = row.DriftAdd, []syncer.Partition{region("north"), region("south")}
		})
		var all sync.WaitGroup
		for i, p := range b.spec.Partitions {
			for n := range 3 {
				all.Go(func() {
					w := b.walk(syncer.Changes, "w")
					w.Partition = p
					r := in([]string{"north", "south"}[i], plus(person(fmt.Sprint(10*i+n), "x", "00:01"), "vip", "true", fmt.Sprintf("f%d", n), "1"))
					if _, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Records: []syncer.Record{r}}}); err != nil {
						t.Errorf("apply: %v", err)
					}
				})
			}
		}
		all.Wait()
		if n := len(b.status().Added); n != 4 {
			t.Errorf("added are %+v", b.status().Added)
		}
		b.holds("vip f0", "0 true 1", "1 true NULL", "10 true 1", "11 true NULL", "12 true NULL", "2 true NULL")
	},
	"the next daemon takes the columns over": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true"))
		first, table := b.db, b.table
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.db = b.Daemon("second")
		if err := b.db.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.use(b.spec)
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "false", "age", "7"))
		if _, err := table.Apply(t.Context(), b.walk(syncer.Changes, "w"), []*syncer.Batch{{Records: []syncer.Record{plus(person("1", "x", "00:09"), "new", "1")}}}); err == nil {
			t.Error("a daemon without the lease adds a column")
		}
		b.added("two daemons", "vip boolean", "age numeric")
		b.holds("vip age", "1 false 7")
	},
}
