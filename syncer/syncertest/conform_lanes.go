package syncertest

import (
	"errors"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// lanesScenarios are of walks for changes that go on beside a listing walk.
var lanesScenarios = map[string]func(*testing.T, *bench){
	"a key that changes beside a resync belongs to the change, not to the list": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"), person("4", "Di", "00:01"))
		w := b.begin(syncer.Resync, "w1")
		if a := b.changes(person("1", "updated", "00:05"), tombstone("2", "00:05"), person("3", "Cy", "00:01"), person("5", "inserted", "00:05")); a.Updated != 1 || a.Deleted != 1 || a.Unchanged != 1 || a.Inserted != 1 {
			t.Errorf("the changes counted %+v", a)
		}
		a := b.apply(w, person("1", "listed", "00:05"), person("2", "listed", "00:05"), person("3", "listed", "00:01"), person("4", "listed", "00:06"))
		if a != (syncer.Applied{Updated: 1, Unchanged: 3}) {
			t.Errorf("the list counted %+v", a)
		}
		want := []string{"1 updated 00:05", "3 Cy 00:01", "4 listed 00:06", "5 inserted 00:05"}
		b.want(want...)
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 0 || s.Waiting != 0 || s.Held != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want(want...)
	},
	"a deletion that is told before the list comes to the key stands": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w1")
		b.changes(tombstone("1", "00:05"), tombstone("2", ""))
		b.apply(w, person("1", "listed", "00:01"), person("2", "listed", "00:01"), person("3", "Cy", "00:01"))
		b.settle(w, syncer.End{Listed: true})
		b.want("3 Cy 00:01")
	},
	"a key that the list had before it changed stays the change's": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "listed", "00:01"), person("2", "listed", "00:01"))
		b.changes(person("1", "changed", "00:05"), tombstone("2", "00:05"))
		b.apply(w, person("1", "listed again", "00:05"), person("2", "listed again", "00:05"), person("3", "Cy", "00:01"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 changed 00:05", "3 Cy 00:01")
	},
	"a tombstone in the list of a key that changed is left alone": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "changed", "00:05"))
		b.apply(w, tombstone("1", ""), person("2", "Bo", "00:01"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 changed 00:05", "2 Bo 00:01")
	},
	"a change that loses against a newer row does not take the key": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"), person("2", "Bo", "00:05"), person("3", "Cy", "00:05"), person("4", "Di", "00:05"))
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "late", "00:03"), tombstone("2", "00:03"), person("3", "late", "00:03"))
		b.apply(w, person("1", "restored", "00:02"), person("2", "restored", "00:02"), person("4", "Di", "00:05"))
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 restored 00:02", "2 restored 00:02", "4 Di 00:05")
	},
	"a change that does not fit takes the key, and stays in quarantine": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:05"), person("2", "Bo", "00:05"), person("3", "Cy", "00:05"), person("4", "Di", "00:05"))
		w := b.begin(syncer.Resync, "w1")
		b.changes(misfit("1"), misfit("2"), misfit("4"))
		b.apply(w, person("1", "listed", "00:04"), person("3", "Cy", "00:05"), person("4", "newer than the row", "00:06"))
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:05", "2 Bo 00:05", "3 Cy 00:05", "4 newer than the row 00:06")
		b.quarantined(3)
	},
	"what does not fit in the list is no news of a key that changed": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "good", "00:05"))
		if a := b.apply(w, misfit("1"), misfit("2"), person("3", "Cy", "00:01")); a.Quarantined != 1 {
			t.Errorf("the list counted %+v", a)
		}
		b.settle(w, syncer.End{Listed: true})
		b.want("1 good 00:05", "3 Cy 00:01")
		b.quarantined(1)
	},
	"what the list has newer than the change is written": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 6)...)
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "changed", "00:05"), person("2", "changed", "00:05"), tombstone("3", "00:05"), tombstone("4", ""), person("5", "changed", "00:05"), person("6", "changed", "00:05"))
		a := b.apply(w, person("1", "newer", "00:06"), tombstone("2", "00:06"), person("3", "newer", "00:06"), person("4", "nobody knows", "00:06"), tombstone("5", ""), tombstone("6", "00:04"))
		if a != (syncer.Applied{Updated: 1, Deleted: 1, Inserted: 1, Unchanged: 1}) {
			t.Errorf("the list counted %+v", a)
		}
		want := []string{"1 newer 00:06", "3 newer 00:06", "5 changed 00:05", "6 changed 00:05"}
		b.want(want...)
		b.apply(w, person("1", "older again", "00:04"), person("2", "older again", "00:04"), person("3", "older again", "00:05"))
		b.settle(w, syncer.End{Listed: true})
		b.want(want...)
	},
	"without versions a key that changed is never the list's": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Target, s.Version = "versionless", -1 })
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "changed", "00:05"), tombstone("2", "00:05"))
		b.apply(w, person("1", "listed", "00:06"), person("2", "listed", "00:06"), tombstone("1", "00:07"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 changed 00:05")
	},
	"an audit leaves a key that changed alone, however new its list is": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		c := repairs
		c.Persist = 0
		b.audit(c, person("1", "other", "00:09"))
		w := b.auditing(c, syncer.Partition{})
		b.changes(person("1", "changed", "00:05"))
		b.apply(w, person("1", "other", "00:09"))
		b.found(b.audited(w), syncer.Audited{})
		b.want("1 changed 00:05")
	},
	"a row that moves to another partition is not brought back by the list of the first": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("moving", north, south)
		b.fill(north, 1, 3)
		w := b.walk(syncer.Resync, "w1")
		w.Partition = north
		b.open(w)
		c := b.walk(syncer.Changes, "c")
		c.Partition = south
		b.apply(c, in("south", person("1", "moved", "00:05")), in("south", tombstone("2", "00:05")), in("south", tombstone("3", "")))
		// Fetched before the move, applied after it. That 3 is gone from the south
		// says nothing of the north.
		b.apply(w, in("north", person("1", "x", "00:01")), in("north", person("2", "x", "00:01")), in("north", person("3", "x", "00:01")))
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 0 || s.Held != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 moved 00:05", "3 x 00:01")
	},
	"what changed before the list began is the list's": func(t *testing.T, b *bench) {
		b.apply(b.begin(syncer.Resync, "cut off"), person("3", "Cy", "00:01"))
		b.changes(person("1", "changed", "00:05"), person("2", "changed", "00:05"))
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "restored", "00:01"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 restored 00:01")
	},
	"changes beside no list are not noted for the next": func(t *testing.T, b *bench) {
		b.changes(person("1", "changed", "00:05"))
		b.list(syncer.Resync, "w1", person("1", "listed", "00:01"))
		b.changes(person("2", "changed", "00:05"))
		b.list(syncer.Resync, "w2", person("1", "listed", "00:01"))
		b.want("1 listed 00:01")
	},
	"notes that were opened hold a list without records": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		w := b.begin(syncer.Resync, "w1")
		b.changes(person("1", "changed", "00:05"))
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 2 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 changed 00:05")
	},
	"opening the notes without a batch moves no resume": func(t *testing.T, b *bench) {
		b.stand(b.walk(syncer.Changes, "c"), "at changes")
		b.stand(b.walk(syncer.Resync, "w1"), "at list")
		if _, err := b.table.Apply(t.Context(), b.walk(syncer.Resync, "w2"), nil); err != nil {
			t.Fatal(err)
		}
		if st := b.standing(); st.Position.Resume == nil || st.Position.Resume.Cursor != "at changes" || st.Listing == nil || st.Listing.Cursor != "at list" {
			t.Errorf("resumes are %+v and %+v", st.Position.Resume, st.Listing)
		}
	},
	"opening the notes by a batch of nothing leaves no place of an older list": func(t *testing.T, b *bench) {
		b.stand(b.walk(syncer.Changes, "c"), "at changes")
		b.stand(b.walk(syncer.Resync, "w1"), "at list")
		b.begin(syncer.Resync, "w2")
		if st := b.standing(); st.Position.Resume == nil || st.Position.Resume.Cursor != "at changes" || st.Listing != nil {
			t.Errorf("resumes are %+v and %+v", st.Position.Resume, st.Listing)
		}
	},
	"a walk for changes settles and leaves what is the listing's": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "Ada", "00:01"))
		b.stand(w, "half")
		c := b.walk(syncer.Changes, "c")
		b.apply(c, person("2", "changed", "00:05"))
		b.stand(c, "page 2")
		b.settle(c, syncer.End{Watermark: "C"})
		st := b.standing()
		if st.Listing == nil || st.Listing.Cursor != "half" || !st.Resync || st.Position.Watermark != "C" || st.Position.Resume != nil {
			t.Errorf("standing is %+v", st)
		}
		if s := b.settle(w, syncer.End{Listed: true}); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01", "2 changed 00:05")
		if b.standing().Resync {
			t.Error("the resync did not end")
		}
	},
	"a walk for changes that fails leaves the listing": func(t *testing.T, b *bench) {
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.stand(w, "half")
		b.fail(b.walk(syncer.Changes, "c"), syncer.ClassHTTP5xx, "owner answers 503")
		b.fail(b.walk(syncer.Changes, "c"), syncer.ClassMisfit, "nothing fits")
		if l := b.standing().Listing; l == nil || l.Cursor != "half" {
			t.Errorf("the listing goes on from %+v", l)
		}
		b.settle(w, syncer.End{Listed: true})
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
	"both places to go on from survive, misfits clear that of their walk": func(t *testing.T, b *bench) {
		c, w := b.walk(syncer.Changes, "c"), b.begin(syncer.Resync, "w1")
		both := func(when, changes, listing string) {
			t.Helper()
			cursor := func(r *syncer.Resume) string {
				if r == nil {
					return ""
				}
				return string(r.Kind) + " " + r.Walk + " " + r.Cursor
			}
			st := b.standing()
			if got := cursor(st.Position.Resume); got != changes {
				t.Errorf("%s: changes go on from %q, want %q", when, got, changes)
			}
			if got := cursor(st.Listing); got != listing {
				t.Errorf("%s: the listing goes on from %q, want %q", when, got, listing)
			}
		}
		b.stand(c, "c1")
		b.stand(w, "l1")
		both("applied", "changes c c1", "resync w1 l1")
		b.Age(time.Minute)
		near(t, "Sent of changes", b.standing().Position.Resume.Sent, time.Now().Add(-time.Minute))
		near(t, "Sent of the listing", b.standing().Listing.Sent, time.Now().Add(-time.Minute))
		b.fail(w, syncer.ClassHTTP5xx, "owner answers 503")
		both("failed", "changes c c1", "resync w1 l1")
		b.fail(w, syncer.ClassMisfit, "nothing fits")
		both("misfits in the list", "changes c c1", "")
		b.stand(w, "l2")
		b.fail(c, syncer.ClassMisfit, "nothing fits")
		both("misfits in the changes", "", "resync w1 l2")
		b.stand(c, "c2")
		b.settle(w, syncer.End{Watermark: "W"})
		both("the resync ended", "", "")
	},
	"a resync's end sets its own watermark, and as-of never goes back": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0"})
		w := b.begin(syncer.Resync, "w1")
		w.Sent = time.Now().Add(-time.Hour)
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		s := b.settle(w, syncer.End{Watermark: "W1", Listed: true})
		st := b.standing()
		if st.Position.Watermark != "W1" {
			t.Errorf("watermark is %q", st.Position.Watermark)
		}
		near(t, "Settled.AsOf", s.AsOf, time.Now())
		near(t, "AsOf", st.AsOf, time.Now())
		near(t, "DeletesAsOf", st.DeletesAsOf, time.Now())
		near(t, "Audited", st.Audited, w.Sent)
	},
	"a column that was added is covered by a resync, not by changes": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0"})
		b.stand(b.begin(syncer.Resync, "w1"), "half")
		spec := b.spec
		spec.Shape = syncer.Shape("source", []string{"id", "name", "updated_at", "region", "email"})
		b.use(spec)
		if st := b.standing(); !st.Resync || st.Position.Watermark != "W0" || st.Listing != nil {
			t.Errorf("standing is %+v", st)
		}
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		if st := b.standing(); !st.Resync || st.Position.Watermark != "C" {
			t.Errorf("after changes: %+v", st)
		}
		w := b.begin(syncer.Resync, "w2")
		b.stand(w, "third")
		if st := b.standing(); st.Listing == nil || st.Listing.Cursor != "third" {
			t.Errorf("the resync under the new shape goes on from %+v", st.Listing)
		}
		b.settle(w, syncer.End{Watermark: "W2", Listed: true})
		if st := b.standing(); st.Resync || st.Position.Watermark != "W2" || st.Position.Shape != spec.Shape {
			t.Errorf("after the resync: %+v", st)
		}
	},
	"another source voids everything that goes on": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0", Epoch: "E"})
		b.stand(b.begin(syncer.Resync, "w1"), "half")
		b.stand(b.walk(syncer.Changes, "c"), "page 2")
		spec := b.spec
		spec.Shape = syncer.Shape("another source", []string{"id"})
		b.use(spec)
		if st := b.standing(); !st.Resync || st.Position != (syncer.Position{}) || st.Listing != nil {
			t.Errorf("standing is %+v", st)
		}
	},
	"an ordered resync keeps what changes need, and starts its list again": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0", Epoch: "E", Validator: "V"})
		b.stand(b.begin(syncer.Resync, "w1"), "half")
		b.stand(b.walk(syncer.Changes, "c"), "page 2")
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		st := b.standing()
		if p := st.Position; !st.Resync || st.Listing != nil || p.Watermark != "W0" || p.Epoch != "E" || p.Validator != "" || p.Resume == nil || p.Resume.Cursor != "page 2" {
			t.Errorf("standing is %+v, changes go on from %+v", st, p.Resume)
		}
		b.stand(b.begin(syncer.Resync, "w2"), "third")
		if st := b.standing(); st.Listing == nil || st.Listing.Cursor != "third" {
			t.Errorf("the ordered resync goes on from %+v", st.Listing)
		}
	},
	"a resync may leave the position to the changes beside it": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0", Epoch: "E0"})
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		w := b.begin(syncer.Resync, "w1")
		b.apply(w, person("1", "Ada", "00:01"))
		b.stand(w, "half")
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C", Epoch: "E1", Validator: "V"})
		b.stand(b.walk(syncer.Changes, "c2"), "page 2")
		w.Sent = time.Now().Add(-time.Hour)
		before := b.standing().Position
		s, err := b.table.Settle(t.Context(), w, syncer.Settlement{KeepPosition: true, End: &syncer.End{Watermark: "W1", Epoch: "E0", Validator: "L", Listed: true}})
		if err != nil {
			t.Fatal(err)
		}
		st := b.standing()
		if p := st.Position; p.Watermark != "C" || p.Epoch != "E1" || p.Validator != before.Validator || p.Resume == nil || p.Resume.Cursor != "page 2" {
			t.Errorf("the position is %+v, was %+v", p, before)
		}
		if st.Resync || st.Listing != nil {
			t.Errorf("the resync did not end: %+v", st)
		}
		near(t, "Audited", st.Audited, w.Sent)
		near(t, "AsOf", s.AsOf, time.Now())
	},
	"an end of changes does not clear what a resync failed of": func(t *testing.T, b *bench) {
		b.fail(b.walk(syncer.Changes, "c1"), syncer.ClassDNS, "no such host")
		b.settle(b.walk(syncer.Changes, "c2"), syncer.End{Watermark: "C2"})
		if s := b.status(); s.Class != "" {
			t.Errorf("status tells %q after a good poll", s.Error)
		}
		b.fail(b.walk(syncer.Resync, "w1"), syncer.ClassHTTP5xx, "owner answers 503")
		b.settle(b.walk(syncer.Changes, "c3"), syncer.End{Watermark: "C3"})
		if s := b.status(); s.Class != syncer.ClassHTTP5xx || s.Error != "owner answers 503" || s.FailingSince.IsZero() {
			t.Errorf("status tells %q %q", s.Class, s.Error)
		}
		b.settle(b.walk(syncer.Resync, "w2"), syncer.End{Watermark: "W2", Listed: true})
		if s := b.status(); s.Class != "" || s.Error != "" || !s.FailingSince.IsZero() {
			t.Errorf("a good resync leaves %q %q", s.Class, s.Error)
		}
		b.fail(b.walk(syncer.Changes, "c4"), syncer.ClassDNS, "no such host")
		b.settle(b.walk(syncer.Resync, "w3"), syncer.End{Watermark: "W3", Listed: true})
		if s := b.status(); s.Class != "" {
			t.Errorf("a good resync leaves %q of the changes", s.Error)
		}
	},
	"the epoch is kept with the watermark": func(t *testing.T, b *bench) {
		for i, step := range []struct {
			kind      syncer.WalkKind
			end, want string
		}{{syncer.Resync, "E1", "E1"}, {syncer.Changes, "", "E1"}, {syncer.Changes, "E2", "E2"}, {syncer.Resync, "E3", "E3"}, {syncer.Resync, "", ""}} {
			b.settle(b.walk(step.kind, "w"), syncer.End{Watermark: "W", Epoch: step.end, Listed: true})
			if got := b.standing().Position.Epoch; got != step.want {
				t.Errorf("step %d: epoch after a %s that tells %q is %q, want %q", i+1, step.kind, step.end, got, step.want)
			}
		}
	},
	"changes beside a list whose notes are lost sweep nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		w := b.begin(syncer.Resync, "w1")
		b.stand(w, "half")
		b.changes(person("1", "changed", "00:05"))
		b.LoseNotes()
		if _, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true}}); !errors.Is(err, syncer.ErrListLost) {
			t.Errorf("settle: %v, want ErrListLost", err)
		}
		b.want("1 changed 00:05", "2 Bo 00:01")
		if l := b.standing().Listing; l != nil {
			t.Errorf("the list goes on from %+v", l)
		}
		w = b.begin(syncer.Resync, "w2")
		b.apply(w, person("1", "listed", "00:02"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 listed 00:02")
	},
}
