package syncertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// agree draws what happens to a table and compares it with the one in memory
// after every step. Each history has a table of its own in one database.
func agree(t *testing.T, open func(t *testing.T) Harness) {
	real, model := newBench(t, open(t), people()), newBench(t, MemoryHarness(), people())
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		a := &agreement{T: rt, t: t, real: real, model: model, spec: drawSpec(rt, fmt.Sprint("people", run))}
		a.begin()
		for a.step = range rapid.IntRange(1, 16).Draw(rt, "steps") {
			a.happen()
			a.compare()
		}
	})
}

// agreement is a history that two tables have in common. Time passes in leaps
// of its own, far longer than a history lasts, so that both clocks agree on
// what is old enough.
type agreement struct {
	*rapid.T
	t           *testing.T
	real, model *bench
	spec        row.Spec
	step        int
	// parts are the partitions there are; a listing walk is under way of those
	// that listing has.
	parts   []syncer.Partition
	listing map[string]*syncer.Walk
	// had are the keys that listing walks have had.
	had map[string]bool
}

// leap is longer than differences must last to count and than half of what
// deleted keys are remembered.
const leap = 100 * time.Second

func drawSpec(rt *rapid.T, target string) row.Spec {
	one := func(name string, in int) bool { return rapid.IntRange(1, in).Draw(rt, name) == in }
	spec := people()
	spec.Target = target
	spec.Confirm = rapid.IntRange(1, 2).Draw(rt, "confirm")
	spec.Guard = syncer.Guard{Share: 0.5, Floor: rapid.IntRange(0, 3).Draw(rt, "floor")}
	spec.Keep, spec.Partial = one("keep", 8), one("partial", 4)
	if one("where", 4) {
		spec.Where = unless("b")
	}
	if !spec.Keep && one("mark", 3) {
		spec = marking(spec)
	}
	if one("deletes", 2) {
		spec.Budget.Deletes = 24 * time.Hour
	}
	if one("versionless", 8) {
		spec.Version = -1
	}
	if one("changing", 3) {
		spec.Changing, spec.Partitions = true, nil
	}
	return spec
}

func (a *agreement) begin() {
	a.listing, a.had = make(map[string]*syncer.Walk), make(map[string]bool)
	a.real.use(a.spec)
	a.model.use(a.spec)
	a.parts = a.spec.Partitions
	if a.spec.Changing {
		a.repartition()
	}
}

// happen does one thing to both tables.
func (a *agreement) happen() {
	kinds := []string{"changes", "changes", "changes", "list", "list", "list", "finish", "finish", "leap", "snapshot", "accept", "fail"}
	if a.spec.Changing {
		kinds = append(kinds, "repartition")
	}
	kind := rapid.SampledFrom(kinds).Draw(a.T, "step")
	switch {
	case kind == "leap":
		a.leap()
	case kind == "accept":
		a.accept()
	case kind == "repartition" || len(a.parts) == 0:
		a.repartition()
	default:
		a.walk(kind, rapid.SampledFrom(a.parts).Draw(a.T, "partition"))
	}
}

func (a *agreement) walk(kind string, p syncer.Partition) {
	under := a.listing[p.Name]
	switch {
	case kind == "snapshot" && under == nil:
		w := a.newWalk(syncer.Snapshot, p)
		for range rapid.IntRange(0, 2).Draw(a.T, "applies") {
			a.apply(w)
		}
		a.settle(w)
	case kind == "changes":
		w := a.newWalk(syncer.Changes, p)
		for range rapid.IntRange(1, 2).Draw(a.T, "applies") {
			a.apply(w)
		}
		if rapid.Bool().Draw(a.T, "end") {
			a.settle(w)
		}
	case under == nil:
		a.open(p)
	case kind == "finish":
		a.settle(*under)
		delete(a.listing, p.Name)
	case kind == "fail":
		class := rapid.SampledFrom([]syncer.Class{syncer.ClassHTTP5xx, syncer.ClassMisfit}).Draw(a.T, "class")
		a.real.fail(*under, class, "drawn")
		a.model.fail(*under, class, "drawn")
		a.Logf("%s fails of %s", under.ID, class)
		if class == syncer.ClassMisfit { // it starts again
			delete(a.listing, p.Name)
		}
	default:
		a.apply(*under)
	}
}

func (a *agreement) newWalk(kind syncer.WalkKind, p syncer.Partition) syncer.Walk {
	return syncer.Walk{ID: fmt.Sprint(kind, " ", a.step), Kind: kind, Partition: p, Sent: time.Now()}
}

