package main

import (
	"testing"
	"time"
)

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0s",
		1234 * time.Millisecond:         "1.2s",
		90 * time.Second:                "1m30s",
		5 * time.Minute:                 "5m",
		20*time.Minute + 10*time.Second: "20m10s",
		2 * time.Hour:                   "2h",
		10*time.Hour + 30*time.Minute:   "10h30m",
		25*time.Hour + 20*time.Second:   "25h",
		30 * 24 * time.Hour:             "30d",
	} {
		if got := short(d); got != want {
			t.Errorf("%s prints as %q, want %q", d, got, want)
		}
	}
}
