package syncertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// partScenarios are of audits that look at a part of the copy.
var partScenarios = map[string]func(*testing.T, *bench){
	"all samples together compare every key once": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 40)...)
		b.Age(time.Hour)
		before := b.standing()
		var list []syncer.Record // 1 to 10 are extra, 11 to 40 different, 41 to 50 missing
		for i := range 40 {
			list = append(list, person(fmt.Sprint(11+i), "other", "00:01"))
		}
		var sum syncer.Audited
		for n := range 4 {
			c := syncer.Comparison{Compare: syncer.CompareSample, Sample: n, Samples: 4, Persist: time.Minute}
			got := b.audit(c, list...)
			if got.Compared == 0 || got.Compared >= 40 || got.Found() != 0 {
				t.Errorf("sample %d found %+v", n, got)
			}
			sum.Compared += got.Compared
			sum.Suspects += got.Suspects
		}
		if sum.Compared != 40 || sum.Suspects != 50 {
			t.Errorf("together the samples found %+v", sum)
		}
		b.Age(2 * time.Minute)
		c := syncer.Comparison{Compare: syncer.CompareSample, Sample: 1, Samples: 4, Persist: time.Minute, Repair: true}
		got := b.audit(c, list...)
		if got.Found() == 0 || got.Found() >= 40 || got.Repaired != got.Found() || got.Suspects != 0 || !got.Proven.IsZero() {
			t.Errorf("the sample that repairs found %+v", got)
		}
		other := 0
		for _, r := range b.live("name") {
			if r[0] == "other" {
				other++
			}
		}
		if other != got.Different+got.Missing || b.count() != 40+got.Missing-got.Extra {
			t.Errorf("%d rows are repaired of %d; the audit found %+v", other, b.count(), got)
		}
		if st := b.standing(); !st.ProvenAsOf.IsZero() || st.DeletesAsOf.After(before.DeletesAsOf) {
			t.Errorf("samples prove the copy as of %s, its deletes as of %s", st.ProvenAsOf, st.DeletesAsOf)
		}
	},
	"a sample proves nothing of the whole": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 20)...)
		b.Age(time.Hour)
		c := syncer.Comparison{Compare: syncer.CompareSample, Samples: 2, Persist: time.Minute}
		if got := b.audit(c, crowd(1, 20)...); got.Found() != 0 || got.Suspects != 0 || !got.Proven.IsZero() {
			t.Errorf("the sample found %+v", got)
		}
		st := b.standing()
		if !st.ProvenAsOf.IsZero() || time.Since(st.DeletesAsOf) < 59*time.Minute {
			t.Errorf("a sample proves the copy as of %s, its deletes as of %s", st.ProvenAsOf, st.DeletesAsOf)
		}
		near(t, "Audited", st.Audited, time.Now())
	},
	"the audit of a partition leaves the others alone": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		w := b.walk(syncer.Resync, "n")
		w.Partition = north
		b.apply(w, in("north", person("1", "Ada", "00:01")), in("north", person("2", "Bo", "00:01")))
		b.settle(w, syncer.End{Listed: true})
		w.ID, w.Partition = "s", south
		b.apply(w, in("south", person("3", "Cy", "00:01")))
		b.settle(w, syncer.End{Listed: true})
		b.Age(time.Hour)
		before := b.standingOf(south)
		for _, want := range []syncer.Audited{{Compared: 1, Suspects: 1}, {Compared: 1, Extra: 1, Repaired: 1}} {
			w := b.auditing(repairs, north)
			b.apply(w, in("north", person("1", "Ada", "00:01")))
			b.found(b.audited(w), want)
			b.Age(2 * time.Minute)
		}
		b.want("1 Ada 00:01", "3 Cy 00:01")
		st := b.standingOf(south)
		near(t, "Audited of the south", st.Audited, before.Audited.Add(-4*time.Minute))
		if !st.ProvenAsOf.IsZero() || b.standingOf(north).ProvenAsOf.IsZero() {
			t.Errorf("south is proven as of %s", st.ProvenAsOf)
		}
		if s := b.status(); !s.ProvenAsOf.IsZero() || s.Found != 1 || s.Left != 0 {
			t.Errorf("the view tells %d found, %d left, proven as of %s", s.Found, s.Left, s.ProvenAsOf)
		}
	},
}