// open begins a listing walk.
func (a *agreement) open(p syncer.Partition) {
	kind := rapid.SampledFrom([]syncer.WalkKind{syncer.Resync, syncer.Audit, syncer.Audit}).Draw(a.T, "kind")
	w := a.newWalk(kind, p)
	if kind == syncer.Audit {
		w.Audit = &syncer.Comparison{
			Compare: rapid.SampledFrom([]syncer.Compare{syncer.CompareAll, syncer.CompareAll, syncer.CompareKeys, syncer.CompareSample}).Draw(a.T, "compare"),
			Sample:  rapid.IntRange(0, 1).Draw(a.T, "sample"), Samples: 2,
			Persist: leap - 10*time.Second, Repair: rapid.Bool().Draw(a.T, "repair"),
		}
	}
	a.listing[p.Name] = &w
	a.Logf("%s of %s opens, compares %+v", w.ID, p, w.Audit)
	for _, b := range []*bench{a.model, a.real} {
		if _, err := b.table.Apply(a.t.Context(), w, []*syncer.Batch{{}}); err != nil {
			a.Fatalf("open the notes: %v", err)
		}
	}
}

func (a *agreement) apply(w syncer.Walk) {
	var batches []*syncer.Batch
	for range rapid.IntRange(1, 2).Draw(a.T, "batches") {
		batch := &syncer.Batch{}
		for range rapid.IntRange(0, 6).Draw(a.T, "records") {
			if r := a.record(w.Partition); a.once(w, r) {
				batch.Records = append(batch.Records, r)
			}
		}
		if rapid.Bool().Draw(a.T, "resumable") {
			batch.Resume = &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: fmt.Sprint(a.step)}
		}
		batches = append(batches, batch)
	}
	a.Logf("%s of %s: %s", w.ID, w.Partition, short(batches))
	want, err1 := a.model.table.Apply(a.t.Context(), w, batches)
	got, err2 := a.real.table.Apply(a.t.Context(), w, batches)
	if err1 != nil || err2 != nil {
		a.Fatalf("apply: model %v, real %v", err1, err2)
	}
	if want.Inserted != got.Inserted || want.Deleted != got.Deleted || want.Updated != got.Updated || want.Quarantined != got.Quarantined {
		a.Fatalf("counted %+v, want %+v", got, want)
	}
}

