package syncertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// respec changes the bench's table.
func (b *bench) respec(change func(*row.Spec)) {
	b.t.Helper()
	spec := b.spec
	change(&spec)
	b.use(spec)
}

// keepScenarios are of tables whose rows are never deleted.
var keepScenarios = map[string]func(*testing.T, *bench){
	"nothing that the owner tells or leaves out deletes a row": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep, s.Guard.All = true, true })
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		if a := b.changes(tombstone("1", "00:05"), tombstone("2", "")); a != (syncer.Applied{}) {
			t.Errorf("tombstones counted %+v", a)
		}
		for _, kind := range []syncer.WalkKind{syncer.Snapshot, syncer.Resync} {
			if s := b.list(kind, "of "+string(kind), person("1", "Ada", "00:01"), tombstone("2", "00:06")); s.Swept+s.Held+s.Waiting != 0 {
				t.Errorf("a %s settled %+v", kind, s)
			}
		}
		b.list(syncer.Snapshot, "empty")
		b.want("1 Ada 00:01", "2 Bo 00:01", "3 Cy 00:01")
		if s := b.status(); s.Held != 0 || s.Reason != "" {
			t.Errorf("the view tells %+v", s)
		}
	},
	"a row that was kept is updated as any other": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep = true })
		b.changes(person("1", "Ada", "00:01"))
		b.changes(tombstone("1", "00:05"))
		b.changes(person("1", "again", "00:03"))
		b.want("1 again 00:03")
	},
	"an audit looks for no extra rows": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep = true })
		b.drifted()
		b.audit(repairs, drift()...)
		b.Age(2 * time.Minute)
		b.found(b.audit(repairs, drift()...), syncer.Audited{Compared: 3, Missing: 1, Different: 1, Repaired: 2})
		b.want("1 Ada 00:01", "2 other 00:05", "3 Cy 00:09", "4 Di 00:01")
		near(t, "ProvenAsOf", b.standing().ProvenAsOf, time.Now())
	},
	"the delete as-of follows as-of, whatever its budget": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep, s.Budget.Deletes = true, 24*time.Hour })
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.Age(time.Hour)
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		st := b.standing()
		near(t, "AsOf", st.AsOf, time.Now())
		near(t, "DeletesAsOf", st.DeletesAsOf, time.Now())
	},
	"a partition that left the configuration leaves its rows": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep = true })
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		for _, p := range []syncer.Partition{north, south} {
			w := b.walk(syncer.Resync, "of "+p.Name)
			w.Partition = p
			b.apply(w, in(regionOf(p), person(map[bool]string{true: "1", false: "2"}[p.Name == north.Name], "x", "00:01")))
			b.settle(w, syncer.End{Listed: true})
		}
		b.bare("partitioned", north)
		b.want("1 x 00:01", "2 x 00:01")
		if s := b.status(); s.Held != 0 || s.Level != syncer.Fresh {
			t.Errorf("the view tells %+v", s)
		}
	},
}

// regionOf is the name of the region that a partition is.
func regionOf(p syncer.Partition) string {
	name := string(p.Value("region"))
	return name[1 : len(name)-1]
}

// part makes a partial record: what is "" in it is absent.
func part(id, name, at string) syncer.Record {
	r := person(id, name, at)
	if name == "" {
		r.Slots[1] = nil
	}
	if at == "" {
		r.Slots[2] = nil
	}
	return r
}

// partial makes the table one of partial records. A column that names the
// partition is never absent.
func partial(s *row.Spec) {
	s.Partial = true
	s.Columns = slices.Clone(s.Columns)
	s.Columns[3].Each = ""
}

// partialScenarios are of owners whose changes carry only what changed.
var partialScenarios = map[string]func(*testing.T, *bench){
	"absent columns stay, null is written": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", in("north", person("1", "Ada", "00:01")), in("north", person("2", "Bo", "00:01")))
		null := part("2", "x", "00:02")
		null.Slots[1] = []byte("null")
		if a := b.changes(part("1", "", "00:02"), null); a.Updated != 2 {
			t.Errorf("counted %+v", a)
		}
		b.want("1 Ada 00:02", "2 NULL 00:02")
		for _, r := range b.live("region") {
			if r[0] != "north" {
				t.Errorf("region is %q", r[0])
			}
		}
	},
	"a record without its version is as new as the row": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"))
		b.changes(part("1", "new", ""))
		b.want("1 new 00:05")
		b.changes(part("1", "late", "00:04"))
		b.want("1 new 00:05")
	},
	"a record that says nothing new changes nothing": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"))
		if a := b.changes(part("1", "", "00:05"), part("1", "Ada", "")); a != (syncer.Applied{Unchanged: 1}) {
			t.Errorf("counted %+v", a)
		}
	},
	"of a row that is not there absent columns are null": func(t *testing.T, b *bench) {
		b.respec(partial)
		if a := b.changes(part("1", "", "00:05"), part("2", "Bo", "")); a.Inserted != 2 {
			t.Errorf("counted %+v", a)
		}
		b.want("1 NULL 00:05", "2 Bo NULL")
	},
	"records of one key add up": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.changes(part("1", "new", ""), part("1", "", "00:03"), part("2", "", "00:03"))
		b.changes(part("2", "new", ""))
		b.want("1 new 00:03", "2 new 00:03")
	},
	"after a deletion nothing is left of the row": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.changes(tombstone("1", "00:02"), part("1", "", "00:03"), tombstone("2", "00:02"))
		b.changes(part("2", "", "00:03"))
		b.want("1 NULL 00:03", "2 NULL 00:03", "3 Cy 00:01")
	},
	"records of a list are whole": func(t *testing.T, b *bench) {
		b.respec(partial)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.list(syncer.Resync, "w1", part("1", "", "00:02"))
		b.want("1 NULL 00:02")
		b.audit(repairs, part("1", "Ada", ""))
		b.Age(2 * time.Minute)
		b.audit(repairs, part("1", "Ada", ""))
		b.want("1 Ada NULL")
	},
}

