package syncertest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// markingToo are the groups whose scenarios go for tables that mark as well:
// what is marked is gone in all of them.
var markingToo = map[string]bool{"apply": true, "sweep": true, "floor": true, "lanes": true, "audit": true, "partial": true,
	"where": true, "changing partitions": true, "orders": true, "quarantine": true}

// markColumn is the column that stamps what is gone.
const markColumn = "deleted_at"

// marking is a spec of a table that marks what is gone.
func marking(s row.Spec) row.Spec {
	s.Mark = markColumn
	return s
}

// live reads columns of the rows that are not marked.
func (b *bench) live(columns ...string) [][]string {
	b.t.Helper()
	if b.spec.Mark == "" {
		return b.Rows(b.spec.Target, columns)
	}
	return b.rowsBy(func(mark string) bool { return mark == "NULL" }, columns)
}

// dead reads id, name and updated_at of the rows that are marked.
func (b *bench) dead() [][]string {
	b.t.Helper()
	if b.spec.Mark == "" {
		return nil
	}
	return b.rowsBy(func(mark string) bool { return mark != "NULL" }, []string{"id", "name", "updated_at"})
}

func (b *bench) rowsBy(which func(mark string) bool, columns []string) (out [][]string) {
	for _, r := range b.Rows(b.spec.Target, append(columns[:len(columns):len(columns)], markColumn)) {
		if n := len(r) - 1; which(r[n]) {
			out = append(out, r[:n])
		}
	}
	return out
}

// buried compares the names of the marked rows, by id, with lines such as
// "1 Ada".
func (b *bench) buried(lines ...string) {
	b.t.Helper()
	got := []string{}
	for _, r := range sorted(b.dead()) {
		got = append(got, r[0]+" "+r[1])
	}
	if diff := cmp.Diff(append([]string{}, lines...), got); diff != "" {
		b.t.Errorf("marked rows (-want +got):\n%s", diff)
	}
}