func (a *agreement) settle(w syncer.Walk) {
	s := syncer.Settlement{End: &syncer.End{Watermark: fmt.Sprint(a.step), Listed: true, Validator: "V",
		Epoch: rapid.SampledFrom([]string{"", "E", "F"}).Draw(a.T, "epoch")}}
	if a.spec.Version >= 0 && rapid.IntRange(1, 3).Draw(a.T, "floored") == 3 {
		s.End.Floor = person("", "", fmt.Sprintf("00:0%d", rapid.IntRange(0, 9).Draw(a.T, "begins"))).Slots[2]
	}
	a.Logf("%s of %s settles a list from %s", w.ID, w.Partition, s.End.Floor)
	want, err1 := a.model.table.Settle(a.t.Context(), w, s)
	got, err2 := a.real.table.Settle(a.t.Context(), w, s)
	if err1 != nil || err2 != nil {
		a.Fatalf("settle: model %v, real %v", err1, err2)
	}
	if want.Swept != got.Swept || want.Held != got.Held || want.Waiting != got.Waiting {
		a.Fatalf("settled %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(want.Audit, got.Audit, about); diff != "" {
		a.Fatalf("the audit found (-model +real):\n%s", diff)
	}
}

// once reports whether a list that is audited has not had the record's key yet.
// How often a key counts that it has twice is not laid down.
func (a *agreement) once(w syncer.Walk, r syncer.Record) bool {
	key := w.ID + " " + w.Partition.Name + " " + string(r.Slots[0])
	if w.Kind != syncer.Audit || !a.had[key] {
		a.had[key] = true
		return true
	}
	return false
}

// accept lets held rows go, as many as are held or fewer. Whether there is
// anything to accept where none are held is not laid down.
func (a *agreement) accept() {
	if a.model.status().Held == 0 {
		return
	}
	o := syncer.Order{Kind: syncer.OrderAccept, Deletes: rapid.IntRange(0, 8).Draw(a.T, "deletes")}
	_, err1 := a.model.table.Obey(a.t.Context(), o)
	_, err2 := a.real.table.Obey(a.t.Context(), o)
	a.Logf("accept %d: %v", o.Deletes, err1)
	if (err1 == nil) != (err2 == nil) {
		a.Fatalf("accept: model %v, real %v", err1, err2)
	}
}

func (a *agreement) leap() {
	a.Logf("time passes")
	a.model.Age(leap)
	a.real.Age(leap)
	for _, w := range a.listing {
		w.Sent = w.Sent.Add(-leap)
	}
}

func (a *agreement) repartition() {
	a.parts = nil
	for _, name := range []string{"a", "b", "c"} {
		if rapid.IntRange(0, 3).Draw(a.T, name) > 0 {
			a.parts = append(a.parts, region(name))
		}
	}
	a.Logf("partitions are %v", a.parts)
	for name := range a.listing {
		if !slices.ContainsFunc(a.parts, func(p syncer.Partition) bool { return p.Name == name }) {
			delete(a.listing, name)
		}
	}
	for _, b := range []*bench{a.model, a.real} {
		if err := b.table.Repartition(a.t.Context(), a.parts, time.Now()); err != nil {
			a.Fatalf("repartition: %v", err)
		}
	}
}

// record draws a record of a partition; each partition has keys of its own.
func (a *agreement) record(p syncer.Partition) syncer.Record {
	rt := a.T
	first, at := 1, ""
	if p.Name != "" {
		first += 100 * int(regionOf(p)[0]-'a')
	}
	id := fmt.Sprint(first + rapid.IntRange(0, 7).Draw(rt, "id"))
	if n := rapid.IntRange(0, 9).Draw(rt, "at"); n > 0 {
		at = fmt.Sprintf("00:%02d", n)
	}
	r := person(id, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), at)
	switch rapid.IntRange(0, 9).Draw(rt, "form") {
	case 0:
		r.Slots[1] = []byte(`{}`)
	case 1, 2:
		r = tombstone(id, at)
	case 3:
		r.Slots[rapid.IntRange(1, 2).Draw(rt, "absent")] = nil
	}
	if p.Name != "" {
		r = in(regionOf(p), r)
	}
	return r
}

// compare holds all that can be seen of the two tables against each other.
func (a *agreement) compare() {
	columns := []string{"id", "name", "updated_at", "region"}
	if diff := cmp.Diff(sorted(a.model.live(columns...)), sorted(a.real.live(columns...))); diff != "" {
		a.Fatalf("rows differ (-model +real):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(a.model.dead()), sorted(a.real.dead())); diff != "" {
		a.Fatalf("marked rows differ (-model +real):\n%s", diff)
	}
	want, got := a.model.status(), a.real.status()
	if want.Quarantined != got.Quarantined || want.Rows != got.Rows || want.Held != got.Held || want.Found != got.Found || want.Left != got.Left {
		a.Fatalf("status tells quarantined %d, rows %d, held %d, found %d, left %d; want %d, %d, %d, %d, %d",
			got.Quarantined, got.Rows, got.Held, got.Found, got.Left, want.Quarantined, want.Rows, want.Held, want.Found, want.Left)
	}
	if want.Level != got.Level || (want.AuditError == "") != (got.AuditError == "") || (want.Class == "") != (got.Class == "") {
		a.Fatalf("status tells %s, %q, of audits %q; want %s, %q, %q", got.Level, got.Class, got.AuditError, want.Level, want.Class, want.AuditError)
	}
	for _, p := range a.parts {
		if diff := cmp.Diff(a.model.standingOf(p), a.real.standingOf(p), about); diff != "" {
			a.Fatalf("standing of %s differs (-model +real):\n%s", p, diff)
		}
	}
}

// about compares instants of two clocks, which agree but for how long a history
// lasts.
var about = cmp.Comparer(func(a, b time.Time) bool {
	d := a.Sub(b)
	return a.IsZero() == b.IsZero() && (a.IsZero() || d < leap/2 && d > -leap/2)
})

// short prints batches so that a failing history can be read.
func short(batches []*syncer.Batch) string {
	var b strings.Builder
	for _, batch := range batches {
		b.WriteString("[")
		for _, r := range batch.Records {
			word, at := string(r.Slots[1]), string(r.Slots[2])
			if r.Gone {
				word = "gone"
			}
			if len(at) > 17 {
				at = at[12:17]
			}
			fmt.Fprintf(&b, " %s=%s@%s", r.Slots[0], word, at)
		}
		b.WriteString(" ]")
	}
	return b.String()
}
