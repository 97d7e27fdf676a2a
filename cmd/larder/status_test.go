package main

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

func TestStatusShowsTheBudget(t *testing.T) {
	const day = 24 * time.Hour
	tick := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	asOf := tick.Add(-3 * time.Hour)
	clock := func(t time.Time) string {
		if t.Format(time.DateOnly) == time.Now().UTC().Format(time.DateOnly) {
			return t.Format("15:04Z")
		}
		return t.Format("2006-01-02 15:04Z")
	}
	grace := syncer.Grace{Warn: 10 * time.Minute, Critical: 20 * time.Minute}
	late := syncer.Budget{Warn: tick.Add(grace.Warn).Sub(asOf), Critical: tick.Add(grace.Critical).Sub(asOf)}
	for _, test := range []struct {
		is   line
		want string
	}{
		{line{}, "-"},
		{line{AsOf: &asOf, staleness: 3*day + 5*time.Second, budget: syncer.Budget{Critical: 15 * time.Minute}, plain: syncer.Budget{Critical: 15 * time.Minute}}, "3d of 15m"},
		{line{AsOf: &asOf, staleness: time.Minute + 300*time.Millisecond, budget: syncer.Budget{Critical: time.Minute}, plain: syncer.Budget{Critical: time.Minute}}, "1m1s of 1m"},
		{line{budget: syncer.Budget{Warn: time.Minute, Critical: time.Hour}, plain: syncer.Budget{Warn: time.Minute, Critical: time.Hour}}, "- of 1m/1h"},
		{line{AsOf: &asOf, staleness: 3 * time.Hour, budget: late, plain: syncer.Budget{Grace: grace}}, "3h of due " + clock(tick) + " +10m/+20m"},
		{line{AsOf: &asOf, staleness: 3 * time.Hour, budget: syncer.Budget{Critical: late.Critical}, plain: syncer.Budget{Grace: syncer.Grace{Critical: 20 * time.Minute}}},
			"3h of due " + clock(tick) + " +20m"},
		{line{AsOf: &asOf, staleness: 3 * time.Hour, budget: syncer.Budget{Warn: time.Hour, Critical: late.Critical}, plain: syncer.Budget{Warn: time.Hour, Grace: syncer.Grace{Critical: 20 * time.Minute}}},
			"3h of 1h/due " + clock(tick) + " +20m"},
	} {
		if got := test.is.ofBudget(); got != test.want {
			t.Errorf("shows %q, want %q", got, test.want)
		}
	}
}
