package main

import (
	"testing"
	"time"
)

func TestWhenASilenceEnds(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	for _, test := range []struct {
		says wantedSilence
		want string // "" is refused
	}{
		{wantedSilence{span: "1d2h"}, "2026-11-24T05:12:00Z"},
		{wantedSilence{end: "2026-12-01 12:00"}, "2026-12-01T11:00:00Z"},
		{wantedSilence{end: "2027-07-01 12:00"}, "2027-07-01T10:00:00Z"},
		{wantedSilence{end: "2026-12-01T12:00:00-05:00"}, "2026-12-01T17:00:00Z"},
		{wantedSilence{}, ""},
		{wantedSilence{span: "2h", end: "2026-12-01 12:00"}, ""},
		{wantedSilence{span: "-2h"}, ""},
		{wantedSilence{span: "0s"}, ""},
		{wantedSilence{end: "12:00"}, ""},
	} {
		got, err := test.says.until(now, "Europe/Berlin")
		if (err != nil) != (test.want == "") || err == nil && got.UTC().Format(time.RFC3339) != test.want {
			t.Errorf("%+v: until %s, %v; want %q", test.says, got, err, test.want)
		}
	}
}
