package syncertest

import (
	"errors"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

var settleScenarios = map[string]func(*testing.T, *bench){
	"a partition that was never polled has no position": func(t *testing.T, b *bench) {
		st := b.standing()
		if st.Position != (syncer.Position{}) || !st.AsOf.IsZero() || !st.LastPoll.IsZero() || st.Resync {
			t.Errorf("standing is %+v", st)
		}
		near(t, "FirstSeen", st.FirstSeen, time.Now())
	},
	"as-of is the start of the walk, less lag and age": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Changes, "w1")
		w.Sent = time.Now().Add(-time.Minute)
		s, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Watermark: "W1", Age: 5 * time.Second}, Lag: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		want := time.Now().Add(-75 * time.Second)
		st := b.standing()
		near(t, "Settled.AsOf", s.AsOf, want)
		near(t, "AsOf", st.AsOf, want)
		near(t, "DeletesAsOf", st.DeletesAsOf, want)
		near(t, "LastPoll", st.LastPoll, time.Now())
		if st.Position.Watermark != "W1" || st.Position.Shape != b.spec.Shape {
			t.Errorf("position is %+v", st.Position)
		}
	},
	"as-of never goes back": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W1"})
		w := b.walk(syncer.Changes, "w2")
		w.Sent = time.Now().Add(-time.Hour)
		b.settle(w, syncer.End{Watermark: "W2"})
		near(t, "AsOf", b.standing().AsOf, time.Now())
	},
	"a failure moves nothing and is told": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Changes, "w1")
		b.settle(w, syncer.End{Watermark: "W1", Validator: "V1"})
		b.Age(time.Minute)
		before := b.standing()
		f := &syncer.Failure{Class: syncer.ClassHTTP5xx, Text: "owner answers 503"}
		if _, err := b.table.Settle(t.Context(), b.walk(syncer.Changes, "w2"), syncer.Settlement{Failure: f, Began: time.Now().Add(-30 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		after := b.standing()
		if after.Position != before.Position {
			t.Errorf("position went from %+v to %+v", before.Position, after.Position)
		}
		near(t, "AsOf", after.AsOf, before.AsOf)
		near(t, "LastPoll", after.LastPoll, time.Now())
		s := b.status()
		if s.Class != f.Class || s.Error != f.Text {
			t.Errorf("status tells %q %q", s.Class, s.Error)
		}
		near(t, "FailingSince", s.FailingSince, time.Now().Add(-30*time.Second))
		b.Age(time.Minute)
		if _, err := b.table.Settle(t.Context(), b.walk(syncer.Changes, "w3"), syncer.Settlement{Failure: f}); err != nil {
			t.Fatal(err)
		}
		near(t, "FailingSince after the second", b.status().FailingSince, time.Now().Add(-90*time.Second))
		near(t, "FailingSince of the standing", b.standing().FailingSince, time.Now().Add(-90*time.Second))
		b.settle(b.walk(syncer.Changes, "w4"), syncer.End{Watermark: "W2"})
		if s := b.status(); s.Class != "" || s.Error != "" || !s.FailingSince.IsZero() {
			t.Errorf("a success leaves %q %q", s.Class, s.Error)
		}
		if at := b.standing().FailingSince; !at.IsZero() {
			t.Errorf("after a success the standing tells of failures since %v", at)
		}
	},
	"a walk goes on after a failure, but not behind misfits": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Changes, "w1")
		for _, class := range []syncer.Class{syncer.ClassHTTP5xx, syncer.ClassMisfit} {
			r := &syncer.Resume{Walk: "w1", Kind: syncer.Changes, Sent: w.Sent, Cursor: "c"}
			if _, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Resume: r}}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.table.Settle(t.Context(), w, syncer.Settlement{Failure: &syncer.Failure{Class: class}}); err != nil {
				t.Fatal(err)
			}
			if goesOn := b.standing().Position.Resume != nil; goesOn != (class != syncer.ClassMisfit) {
				t.Errorf("after %s the walk goes on: %v", class, goesOn)
			}
		}
	},
	"an end without a watermark keeps the held one": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W1"})
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{})
		if w := b.standing().Position.Watermark; w != "W1" {
			t.Errorf("watermark is %q", w)
		}
	},
	// What was held may be of a history that the owner has lost.
	"a resync without a watermark keeps none": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W1"})
		b.settle(b.walk(syncer.Resync, "w2"), syncer.End{})
		if w := b.standing().Position.Watermark; w != "" {
			t.Errorf("watermark is still %q", w)
		}
	},
	"not modified moves as-of and nothing else": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Snapshot, "w1")
		b.apply(w, person("1", "Ada", "00:01"))
		b.settle(w, syncer.End{Listed: true, Validator: "V1"})
		b.Age(time.Hour)
		b.settle(b.walk(syncer.Snapshot, "w2"), syncer.End{Listed: true, Unchanged: true, Validator: "V1"})
		b.want("1 Ada 00:01")
		st := b.standing()
		near(t, "AsOf", st.AsOf, time.Now())
		near(t, "DeletesAsOf", st.DeletesAsOf, time.Now())
		if st.Position.Validator != "V1" {
			t.Errorf("validator is %q", st.Position.Validator)
		}
	},
	// The owner may go back to what the validator names, and say "not modified".
	"a walk that wrote and did not end leaves no validator": func(t *testing.T, b *bench) {
		for _, kind := range []syncer.WalkKind{syncer.Snapshot, syncer.Changes} {
			w := b.walk(kind, "whole "+string(kind))
			b.apply(w, person("1", "Ada", "00:01"))
			b.settle(w, syncer.End{Listed: kind.Listing(), Validator: "V"})
			if v := b.standing().Position.Validator; v != "V" {
				t.Errorf("validator after a %s is %q", kind, v)
			}
			cut := b.walk(kind, "cut off "+string(kind))
			b.apply(cut, person("2", "Bo", "00:01"))
			b.fail(cut, syncer.ClassHTTP5xx, "owner answers 503")
			if v := b.standing().Position.Validator; v != "" {
				t.Errorf("validator %q is kept after half a %s", v, kind)
			}
		}
	},
	"settling ends the walk": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Changes, "w1")
		r := &syncer.Resume{Walk: "w1", Kind: syncer.Changes, Sent: w.Sent, Cursor: "c"}
		if _, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Resume: r}}); err != nil {
			t.Fatal(err)
		}
		b.settle(w, syncer.End{Watermark: "W"})
		if r := b.standing().Position.Resume; r != nil {
			t.Errorf("resume is still %+v", r)
		}
	},
	"another source voids the position, a new column asks for a resync, a column less for nothing": func(t *testing.T, b *bench) {
		spec, of := b.spec, b.spec.Shape
		for shape, want := range map[string]struct{ resync, void bool }{
			syncer.Shape("source", []string{"id", "name"}):                                  {},
			syncer.Shape("source", []string{"id", "name", "updated_at", "region", "email"}): {resync: true},
			syncer.Shape("another source", []string{"id", "name", "updated_at", "region"}):  {resync: true, void: true},
			syncer.Shape("source", []string{"id", "name with another from", "updated_at"}):  {resync: true},
			syncer.Shape("source", []string{"updated_at", "region", "name", "id"}):          {},
		} {
			spec.Target, spec.Shape = spec.Target+"s", of
			b.use(spec)
			b.settle(b.walk(syncer.Resync, "w1"), syncer.End{Watermark: "W1", Epoch: "E1"})
			spec.Shape = shape
			b.use(spec)
			st := b.standing()
			kept := st.Position.Watermark == "W1" && st.Position.Epoch == "E1"
			if st.Resync != want.resync || kept == want.void || want.void && st.Position != (syncer.Position{}) {
				t.Errorf("shape %q: resync %v, position %+v", shape, st.Resync, st.Position)
			}
		}
		spec.Shape = syncer.Shape("another source", []string{"id"})
		b.use(spec)
		b.settle(b.walk(syncer.Resync, "w2"), syncer.End{Watermark: "W2"})
		if st := b.standing(); st.Resync || st.Position.Watermark != "W2" || st.Position.Epoch != "" {
			t.Errorf("after the resync: %+v", st)
		}
	},
	"a resume made under another shape is void": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w1"), syncer.End{Watermark: "W1"})
		w := b.walk(syncer.Changes, "w2")
		if _, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Resume: &syncer.Resume{Walk: "w2", Kind: syncer.Changes, Sent: w.Sent, Cursor: "c"}}}); err != nil {
			t.Fatal(err)
		}
		spec := b.spec
		spec.Shape = syncer.Shape("another source", []string{"id"})
		b.use(spec)
		if st := b.standing(); st.Position.Resume != nil || !st.Resync {
			t.Errorf("standing is %+v", st)
		}
	},
	"the level follows the clock while nobody polls": func(t *testing.T, b *bench) {
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("level before the first poll is %q", s.Level)
		}
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		for _, step := range []struct {
			wait time.Duration
			want syncer.Level
		}{{0, syncer.Fresh}, {4 * time.Minute, syncer.Fresh}, {2 * time.Minute, syncer.Warn}, {10 * time.Minute, syncer.Critical}} {
			b.Age(step.wait)
			s := b.status()
			if s.Level != step.want {
				t.Errorf("level at staleness %s is %q, want %q", s.Staleness, s.Level, step.want)
			}
		}
		near(t, "AsOf", b.status().AsOf, time.Now().Add(-16*time.Minute))
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{Watermark: "W"})
		if s := b.status(); s.Level != syncer.Fresh || s.Reason != "" {
			t.Errorf("level after a poll is %q, reason %q", s.Level, s.Reason)
		}
	},
	"a clock that was set back makes no settled copy younger": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Resync, "w1")
		b.settle(w, syncer.End{Watermark: "W", Listed: true})
		b.Age(-time.Hour)
		w = b.walk(syncer.Changes, "w2")
		w.Sent = time.Now().Add(-2 * time.Minute)
		b.settle(w, syncer.End{Watermark: "W"})
		near(t, "AsOf", b.status().AsOf, w.Sent)
		near(t, "AsOf", b.standing().AsOf, w.Sent)
		b.Age(4 * time.Minute)
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("six minutes later the level is %q, staleness %s", s.Level, s.Staleness)
		}
	},
	"a new budget holds from the next start": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		b.Age(time.Minute)
		spec := b.spec
		spec.Budget = syncer.Budget{Critical: 30 * time.Second}
		b.use(spec)
		if s := b.status(); s.Level != syncer.Critical {
			t.Errorf("level under the tighter budget is %q", s.Level)
		}
	},
	"next poll and lateness are told": func(t *testing.T, b *bench) {
		next := time.Now().Add(time.Hour)
		for _, late := range []time.Duration{90 * time.Second, 10 * time.Second} {
			s := syncer.Settlement{End: &syncer.End{Watermark: "W"}, Next: next, Late: late}
			if _, err := b.table.Settle(t.Context(), b.walk(syncer.Changes, "w"), s); err != nil {
				t.Fatal(err)
			}
		}
		s := b.status()
		near(t, "NextPoll", s.NextPoll, next)
		if s.Late.Round(time.Second) != 90*time.Second {
			t.Errorf("greatest lateness is %s", s.Late)
		}
	},
	"partitions stand apart, the status is that of the worst": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		w := b.walk(syncer.Changes, "w1")
		w.Partition = north
		b.apply(w, in("north", person("1", "Ada", "00:01")))
		b.settle(w, syncer.End{Watermark: "N"})
		if st := b.standingOf(south); st.Position.Watermark != "" || !st.AsOf.IsZero() {
			t.Errorf("south stands at %+v", st)
		}
		if s := b.status(); s.Level != syncer.Never || s.Rows != 1 {
			t.Errorf("status is %+v", s)
		}
		w.Partition = south
		b.Age(6 * time.Minute)
		w.Sent = time.Now()
		b.settle(w, syncer.End{Watermark: "S"})
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("level is %q, want that of the older partition", s.Level)
		}
		if n := b.standingOf(north).Position.Watermark; n != "N" {
			t.Errorf("north's watermark is %q", n)
		}
	},
	"a listing whose notes are lost sweeps nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		w := b.walk(syncer.Snapshot, "w2")
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.LoseNotes()
		_, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true}})
		if !errors.Is(err, syncer.ErrListLost) {
			t.Errorf("settle: %v, want ErrListLost", err)
		}
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
}
