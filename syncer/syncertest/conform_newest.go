package syncertest

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// seen ends a walk whose newest record was that old.
func (b *bench) seen(w syncer.Walk, old time.Duration) {
	b.t.Helper()
	end := syncer.End{Listed: w.Kind.Listing(), Watermark: "W"}
	if old > 0 {
		end.Newest = time.Now().Add(-old)
	}
	b.settle(w, end)
}

// newest fails unless the newest record is that old; 0: nothing tells.
func (b *bench) newest(old time.Duration) {
	b.t.Helper()
	at := b.standing().Newest
	if old == 0 {
		if !at.IsZero() {
			b.t.Errorf("the newest record is from %s, want none", at)
		}
		return
	}
	near(b.t, "the newest record", at, time.Now().Add(-old))
}

// stuck is a budget for the newest record of an hour.
func stuck(s *row.Spec) { s.Budget.Newest = time.Hour }

// newestScenarios are of owners whose newest record is old.
var newestScenarios = map[string]func(*testing.T, *bench){
	"the greatest is kept, and walks without records leave it": func(t *testing.T, b *bench) {
		b.newest(0)
		b.seen(b.walk(syncer.Changes, "c"), 10*time.Minute)
		b.seen(b.walk(syncer.Changes, "c"), 20*time.Minute)
		b.newest(10 * time.Minute)
		b.seen(b.walk(syncer.Changes, "c"), 0)
		b.newest(10 * time.Minute)
		b.seen(b.walk(syncer.Changes, "c"), 5*time.Minute)
		b.newest(5 * time.Minute)
		b.Age(time.Minute)
		b.newest(6 * time.Minute)
		b.fail(b.walk(syncer.Changes, "c"), syncer.ClassHTTP5xx, "down")
		b.newest(6 * time.Minute)
	},
	"a list starts over, what is not modified does not": func(t *testing.T, b *bench) {
		b.seen(b.walk(syncer.Changes, "c"), 10*time.Minute)
		b.seen(b.walk(syncer.Resync, "w1"), 30*time.Minute)
		b.newest(30 * time.Minute)
		b.seen(b.walk(syncer.Snapshot, "w2"), 40*time.Minute)
		b.newest(40 * time.Minute)
		b.settle(b.walk(syncer.Snapshot, "w3"), syncer.End{Unchanged: true})
		b.newest(40 * time.Minute)
		b.seen(b.walk(syncer.Snapshot, "w4"), 0)
		b.newest(0)
	},
	"a list that goes on does not start over": func(t *testing.T, b *bench) {
		b.seen(b.walk(syncer.Changes, "c"), 10*time.Minute)
		w := b.walk(syncer.Resync, "w1")
		w.From.Resume = &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: "half"}
		b.seen(w, 30*time.Minute)
		b.newest(10 * time.Minute)
	},
	"what changes tell beside a list is newer than it": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Resync, "w1")
		w.Sent = w.Sent.Add(-time.Minute)
		b.open(w)
		b.seen(b.walk(syncer.Changes, "c"), 10*time.Second)
		b.seen(w, 30*time.Minute)
		b.newest(10 * time.Second)
	},
	"an audit leaves it": func(t *testing.T, b *bench) {
		b.seen(b.walk(syncer.Resync, "w0"), 10*time.Minute)
		w := b.auditing(repairs, syncer.Partition{})
		b.settle(w, syncer.End{Listed: true, Newest: time.Now()})
		b.newest(10 * time.Minute)
	},
	"an old newest record warns, in the view as by Judge": func(t *testing.T, b *bench) {
		b.respec(stuck)
		b.seen(b.walk(syncer.Changes, "c"), 59*time.Minute)
		b.judged(syncer.Fresh, "")
		near(t, "the newest record of the view", b.status().Newest, time.Now().Add(-59*time.Minute))
		b.Age(2 * time.Minute)
		at := b.standing().Newest.UTC().Format("2006-01-02 15:04")
		b.judged(syncer.Warn, "newest record is from "+at)
		b.Age(4 * time.Minute) // stale by itself
		b.judged(syncer.Warn, "no complete poll since")
		b.Age(10 * time.Minute)
		b.judged(syncer.Critical, "no complete poll since")
		b.seen(b.walk(syncer.Changes, "c"), time.Minute)
		b.judged(syncer.Fresh, "")
	},
	"a failed poll is told rather than what it keeps from being seen": func(t *testing.T, b *bench) {
		b.respec(stuck)
		b.seen(b.walk(syncer.Changes, "c"), 2*time.Hour)
		b.fail(b.walk(syncer.Changes, "c"), syncer.ClassHTTP5xx, "down")
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("the view tells %s, %q", s.Level, s.Reason)
		}
	},
	"a held sweep is told by its own level": func(t *testing.T, b *bench) {
		b.respec(stuck)
		b.changes(person("1", "Ada", "00:01"))
		b.seen(b.walk(syncer.Resync, "w1"), 2*time.Hour)
		if b.status().Held != 1 {
			t.Fatalf("the view tells %+v", b.status())
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 1})
		b.judged(syncer.Warn, "newest record is from")
	},
	"what was never seen is not judged": func(t *testing.T, b *bench) {
		b.respec(stuck)
		b.Age(24 * time.Hour)
		b.seen(b.walk(syncer.Snapshot, "w1"), 0)
		b.judged(syncer.Fresh, "")
	},
	"another budget counts at once": func(t *testing.T, b *bench) {
		b.seen(b.walk(syncer.Changes, "c"), 2*time.Hour)
		b.judged(syncer.Fresh, "")
		b.respec(stuck)
		b.judged(syncer.Warn, "newest record is from")
		b.respec(func(s *row.Spec) { s.Budget.Newest = 3 * time.Hour })
		b.judged(syncer.Fresh, "")
		b.respec(func(s *row.Spec) { s.Budget.Newest = 0 })
		b.Age(2 * time.Minute)
		b.judged(syncer.Fresh, "")
	},
	"partitions are judged each by itself": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("parted", north, south)
		b.respec(stuck)
		for p, old := range map[string]time.Duration{north.Name: time.Minute, south.Name: 2 * time.Hour} {
			w := b.walk(syncer.Changes, "c")
			w.Partition = syncer.ParsePartition(p)
			b.seen(w, old)
		}
		if s := b.status(); s.Level != syncer.Warn || !strings.Contains(s.Reason, "newest record is from") {
			t.Errorf("the view tells %s, %q", s.Level, s.Reason)
		}
		near(t, "the newest record of the view", b.status().Newest, time.Now().Add(-2*time.Hour))
	},
}

// judged compares what the view tells, and what Judge says of the standing.
func (b *bench) judged(level syncer.Level, reason string) {
	b.t.Helper()
	s, f := b.status(), syncer.Judge(b.standing(), b.spec.Budget, time.Now())
	if s.Level != level || f.Level != level {
		b.t.Errorf("the view tells %s, Judge says %s, want %s", s.Level, f.Level, level)
	}
	if !strings.HasPrefix(s.Reason, reason) || !strings.HasPrefix(f.Reason, reason) || reason == "" && s.Reason+f.Reason != "" {
		b.t.Errorf("the view tells %q, Judge says %q, want %q", s.Reason, f.Reason, reason)
	}
}