// deletesScenarios are of tables whose deletions only lists tell of.
var deletesScenarios = map[string]func(*testing.T, *bench){
	"changes leave the delete as-of, lists move it": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		near(t, "DeletesAsOf after the first copy", b.standing().DeletesAsOf, time.Now())
		b.Age(time.Hour)
		s := b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		st := b.standing()
		near(t, "AsOf after changes", st.AsOf, time.Now())
		near(t, "DeletesAsOf after changes", st.DeletesAsOf, time.Now().Add(-time.Hour))
		near(t, "Settled.DeletesAsOf after changes", s.DeletesAsOf, time.Now().Add(-time.Hour))
		b.audit(looks, crowd(1, 3)...)
		near(t, "DeletesAsOf after an audit", b.standing().DeletesAsOf, time.Now())
		b.Age(time.Hour)
		b.list(syncer.Resync, "w1", crowd(1, 3)...)
		near(t, "DeletesAsOf after a resync", b.standing().DeletesAsOf, time.Now())
	},
	"a resync proves deletes as of its own start, whatever changes came beside it": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		b.Age(time.Hour)
		w := b.begin(syncer.Resync, "w1")
		w.Sent = w.Sent.Add(-30 * time.Minute)
		b.apply(w, crowd(1, 3)...)
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		b.settle(w, syncer.End{Listed: true})
		st := b.standing()
		near(t, "AsOf", st.AsOf, time.Now())
		near(t, "DeletesAsOf", st.DeletesAsOf, time.Now().Add(-30*time.Minute))
	},
	"a suspect extra row holds the delete as-of where it was known to be there": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		b.Age(time.Hour)
		b.audit(looks, crowd(1, 3)...)
		b.Age(time.Hour)
		b.audit(looks, crowd(1, 2)...)
		near(t, "DeletesAsOf while a row is suspect", b.standing().DeletesAsOf, time.Now().Add(-time.Hour))
		b.Age(time.Hour)
		b.audit(looks, crowd(1, 2)...)
		near(t, "DeletesAsOf while a row is extra", b.standing().DeletesAsOf, time.Now().Add(-2*time.Hour))
		b.audit(repairs, crowd(1, 2)...)
		near(t, "DeletesAsOf after the repair", b.standing().DeletesAsOf, time.Now())
	},
	"the view holds deletions against their own budget": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		for _, step := range []struct {
			wait   time.Duration
			level  syncer.Level
			reason string
		}{{23 * time.Hour, syncer.Fresh, ""}, {2 * time.Hour, syncer.Critical, "deletes are not proven since"}} {
			b.Age(step.wait)
			b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
			s, st := b.status(), b.standing()
			if s.Level != step.level || !strings.HasPrefix(s.Reason, step.reason) || step.reason == "" && s.Reason != "" {
				t.Errorf("level is %q, %q; want %q, %q", s.Level, s.Reason, step.level, step.reason)
			}
			if f := syncer.Judge(st, b.spec.Budget, time.Now()); f.Level != s.Level {
				t.Errorf("judged %q, the view says %q", f.Level, s.Level)
			}
			near(t, "AsOf", s.AsOf, time.Now())
			near(t, "the view's DeletesAsOf", s.DeletesAsOf, st.DeletesAsOf)
			if s.Staleness > time.Minute {
				t.Errorf("staleness is %s", s.Staleness)
			}
		}
		b.audit(looks, crowd(1, 3)...)
		if s := b.status(); s.Level != syncer.Fresh || s.Reason != "" {
			t.Errorf("level after an audit is %q, %q", s.Level, s.Reason)
		}
	},
	"what is accepted proves deletes as of the list that missed it, samples or not": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 50)...)
		b.Age(time.Hour)
		b.list(syncer.Resync, "w1", crowd(1, 30)...)
		near(t, "DeletesAsOf while rows are held", b.standing().DeletesAsOf, time.Now().Add(-time.Hour))
		b.Age(time.Hour)
		b.audit(syncer.Comparison{Compare: syncer.CompareSample, Samples: 40, Persist: time.Minute}, crowd(1, 30)...)
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 20})
		near(t, "DeletesAsOf after the accept", b.standing().DeletesAsOf, time.Now().Add(-time.Hour))
	},
	"what is accepted leaves the delete as-of where a suspect holds it": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 50)...)
		b.Age(time.Hour)
		b.list(syncer.Resync, "w1", crowd(1, 30)...)
		b.Age(time.Hour)
		b.audit(looks, crowd(1, 29)...)
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 20})
		near(t, "DeletesAsOf", b.standing().DeletesAsOf, time.Now().Add(-time.Hour))
	},
	"a row that is missing only from the copy holds nothing": func(t *testing.T, b *bench) {
		b.proveDeletes(24 * time.Hour)
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		b.Age(time.Hour)
		if got := b.audit(looks, crowd(1, 5)...); got.Suspects != 2 {
			t.Errorf("the audit found %+v", got)
		}
		near(t, "DeletesAsOf", b.standing().DeletesAsOf, time.Now())
	},
}

// heldScenarios are of what a held deletion says of the delete as-of.
var heldScenarios = map[string]func(*testing.T, *bench){
	"what an audit holds takes the delete as-of back to where it is proven": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Target, s.Guard = "held", syncer.Guard{Share: 0.01} })
		b.list(syncer.Resync, "w0", crowd(1, 4)...)
		b.Age(10 * time.Minute)
		b.settle(b.walk(syncer.Changes, "c0"), syncer.End{Watermark: "1"})
		b.audit(repairs, person("1", "x", "00:01"))
		b.Age(2 * time.Minute)
		b.settle(b.walk(syncer.Changes, "c1"), syncer.End{Watermark: "2"})
		near(t, "DeletesAsOf before anything counts", b.standing().DeletesAsOf, time.Now())
		if got := b.audit(repairs, person("1", "x", "00:01")); got.Held != 3 {
			t.Fatalf("the audit found %+v", got)
		}
		b.settle(b.walk(syncer.Changes, "c2"), syncer.End{Watermark: "3"})
		near(t, "DeletesAsOf while rows are held", b.standing().DeletesAsOf, time.Now().Add(-12*time.Minute))
		near(t, "AsOf while rows are held", b.standing().AsOf, time.Now())
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 3})
		near(t, "DeletesAsOf after they are accepted", b.standing().DeletesAsOf, time.Now())
	},
}

// proveDeletes gives the table a budget for deletions that only lists tell of.
func (b *bench) proveDeletes(budget time.Duration) {
	b.t.Helper()
	spec := b.spec
	spec.Budget.Deletes = budget
	b.use(spec)
}
