package syncer_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
)

// The line that answers an order to audit says all that was counted.
func TestParseAudited(t *testing.T) {
	count := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 1<<40))
	rapid.Check(t, func(rt *rapid.T) {
		a := syncer.Audited{
			Compared: count.Draw(rt, "compared"), Missing: count.Draw(rt, "missing"), Extra: count.Draw(rt, "extra"), Different: count.Draw(rt, "different"),
			Repaired: count.Draw(rt, "repaired"), Held: count.Draw(rt, "held"), Suspects: count.Draw(rt, "suspects"),
			Quarantined: count.Draw(rt, "quarantined"), Keys: rapid.Bool().Draw(rt, "keys"),
		}
		if got, ok := syncer.ParseAudited(a.String()); !ok || got != a {
			rt.Errorf("%q is read as %+v, %t; want %+v", a, got, ok, a)
		}
	})
	for _, line := range []string{"", "goes on", "audit: 3 compared", syncer.Audited{}.String() + "; 3 more things"} {
		if got, ok := syncer.ParseAudited(line); ok {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

// A poll that walked for changes and for everything tells them apart.
func TestOutcomeTellsLanesApart(t *testing.T) {
	report := func(kind syncer.WalkKind, inserted int) syncer.Report {
		return syncer.Report{Kind: kind, Records: inserted, Tables: []syncer.TableReport{{Table: "t", Applied: syncer.Applied{Inserted: inserted}}}}
	}
	line := func(n string) string {
		return n + " records: " + n + " inserted, 0 updated, 0 deleted, 0 unchanged, 0 quarantined"
	}
	changed, listed := report(syncer.Changes, 2), report(syncer.Resync, 3)
	for want, reports := range map[string][]syncer.Report{
		line("2"):                            {changed},
		line("3"):                            {listed},
		line("2") + "; resync: " + line("3"): {changed, listed},
	} {
		if got, err := syncer.Outcome(reports); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	listed.Failure = &syncer.Failure{Class: syncer.ClassTimeout, Text: "too slow"}
	if _, err := syncer.Outcome([]syncer.Report{changed, listed}); err == nil || err.Error() != "resync: timeout: too slow" {
		t.Errorf("of a resync that fails: %v", err)
	}
}
