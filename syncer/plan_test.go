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
		return Standing{AsOf: time.Unix(asOf, 0), Position: Position{Watermark: watermark}}
	}
	with := func(st Standing, change func(*Standing)) Standing { change(&st); return st }
	resync := func(st *Standing) { st.Resync = true }
	valid := func(v string) func(*Standing) { return func(st *Standing) { st.Position.Validator = v } }
	resumed := func(r *Resume) func(*Standing) { return func(st *Standing) { st.Position.Resume = r } }
	fromZeroAt := func(kind WalkKind) *Resume { r := at("old", "c1", kind); r.From = ""; return r }

	for _, test := range []struct {
		name     string
		snapshot bool
		stand    []Standing
		ask      WalkKind
		from     Position
		apply    []WalkKind
		// resumes names the walk that goes on; "" for a new one.
		resumes string
	}{
		{"one table", false, []Standing{stands(9, "w9")}, Changes, Position{Watermark: "w9"}, []WalkKind{Changes}, ""},
		{"the oldest as-of, not the first", false, []Standing{stands(9, "w9"), stands(5, "w5"), stands(7, "w7")},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes, Changes}, ""},
		{"never polled", false, []Standing{{}}, Resync, Position{}, []WalkKind{Resync}, ""},
		{"a new table beside an old one", false, []Standing{stands(9, "w9"), {}}, Resync, Position{}, []WalkKind{Changes, Resync}, ""},
		{"one is resynced, though its as-of is the newest", false, []Standing{stands(5, "w5"), with(stands(9, "w9"), resync)},
			Resync, Position{}, []WalkKind{Changes, Resync}, ""},
		{"a common validator", false, []Standing{with(stands(5, "w5"), valid("v")), with(stands(9, "w9"), valid("v"))},
			Changes, Position{Watermark: "w5", Validator: "v"}, []WalkKind{Changes, Changes}, ""},
		{"validators differ", false, []Standing{with(stands(5, "w5"), valid("v")), with(stands(9, "w9"), valid("u"))},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes}, ""},
		{"one holds no validator", false, []Standing{with(stands(5, "w5"), valid("v")), stands(9, "w9")},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes}, ""},
		{"a resync asks for all, whatever the validator", false, []Standing{with(with(stands(5, "w5"), valid("v")), resync)},
			Resync, Position{}, []WalkKind{Resync}, ""},
		{"a snapshot", true, []Standing{with(stands(5, ""), valid("v")), with(stands(6, ""), valid("v"))},
			Snapshot, Position{Validator: "v"}, []WalkKind{Snapshot, Snapshot}, ""},
		{"a snapshot of which one is resynced", true, []Standing{with(stands(5, ""), valid("v")), with(with(stands(6, ""), valid("v")), resync)},
			Snapshot, Position{}, []WalkKind{Snapshot, Resync}, ""},
		{"all stand at one place", false,
			[]Standing{with(stands(5, "w5"), resumed(at("old", "c1", Changes))), with(stands(6, "w6"), resumed(at("old", "c1", Changes)))},
			Changes, Position{Watermark: "w5", Resume: at("old", "c1", Changes)}, []WalkKind{Changes, Changes}, "old"},
		{"one stands elsewhere in the walk", false,
			[]Standing{with(stands(5, "w5"), resumed(at("old", "c1", Changes))), with(stands(6, "w6"), resumed(at("old", "c2", Changes)))},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes}, ""},
		{"one stands in another walk", false,
			[]Standing{with(stands(5, "w5"), resumed(at("old", "c1", Changes))), with(stands(6, "w6"), resumed(at("new", "c1", Changes)))},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes}, ""},
		{"one stands in no walk", false, []Standing{with(stands(5, "w5"), resumed(at("old", "c1", Changes))), stands(6, "w6")},
			Changes, Position{Watermark: "w5"}, []WalkKind{Changes, Changes}, ""},
		{"a resync was ordered since", false, []Standing{with(with(stands(5, "w5"), resumed(at("old", "c1", Changes))), resync)},
			Resync, Position{}, []WalkKind{Resync}, ""},
		{"an unfinished resync beside changes", false,
			[]Standing{with(stands(5, "w5"), resumed(fromZeroAt(Changes))), with(with(stands(6, "w6"), resync), resumed(fromZeroAt(Resync)))},
			Resync, Position{Resume: fromZeroAt(Changes)}, []WalkKind{Changes, Resync}, "old"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var members []*member
			for _, st := range test.stand {
				members = append(members, &member{standing: st})
			}
			want := Walk{ID: "id", Kind: test.ask, Partition: Partition{Name: "p"}, From: test.from, Sent: now}
			if test.resumes != "" {
				want.ID, want.Sent = test.resumes, time.Unix(500, 0)
			}
			got := planWalk(&Feed{Snapshot: test.snapshot}, Partition{Name: "p"}, members, "id", now)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			for i, m := range members {
				want.Kind = test.apply[i]
				if diff := cmp.Diff(want, m.walk); diff != "" {
					t.Errorf("table %d applies (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// TestPlanWalkOfAList: where a walk from zero tells no deletions, a table that
// only takes part in another's resync is resynced with it.
func TestPlanWalkOfAList(t *testing.T) {
	held := Standing{AsOf: time.Unix(5, 0), Position: Position{Watermark: "w5"}}
	for _, test := range []struct {
		name  string
		lists bool
		stand []Standing
		apply []WalkKind
	}{
		{"a new table beside an old one", true, []Standing{held, {}}, []WalkKind{Resync, Resync}},
		{"where deletions are told", false, []Standing{held, {}}, []WalkKind{Changes, Resync}},
		{"changes", true, []Standing{held, held}, []WalkKind{Changes, Changes}},
	} {
		var members []*member
		for _, st := range test.stand {
			members = append(members, &member{standing: st})
		}
		planWalk(&Feed{Lists: test.lists}, Partition{}, members, "id", time.Unix(1000, 0))
		for i, m := range members {
			if m.walk.Kind != test.apply[i] {
				t.Errorf("%s: table %d applies a %s, want a %s", test.name, i, m.walk.Kind, test.apply[i])
			}
		}
	}
}