// unless is a condition that turns down what is called so; of what has no name
// that is text it does not know.
type unless string

func (u unless) Holds(slots [][]byte) (bool, error) {
	if len(slots[1]) > 0 && slots[1][0] != '"' {
		return false, errors.New("name is no text")
	}
	return string(slots[1]) != `"`+string(u)+`"`, nil
}

func where(s *row.Spec) { s.Where = unless("internal") }

// whereScenarios are of tables that take only some of the records.
var whereScenarios = map[string]func(*testing.T, *bench){
	"only records that match become rows": func(t *testing.T, b *bench) {
		b.respec(where)
		b.changes(person("1", "Ada", "00:01"), person("2", "internal", "00:01"))
		b.list(syncer.Resync, "w1", person("1", "Ada", "00:01"), person("3", "internal", "00:01"), person("4", "Di", "00:01"))
		b.want("1 Ada 00:01", "4 Di 00:01")
	},
	"a row that matches no more leaves by a change, and comes back": func(t *testing.T, b *bench) {
		b.respec(where)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"), person("2", "Bo", "00:05"), person("3", "Cy", "00:05"))
		if a := b.changes(person("1", "internal", "00:06"), person("2", "internal", "00:04"), person("3", "internal", "")); a.Deleted != 1 {
			t.Errorf("counted %+v", a)
		}
		b.want("2 Bo 00:05", "3 Cy 00:05")
		b.changes(person("1", "late", "00:05"))
		b.want("2 Bo 00:05", "3 Cy 00:05")
		b.changes(person("1", "again", "00:07"))
		b.want("1 again 00:07", "2 Bo 00:05", "3 Cy 00:05")
	},
	"a record that was never a row is not remembered as deleted": func(t *testing.T, b *bench) {
		b.respec(where)
		b.changes(person("1", "internal", "00:06"))
		b.changes(person("1", "Ada", "00:05"))
		b.want("1 Ada 00:05")
	},
	"rows that match no more leave by a list under the guard": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", append(crowd(1, 30), person("31", "internal", "00:01"), person("32", "internal", "00:01"))...)
		b.respec(where)
		if s := b.list(syncer.Resync, "w1", append(crowd(1, 30), person("31", "internal", "00:01"), person("32", "internal", "00:01"))...); s.Swept != 2 {
			t.Errorf("settled %+v", s)
		}
		b.respec(func(s *row.Spec) { s.Where = unless("x") })
		if s := b.list(syncer.Resync, "w2", append(crowd(1, 30), person("33", "Ada", "00:01"))...); s.Held != 30 || b.count() != 31 {
			t.Errorf("settled %+v with %d rows", s, b.count())
		}
	},
	"a record that cannot be judged is set aside, and its row stays": func(t *testing.T, b *bench) {
		b.respec(where)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		bad := person("2", "", "00:02")
		bad.Slots[1] = []byte("7")
		if s := b.list(syncer.Resync, "w1", person("1", "Ada", "00:01"), bad); s.Swept != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01", "2 Bo 00:01")
		if q := b.quarantined(1)[0]; q.Key != "[2]" || q.Column != "" || q.Reason == "" {
			t.Errorf("quarantine tells %+v", q)
		}
	},
	"a record that is turned down is not there for an audit": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "internal", "00:01"))
		b.respec(where)
		list := []syncer.Record{person("1", "Ada", "00:01"), person("2", "internal", "00:01"), person("3", "internal", "00:01")}
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 1, Suspects: 1})
		b.Age(2 * time.Minute)
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 1, Extra: 1, Repaired: 1})
		b.want("1 Ada 00:01")
	},
	"a change that is turned down beside a resync keeps the key out": func(t *testing.T, b *bench) {
		b.respec(where)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("3", "Cy", "00:01"))
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "internal", "00:05"), person("2", "internal", "00:05"))
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.settle(w, syncer.End{Listed: true})
		b.want("3 Cy 00:01")
	},
}
