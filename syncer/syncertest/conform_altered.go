package syncertest

import (
	"errors"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// full fills the bench's table with two people, and an unfinished list behind
// them, and lets a minute pass.
func (b *bench) full() {
	b.t.Helper()
	w := b.begin(syncer.Resync, "w0")
	b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
	b.settle(w, syncer.End{Watermark: "W0", Validator: "V0", Listed: true})
	w = b.begin(syncer.Resync, "w1")
	b.stand(w, "behind the first page")
	b.Age(time.Minute)
}

// asked fails unless everything is to be asked for again, from the beginning.
func (b *bench) asked() {
	b.t.Helper()
	st := b.standing()
	if !st.Resync || st.Listing != nil || st.Position.Validator != "" || st.Position.Watermark != "W0" {
		b.t.Errorf("stands at %+v", st)
	}
	b.reason("a resync is due", isDue)
}

// alteredScenarios are of tables that their consumer drops, or columns of them.
var alteredScenarios = map[string]func(*testing.T, *bench){
	"a table that was dropped is made anew, and was never polled": func(t *testing.T, b *bench) {
		b.full()
		b.changes(misfit("3"))
		first := b.standing().FirstSeen
		b.Drop(b.spec.Target)
		b.use(b.spec)
		b.want()
		st := b.standing()
		near(t, "FirstSeen", st.FirstSeen, first)
		if st.FirstSeen = (time.Time{}); st != (syncer.Standing{}) {
			t.Errorf("stands at %+v", st)
		}
		if s := b.status(); s.Level == syncer.Fresh || s.Rows != 0 || s.Quarantined != 0 {
			t.Errorf("the view tells %+v", s)
		}
		b.list(syncer.Resync, "w2", person("1", "Ada", "00:01"))
		b.want("1 Ada 00:01")
		if s := b.status(); s.Level != syncer.Fresh || s.Rows != 1 {
			t.Errorf("the view tells %+v", s)
		}
	},
	"of a table that was dropped while rows were held none are": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Guard.All = true })
		b.list(syncer.Resync, "w0", crowd(1, 60)...)
		if s := b.list(syncer.Resync, "w1", crowd(1, 20)...); s.Held != 40 {
			t.Fatalf("settled %+v", s)
		}
		b.Drop(b.spec.Target)
		b.use(b.spec)
		if s := b.status(); s.Held != 0 || s.Rows != 0 {
			t.Errorf("the view tells %+v", s)
		}
		b.list(syncer.Resync, "w2", crowd(1, 30)...)
		if s := b.status(); b.count() != 30 || s.Held != 0 {
			t.Errorf("%d rows, the view tells %+v", b.count(), s)
		}
	},
	"partitions of a table that was dropped were never polled, and their list stands": func(t *testing.T, b *bench) {
		b.bare("parted")
		b.respec(func(s *row.Spec) { s.Changing = true })
		north, south := region("north"), region("south")
		if err := b.table.Repartition(t.Context(), []syncer.Partition{north, south}, time.Now()); err != nil {
			t.Fatal(err)
		}
		b.fill(north, 1, 2)
		b.fill(south, 11, 2)
		b.Drop(b.spec.Target)
		b.use(b.spec)
		for _, p := range []syncer.Partition{north, south} {
			if st := b.standingOf(p); !st.AsOf.IsZero() || st.Position != (syncer.Position{}) {
				t.Errorf("%s stands at %+v", p.Name, st)
			}
		}
		near(t, "the list of partitions", b.standing().AsOf, time.Now())
	},
	"a column that was dropped is added anew, and asked for": func(t *testing.T, b *bench) {
		b.full()
		b.DropColumn(b.spec.Target, "name")
		b.use(b.spec)
		b.want("1 NULL 00:01", "2 NULL 00:01")
		b.asked()
		b.list(syncer.Resync, "w2", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.want("1 Ada 00:01", "2 Bo 00:01")
		b.reason("after the resync", "")
	},
	"without its marks a table asks which rows are gone": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.full()
		b.changes(tombstone("1", "00:02"))
		b.DropColumn(b.spec.Target, markColumn)
		b.use(b.spec)
		b.asked()
		b.list(syncer.Resync, "w2", person("2", "Bo", "00:01"))
		b.want("2 Bo 00:01")
		b.buried("1 Ada")
	},
	"a column that was added and dropped is forgotten until the owner tells it again": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		for _, id := range []string{"adds it", "fills it"} {
			w := b.begin(syncer.Resync, id)
			b.apply(w, plus(person("1", "Ada", "00:01"), "vip", "true"), plus(person("2", "Bo", "00:01"), "vip", "true"))
			b.settle(w, syncer.End{Watermark: "W0", Listed: true})
		}
		b.DropColumn(b.spec.Target, "vip")
		b.use(b.spec)
		b.added("dropped")
		if st := b.standing(); st.Resync || st.Position.Watermark != "W0" {
			t.Errorf("stands at %+v", st)
		}
		b.changes(plus(person("2", "Bo", "00:02"), "vip", "false"))
		b.added("told again", "vip boolean")
		b.holds("vip", "1 NULL", "2 false")
		b.asked()
		b.list(syncer.Resync, "w1", plus(person("1", "Ada", "00:01"), "vip", "true"), plus(person("2", "Bo", "00:02"), "vip", "false"))
		b.holds("vip", "1 true", "2 false")
		b.reason("after the resync", "")
	},
	"what cannot be applied because it was dropped says so": func(t *testing.T, b *bench) {
		b.drifts(row.DriftAdd)
		b.list(syncer.Resync, "w0", plus(person("1", "Ada", "00:01"), "vip", "true"))
		altered := func(what string) {
			t.Helper()
			_, err := b.table.Apply(t.Context(), b.walk(syncer.Changes, "c"), []*syncer.Batch{{Records: []syncer.Record{plus(person("1", "Eve", "00:02"), "vip", "true")}}})
			if !errors.Is(err, syncer.ErrAltered) || syncer.Classify(err) != syncer.ClassDatabase {
				t.Errorf("without %s: %v", what, err)
			}
			b.fail(b.walk(syncer.Changes, "c"), syncer.ClassDatabase, "not there")
			if err := b.table.Prepare(t.Context()); err != nil {
				t.Errorf("without %s: prepare: %v", what, err)
			}
			b.changes(plus(person("1", "Eve", "00:02"), "vip", "true"))
			b.want("1 Eve 00:02")
			b.holds("vip", "1 true")
		}
		for _, column := range []string{"vip", "name"} {
			b.DropColumn(b.spec.Target, column)
			altered(column)
		}
		b.Drop(b.spec.Target)
		altered("the table")
	},
}
