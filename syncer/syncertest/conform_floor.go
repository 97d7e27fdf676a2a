package syncertest

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// from is the end of a list that begins at that time of the day.
func from(at string) syncer.End {
	return syncer.End{Listed: true, Floor: person("", "", at).Slots[2]}
}

// listFrom is a complete walk of a list that begins so, of exactly these records.
func (b *bench) listFrom(at string, kind syncer.WalkKind, id string, records ...syncer.Record) syncer.Settled {
	b.t.Helper()
	w := b.begin(kind, id)
	b.apply(w, records...)
	return b.settle(w, from(at))
}

// auditFrom is an audit of such a list.
func (b *bench) auditFrom(at string, records ...syncer.Record) syncer.Audited {
	b.t.Helper()
	w := b.auditing(repairs, syncer.Partition{})
	b.apply(w, records...)
	s := b.settle(w, from(at))
	if s.Audit == nil {
		b.t.Fatalf("the audit settled %+v and does not say what it found", s)
	}
	return *s.Audit
}

// floorScenarios are of lists that begin at a version.
var floorScenarios = map[string]func(*testing.T, *bench){
	"a row that lies before the list is not missing": func(t *testing.T, b *bench) {
		b.changes(person("1", "before", "00:01"), person("2", "at", "00:02"), person("3", "behind", "00:03"), person("4", "none", ""))
		if s := b.listFrom("00:02", syncer.Resync, "w1", person("5", "new", "00:05")); s.Swept != 2 || s.Held+s.Waiting != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 before 00:01", "4 none NULL", "5 new 00:05")
		if s := b.status(); s.Rows != 3 || s.Level != syncer.Fresh {
			t.Errorf("the view tells %+v", s)
		}
	},
	"a row that lies before the list is neither extra nor looked for": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "before", "00:01"), person("2", "gone", "00:02"), person("3", "behind", "00:03"), person("4", "none", ""))
		b.found(b.auditFrom("00:02", person("3", "behind", "00:03")), syncer.Audited{Compared: 1, Suspects: 1})
		b.Age(2 * time.Minute)
		b.found(b.auditFrom("00:02", person("3", "behind", "00:03")), syncer.Audited{Compared: 1, Extra: 1, Repaired: 1})
		b.want("1 before 00:01", "3 behind 00:03", "4 none NULL")
		b.found(b.auditFrom("00:02", person("3", "behind", "00:03")), syncer.Audited{Compared: 1})
	},
	"a record that has come into the list is compared with its row from before": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "before", "00:01"))
		b.auditFrom("00:02", person("1", "moved", "00:03"))
		b.Age(2 * time.Minute)
		b.found(b.auditFrom("00:02", person("1", "moved", "00:03")), syncer.Audited{Compared: 1, Different: 1, Repaired: 1})
		b.want("1 moved 00:03")
	},
	"the guard's share is of the rows that the list could have": func(t *testing.T, b *bench) {
		before := crowd(1, 40)
		for i := range before {
			before[i] = person(string(before[i].Slots[0]), "x", "00:00")
		}
		b.changes(append(before, crowd(101, 20)...)...)
		s := b.listFrom("00:01", syncer.Resync, "w1", crowd(101, 9)...)
		if s.Held != 11 || s.Swept != 0 || b.count() != 60 {
			t.Errorf("settled %+v with %d rows", s, b.count())
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 11})
		if s := b.status(); s.Rows != 49 || s.Held != 0 || b.count() != 49 {
			t.Errorf("the view tells %+v of %d rows", s, b.count())
		}
	},
	"an empty list deletes nothing of what it could have": func(t *testing.T, b *bench) {
		b.changes(person("1", "before", "00:01"), person("2", "behind", "00:03"))
		if s := b.listFrom("00:02", syncer.Resync, "w1"); s.Held != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 before 00:01", "2 behind 00:03")
	},
	"what was missing and lies before the next list is missing no more": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Confirm = 2 })
		b.changes(person("1", "before", "00:01"), person("2", "behind", "00:03"), person("3", "there", "00:03"))
		b.list(syncer.Resync, "w1", person("3", "there", "00:03"))
		if s := b.listFrom("00:02", syncer.Resync, "w2", person("3", "there", "00:03")); s.Swept != 1 || s.Waiting != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 before 00:01", "3 there 00:03")
	},
	"a list that begins at what is no version of the table sweeps nothing": func(t *testing.T, b *bench) {
		b.changes(person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "Ada", "00:01"))
		if s := b.settle(w, syncer.End{Listed: true, Floor: []byte(`"yesterday"`)}); s.Swept+s.Held+s.Waiting != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01", "2 Bo 00:01")
		a := b.auditing(repairs, syncer.Partition{})
		end := syncer.End{Listed: true, Floor: []byte(`"yesterday"`)}
		if _, err := b.table.Settle(t.Context(), a, syncer.Settlement{End: &end}); err == nil {
			t.Error("an audit of such a list settles")
		}
	},
	"versions of every type with an order tell what lies before": func(t *testing.T, b *bench) {
		for _, c := range []struct {
			kind          row.Kind
			floor         string
			before, since []string
		}{
			{row.Bigint, "9", []string{"8", "-10"}, []string{"9", "10"}},
			{row.Integer, "9", []string{"8"}, []string{"9", "10"}},
			{row.Numeric, `"9.5"`, []string{"9.499", "-10"}, []string{"9.5", "10", "100.25"}},
			{row.Date, `"2024-02-10"`, []string{`"2024-02-09"`}, []string{`"2024-02-10"`, `"2024-11-01"`}},
			{row.Double, "9.5", []string{"9.25", "-10"}, []string{"9.5", "10"}},
		} {
			spec := people()
			spec.Target = "by_" + row.Type{Kind: c.kind}.String()
			spec.Columns[2] = row.Column{Name: "updated_at", Type: row.Type{Kind: c.kind}, Slots: []int{2}}
			b.use(spec)
			id, records := byte('1'), []syncer.Record{}
			for _, v := range append(c.before, c.since...) {
				records = append(records, syncer.Record{Slots: [][]byte{{id}, []byte(`"x"`), []byte(v), nil}})
				id++
			}
			b.changes(records...)
			w := b.begin(syncer.Resync, "w1")
			b.apply(w, syncer.Record{Slots: [][]byte{[]byte("9"), []byte(`"x"`), []byte(c.since[0]), nil}})
			if s := b.settle(w, syncer.End{Listed: true, Floor: []byte(c.floor)}); s.Swept != len(c.since) || b.count() != len(c.before)+1 {
				t.Errorf("by %s settled %+v with %d rows", spec.Target, s, b.count())
			}
		}
	},
}