// markScenarios are of tables that mark what is gone in place of deleting it.
var markScenarios = map[string]func(*testing.T, *bench){
	"a deletion marks the row, with the instant of the database": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		if a := b.changes(tombstone("1", "00:02")); a.Deleted != 1 {
			t.Errorf("counted %+v", a)
		}
		b.want("2 Bo 00:01")
		b.buried("1 Ada")
		for _, r := range b.Rows(b.spec.Target, []string{"id", markColumn}) {
			if at, err := time.Parse(time.RFC3339Nano, r[1]); r[0] == "1" && (err != nil || len(r[1]) != len("2026-11-23T00:00:00.000000Z")) {
				t.Errorf("the mark is %q: %v", r[1], err)
			} else if r[0] == "1" {
				near(t, "the mark", at, time.Now())
			}
		}
		if s := b.status(); s.Rows != 1 {
			t.Errorf("the view counts %d rows", s.Rows)
		}
	},
	"a deletion that is told again leaves the mark": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.changes(person("1", "Ada", "00:01"))
		b.changes(tombstone("1", "00:02"))
		before := b.Rows(b.spec.Target, []string{markColumn})
		if a := b.changes(tombstone("1", "00:02"), tombstone("1", "")); a.Deleted != 0 {
			t.Errorf("counted %+v", a)
		}
		if diff := cmp.Diff(before, b.Rows(b.spec.Target, []string{markColumn})); diff != "" {
			t.Errorf("the mark has moved:\n%s", diff)
		}
	},
	"a record that comes back clears the mark, a late old one does not": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.changes(tombstone("1", "00:05"))
		b.changes(person("1", "late", "00:04"))
		b.buried("1 Ada")
		if a := b.changes(person("1", "again", "00:06")); a.Inserted != 1 || a.Updated != 0 {
			t.Errorf("counted %+v", a)
		}
		b.want("1 again 00:06")
		b.buried()
		if s := b.status(); s.Rows != 1 {
			t.Errorf("the view counts %d rows", s.Rows)
		}
	},
	"a record that comes back as it was clears the mark": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.changes(person("1", "Ada", "00:01"))
		b.changes(tombstone("1", ""))
		if a := b.changes(person("1", "Ada", "00:01")); a.Inserted != 1 {
			t.Errorf("counted %+v", a)
		}
		b.want("1 Ada 00:01")
		b.buried()
	},
	"a sweep marks, and counts what is marked no more": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		if s := b.list(syncer.Snapshot, "w2", person("1", "Ada", "00:01"), person("3", "Cy", "00:01")); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		if s := b.list(syncer.Snapshot, "w3", person("1", "Ada", "00:01"), person("3", "Cy", "00:01")); s.Swept+s.Held+s.Waiting != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01", "3 Cy 00:01")
		b.buried("2 Bo")
		if s := b.status(); s.Rows != 2 || s.Held != 0 {
			t.Errorf("the view tells %+v", s)
		}
	},
	"marked rows are no part of the guard's share": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.respec(func(s *row.Spec) { s.Guard.All = true })
		b.list(syncer.Snapshot, "w1", crowd(1, 60)...)
		for id := 1; id <= 36; id += 9 {
			w := b.walk(syncer.Changes, "c")
			var gone []syncer.Record
			for _, r := range crowd(id, 9) {
				gone = append(gone, tombstone(string(r.Slots[0]), "00:02"))
			}
			b.apply(w, gone...)
		}
		if s := b.list(syncer.Snapshot, "w2", crowd(48, 13)...); s.Held != 11 || b.count() != 24 {
			t.Errorf("settled %+v with %d rows", s, b.count())
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 11})
		if s := b.status(); s.Rows != 13 || s.Held != 0 || len(b.dead()) != 47 {
			t.Errorf("the view tells %+v, %d rows are marked", s, len(b.dead()))
		}
	},
	"an audit finds what was marked and is alive, and marks what is extra": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.changes(tombstone("1", "00:05"))
		list := []syncer.Record{person("1", "Ada", "00:01"), person("2", "Bo", "00:01")}
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 2, Suspects: 2})
		b.Age(2 * time.Minute)
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 2, Missing: 1, Extra: 1, Repaired: 2})
		b.want("1 Ada 00:01", "2 Bo 00:01")
		b.buried("3 Cy")
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 2})
	},
	"a row that matches no more is marked": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.respec(where)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"), person("2", "Bo", "00:05"))
		b.changes(person("1", "internal", "00:06"))
		b.want("2 Bo 00:05")
		b.buried("1 Ada")
	},
	"of a partition that is no more the rows are marked": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("parted", north, south)
		b.respec(func(s *row.Spec) { s.Mark = markColumn })
		b.fill(north, 1, 2)
		b.fill(south, 11, 2)
		b.bare("parted", north)
		if b.count() != 2 || len(b.dead()) != 2 {
			t.Errorf("%d rows and %d marked ones are left", b.count(), len(b.dead()))
		}
		b.bare("parted", north, south)
		b.fill(south, 11, 1)
		if b.count() != 3 || len(b.dead()) != 1 || b.status().Rows != 3 {
			t.Errorf("%d rows and %d marked ones are left, the view tells %+v", b.count(), len(b.dead()), b.status())
		}
	},
	"a quarantined record that fits later clears the mark": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.changes(person("1", "Ada", "00:01"))
		b.changes(tombstone("1", ""))
		b.changes(misfit("1"))
		b.buried("1 Ada")
		if s := b.status(); s.Quarantined != 1 || s.Rows != 0 {
			t.Errorf("the view tells %+v", s)
		}
		b.changes(person("1", "good", "00:02"))
		b.want("1 good 00:02")
		if s := b.status(); s.Quarantined != 0 || s.Rows != 1 {
			t.Errorf("the view tells %+v", s)
		}
	},
	"a table of its own is made with the mark, or given it later": func(t *testing.T, b *bench) {
		b.changes(person("1", "Ada", "00:01"))
		b.use(marking(b.spec))
		b.changes(tombstone("1", "00:02"))
		b.want()
		b.buried("1 Ada")
	},
	"without marks a marked row is a row, and goes with the next list": func(t *testing.T, b *bench) {
		b.use(marking(b.spec))
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.changes(tombstone("1", "00:05"), tombstone("2", "00:05"))
		b.respec(func(s *row.Spec) { s.Mark = "" })
		if s := b.list(syncer.Resync, "w1", person("2", "Bo", "00:06"), person("3", "Cy", "00:01")); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("2 Bo 00:06", "3 Cy 00:01")
	},
	"no default of the column marks a row that is written": func(t *testing.T, b *bench) {
		b.Create("theirs", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", markColumn+" timestamptz DEFAULT '9999-12-31T00:00:00.000000Z'")
		spec := marking(b.spec)
		spec.Target = "theirs"
		b.use(spec)
		b.list(syncer.Resync, "w", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.want("1 Ada 00:01", "2 Bo 00:01")
		b.buried()
	},
	"a table of the consumer's must have the mark": func(t *testing.T, b *bench) {
		b.Create("theirs", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text")
		spec := marking(b.spec)
		spec.Target = "theirs"
		err := b.Table(b.db, spec).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), markColumn) || !strings.Contains(err.Error(), "ALTER TABLE") {
			t.Errorf("prepare: %v", err)
		}
		b.Create("marked", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", markColumn+" timestamptz")
		spec.Target = "marked"
		b.use(spec)
		b.changes(person("1", "Ada", "00:01"))
		b.changes(tombstone("1", "00:02"))
		b.buried("1 Ada")
	},
}
