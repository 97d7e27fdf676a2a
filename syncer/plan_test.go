package syncer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is the walk's place that resumes in these tests share.
func at(walk, cursor string, kind WalkKind) *Resume {
	return &Resume{Walk: walk, Kind: kind, From: "w5", Sent: time.Unix(500, 0), Cursor: cursor, High: "w7"}
}

func TestPlanWalk(t *testing.T) {
	now := time.Unix(1000, 0)
	stands := func(asOf int64, watermark string) Standing {
		return Standing{AsOf: time.Unix(asOf, 0), Position: Position{Watermark: watermark, Epoch: "e" + watermark}}
	}
	with := func(st Standing, change func(*Standing)) Standing { change(&st); return st }
	resync := func(st *Standing) { st.Resync = true }
	valid := func(v string) func(*Standing) { return func(st *Standing) { st.Position.Validator = v } }
	resumed := func(r *Resume) func(*Standing) { return func(st *Standing) { st.Position.Resume = r } }
	lists := func(r *Resume) func(*Standing) { return func(st *Standing) { st.Listing = r } }
	from := func(watermark string) Position { return Position{Watermark: watermark, Epoch: "e" + watermark} }
	changes := func(cursor string) *Resume { return at("old", cursor, Changes) }

	for _, test := range []struct {
		name  string
		kind  WalkKind
		stand []Standing
		from  Position
		// resumes names the walk that goes on; "" for a new one.
		resumes string
		// apply is how each table applies, if not as the owner is asked.
		apply []WalkKind
	}{
		{"one table", Changes, []Standing{stands(9, "w9")}, from("w9"), "", nil},
		{"the oldest as-of, not the first", Changes, []Standing{stands(9, "w9"), stands(5, "w5"), stands(7, "w7")}, from("w5"), "", nil},
		{"a common validator", Changes, []Standing{with(stands(5, "w5"), valid("v")), with(stands(9, "w9"), valid("v"))},
			Position{Watermark: "w5", Epoch: "ew5", Validator: "v"}, "", nil},
		{"validators differ", Changes, []Standing{with(stands(5, "w5"), valid("v")), with(stands(9, "w9"), valid("u"))}, from("w5"), "", nil},
		{"one holds no validator", Changes, []Standing{with(stands(5, "w5"), valid("v")), stands(9, "w9")}, from("w5"), "", nil},
		{"one is resynced, too", Changes, []Standing{with(stands(5, "w5"), valid("v")), with(with(stands(9, "w9"), valid("v")), resync)},
			from("w5"), "", nil},
		{"never polled", Resync, []Standing{{}}, Position{}, "", nil},
		{"a resync asks for all, whatever watermark and validator", Resync, []Standing{with(with(stands(5, "w5"), valid("v")), resync)},
			Position{}, "", nil},
		{"so does an audit", Audit, []Standing{with(stands(5, "w5"), valid("v"))}, Position{}, "", nil},
		{"a snapshot", Snapshot, []Standing{with(stands(5, ""), valid("v")), with(stands(6, ""), valid("v"))}, Position{Validator: "v"}, "", nil},
		{"a snapshot of which one is resynced", Snapshot, []Standing{with(stands(5, ""), valid("v")), with(with(stands(6, ""), valid("v")), resync)},
			Position{}, "", []WalkKind{Snapshot, Resync}},
		{"all stand at one place", Changes, []Standing{with(stands(5, "w5"), resumed(changes("c1"))), with(stands(6, "w6"), resumed(changes("c1")))},
			Position{Watermark: "w5", Epoch: "ew5", Resume: changes("c1")}, "old", nil},
		{"one stands elsewhere in the walk", Changes, []Standing{with(stands(5, "w5"), resumed(changes("c1"))), with(stands(6, "w6"), resumed(changes("c2")))},
			from("w5"), "", nil},
		{"one stands in another walk", Changes, []Standing{with(stands(5, "w5"), resumed(changes("c1"))), with(stands(6, "w6"), resumed(at("new", "c1", Changes)))},
			from("w5"), "", nil},
		{"one stands in no walk", Changes, []Standing{with(stands(5, "w5"), resumed(changes("c1"))), stands(6, "w6")}, from("w5"), "", nil},
		{"changes do not go on with a list", Changes, []Standing{with(stands(5, "w5"), lists(at("old", "c1", Resync)))}, from("w5"), "", nil},
		{"nor a list with changes", Resync, []Standing{with(stands(5, "w5"), resumed(changes("c1")))}, Position{}, "", nil},
		{"an unfinished resync", Resync, []Standing{with(Standing{}, lists(at("old", "c1", Resync)))},
			Position{Watermark: "w5", Resume: at("old", "c1", Resync)}, "old", nil},
		{"a resync does not go on with an audit", Resync, []Standing{with(Standing{}, lists(at("old", "c1", Audit)))}, Position{}, "", nil},
		{"an audit goes on with its own", Audit, []Standing{with(stands(5, "w5"), lists(at("old", "c1", Audit)))},
			Position{Watermark: "w5", Resume: at("old", "c1", Audit)}, "old", nil},
		{"an unfinished snapshot, resynced by one", Snapshot,
			[]Standing{with(stands(5, ""), lists(at("old", "c1", Snapshot))), with(with(stands(6, ""), resync), lists(at("old", "c1", Resync)))},
			Position{Watermark: "w5", Resume: at("old", "c1", Snapshot)}, "old", []WalkKind{Snapshot, Resync}},
		{"a resync was ordered since", Snapshot, []Standing{with(with(stands(5, ""), resync), lists(at("old", "c1", Snapshot)))},
			Position{}, "", []WalkKind{Resync}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &group{kind: test.kind}
			for _, st := range test.stand {
				g.members = append(g.members, &member{standing: st})
			}
			want := Walk{ID: "id", Kind: test.kind, Partition: Partition{Name: "p"}, From: test.from, Sent: now}
			if test.resumes != "" {
				want.ID, want.Sent = test.resumes, time.Unix(500, 0)
			}
			got := g.plan(Partition{Name: "p"}, "id", now)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			for i, m := range g.members {
				if want.Kind = test.kind; test.apply != nil {
					want.Kind = test.apply[i]
				}
				if diff := cmp.Diff(want, m.walk); diff != "" {
					t.Errorf("table %d applies (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// A walk that began before a comparison was asked for is not gone on with: it
// may have compared otherwise.
func TestPlanWalkSince(t *testing.T) {
	for _, test := range []struct {
		since   int64
		resumed bool
	}{{499, true}, {500, true}, {501, false}} {
		g := &group{kind: Audit, since: time.Unix(test.since, 0), members: []*member{{standing: Standing{Listing: at("old", "c1", Audit)}}}}
		if w := g.plan(Partition{}, "id", time.Unix(1000, 0)); (w.From.Resume != nil) != test.resumed {
			t.Errorf("since %d: resumed: %t", test.since, w.From.Resume != nil)
		}
	}
}

// What was read before a walk of the other lane settled does not replace what
// that one has written.
func TestLookDoesNotBringBackWhatWasBefore(t *testing.T) {
	f, m := &Feed{}, &member{copy: &Copy{}, walk: Walk{Kind: Resync}}
	old, now := time.Unix(500, 0), time.Unix(1000, 0)
	if !m.note(f, Partition{}, Standing{AsOf: old, Resync: true}, 0, now) {
		t.Fatal("what is read first is not noted")
	}
	m.settled(Settled{AsOf: now, DeletesAsOf: now}, &End{Listed: true})
	if m.note(f, Partition{}, Standing{AsOf: old, Resync: true}, 0, now) {
		t.Error("what was read before the settlement is noted after it")
	}
	m.copy.know(Partition{}, func(k *known) {
		if !k.standing.AsOf.Equal(now) || k.need {
			t.Errorf("known is %+v, need %t", k.standing, k.need)
		}
	})
}

// A walk asks from one watermark. Tables of which it cannot be told that they
// have what it leaves out are asked for apart.
func TestTablesThatCannotShareAWalk(t *testing.T) {
	type stands struct {
		asOf, ended int64
		watermark   string
	}
	for _, test := range []struct {
		name   string
		tables []stands
		lag    time.Duration
		took   time.Duration
		apart  []string
	}{
		{"one follows the other", []stands{{10, 12, "w11"}, {20, 22, "w21"}}, 0, 0, nil},
		{"complete when the other's walk ended", []stands{{10, 12, "w11"}, {12, 14, "w13"}}, 0, 0, nil},
		{"side by side", []stands{{10, 15, "w14"}, {11, 13, "w12"}}, 0, 0, []string{"w12"}},
		{"side by side, from one watermark", []stands{{10, 15, "w12"}, {11, 13, "w12"}}, 0, 0, nil},
		{"the lag is no part of the walk", []stands{{10, 15, "w14"}, {11, 18, "w16"}}, 4 * time.Second, 0, nil},
		{"but for how long it took to read", []stands{{10, 15, "w14"}, {11, 18, "w16"}}, 4 * time.Second, time.Second, []string{"w16"}},
		{"one of three", []stands{{30, 32, "w31"}, {10, 15, "w14"}, {11, 13, "w12"}}, 0, 0, []string{"w12"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &group{kind: Changes, took: test.took}
			for _, s := range test.tables {
				st := Standing{AsOf: time.Unix(s.asOf, 0), Position: Position{Watermark: s.watermark}}
				g.members = append(g.members, &member{standing: st, ended: time.Unix(s.ended, 0)})
			}
			all := len(g.members)
			var apart []string
			if rest := (&Feed{Lag: test.lag}).part(g); rest != nil {
				all -= len(rest.members)
				for _, m := range rest.members {
					apart = append(apart, m.standing.Position.Watermark)
				}
			}
			if diff := cmp.Diff(test.apart, apart); diff != "" || len(g.members) != all {
				t.Errorf("apart (-want +got):\n%s%d tables stay, want %d", diff, len(g.members), all)
			}
		})
	}
}

// Of events a table takes each once only, however far behind another one is, and
// so it does behind its token.
func TestWatermarksAreWalkedApart(t *testing.T) {
	g := &group{kind: Changes}
	for i, watermark := range []string{"8", "23", "8"} {
		st := Standing{AsOf: time.Unix(int64(10+10*i), 0), Position: Position{Watermark: watermark}}
		g.members = append(g.members, &member{standing: st, ended: time.Unix(int64(12+10*i), 0)})
	}
	rest := (&Feed{FromOwn: true}).part(g)
	if rest == nil || len(rest.members) != 1 || rest.members[0].standing.Position.Watermark != "23" || len(g.members) != 2 {
		t.Errorf("rest %+v, %d tables stay: want the one that has come further to be walked apart", rest, len(g.members))
	}
}

// A list that failed and was gone on with in the same poll keeps its name: what
// it came to is told.
func TestWalkThatIsGoneOnWithIsToldTwice(t *testing.T) {
	at := time.Unix(10, 0)
	failed := Report{Walk: "w", Started: at, Failure: &Failure{Class: ClassHTTP5xx}}
	got := onlyOnce([]Report{failed, failed, {Walk: "w", Started: at.Add(time.Second), Resumed: true}})
	if len(got) != 2 || got[0].Failure == nil || got[1].Failure != nil {
		t.Errorf("told %+v", got)
	}
}
