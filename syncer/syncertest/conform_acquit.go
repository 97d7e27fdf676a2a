package syncertest

import (
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// acquitScenarios are of what becomes of suspects between one audit and the
// next.
var acquitScenarios = map[string]func(*testing.T, *bench){
	"a list that has not an extra row either acquits nothing, and what an audit deletes is missing no more": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Confirm = 2 })
		list := []syncer.Record{person("1", "Ada", "00:01"), person("2", "Bo", "00:01")}
		b.list(syncer.Resync, "w0", append(slices.Clone(list), person("3", "Cy", "00:01"))...)
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 2, Suspects: 1})
		if s := b.list(syncer.Snapshot, "w1", list...); s.Waiting != 1 || s.Swept != 0 {
			t.Fatalf("settled %+v", s)
		}
		b.Age(2 * time.Minute)
		got := b.audit(repairs, list...)
		b.found(got, syncer.Audited{Compared: 2, Extra: 1, Repaired: 1})
		near(t, "Proven", got.Proven, time.Now())
		near(t, "DeletesAsOf", b.standing().DeletesAsOf, time.Now())
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
	"what a list could not have is extra no more": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:09"), person("2", "Bo", "00:01"))
		b.found(b.audit(looks, person("1", "Ada", "00:09")), syncer.Audited{Compared: 1, Suspects: 1})
		w := b.walk(syncer.Snapshot, "w1")
		b.apply(w, person("1", "Ada", "00:09"))
		b.settle(w, syncer.End{Listed: true, Floor: person("", "", "00:05").Slots[2]})
		b.Age(2 * time.Minute)
		b.found(b.audit(looks, person("1", "Ada", "00:09")), syncer.Audited{Compared: 1, Suspects: 1})
	},
	"a sample acquits what its list bears out, though it compares others": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		for _, sample := range []int{0, 1} {
			b.found(b.audit(looks), syncer.Audited{Suspects: 1})
			got := b.audit(syncer.Comparison{Compare: syncer.CompareSample, Sample: sample, Samples: 2, Persist: time.Minute}, person("1", "Ada", "00:01"))
			if got.Found()+got.Suspects != 0 {
				t.Errorf("the sample found %+v", got)
			}
			b.Age(2 * time.Minute)
			b.found(b.audit(looks), syncer.Audited{Suspects: 1})
			b.list(syncer.Resync, "again", person("1", "Ada", "00:01"))
		}
	},
	"what was not looked at, because changes touched it, stays a suspect": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		list := []syncer.Record{person("1", "other", "00:01"), person("2", "Bo", "00:01")}
		b.audit(looks, list...)
		b.Age(2 * time.Minute)
		beside := func(c syncer.Comparison) syncer.Audited {
			w := b.auditing(c, syncer.Partition{})
			b.changes(misfit("1"))
			b.apply(w, list...)
			return b.audited(w)
		}
		b.found(beside(looks), syncer.Audited{Compared: 1, Suspects: 1, Quarantined: 1})
		b.found(b.audit(looks, list...), syncer.Audited{Compared: 2, Different: 1, Quarantined: 1})
		b.found(beside(looks), syncer.Audited{Compared: 1, Suspects: 1, Quarantined: 1}) // though it counted before
		suspects := 0
		for sample := range 2 {
			suspects += beside(syncer.Comparison{Compare: syncer.CompareSample, Sample: sample, Samples: 2, Persist: time.Minute}).Suspects
		}
		if st := b.standing(); suspects != 1 || !st.ProvenAsOf.IsZero() {
			t.Errorf("samples found %d suspects, the copy is proven as of %s", suspects, st.ProvenAsOf)
		}
	},
	"an extra row that looks different by now was the owner's no later": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.Age(10 * time.Minute)
		b.found(b.audit(looks, person("1", "Ada", "00:01")), syncer.Audited{Compared: 1, Suspects: 1})
		b.respec(func(s *row.Spec) {
			s.Columns = append(slices.Clone(s.Columns), row.Column{Name: "note", Type: row.Type{Kind: row.Text}, Slots: []int{3}})
		})
		b.found(b.audit(looks, person("1", "Ada", "00:01")), syncer.Audited{Compared: 1, Suspects: 1})
		near(t, "DeletesAsOf", b.standing().DeletesAsOf, time.Now().Add(-10*time.Minute))
	},
}
