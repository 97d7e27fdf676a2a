package demo

import (
	"testing"
	"testing/synctest"
	"time"
)

// The copies are complete in the fifth second. The owner is down from the tenth to the twentieth second, and again from the
// fortieth on.
func TestLedgerExcusesPollsOfTheOwnerThatWasDown(t *testing.T) {
	for _, test := range []struct {
		name         string
		source       string
		from, to     time.Duration
		failure      string
		excused, bad int
	}{
		{"succeeded in an outage", "users", 12, 13, "", 0, 0},
		{"failed before the copies were complete", "drivers", 4, 6, "x", 0, 0},
		{"failed before", "users", 8, 9, "x", 0, 1},
		{"failed across the beginning", "users", 9, 11, "x", 1, 0},
		{"failed inside", "users", 11, 12, "x", 1, 0},
		{"failed across all of it", "users", 9, 21, "x", 1, 0},
		{"failed across the end", "users", 19, 22, "x", 1, 0},
		{"failed after", "users", 21, 22, "x", 0, 1},
		{"failed in the second", "users", 45, 46, "x", 1, 0},
		{"failed at another owner", "drivers", 12, 13, "x", 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, l := time.Now(), &ledger{}
				at := func(second time.Duration) { <-time.After(time.Until(began.Add(second * time.Second))) }
				at(5)
				l.begin()
				at(10)
				l.down("users")
				at(20)
				l.up()
				at(40)
				l.down("users")
				l.note(Poll{Source: test.source, Started: began.Add(test.from * time.Second),
					Took: (test.to - test.from) * time.Second, Failure: test.failure})
				polls, excused, err := l.sum()
				if polls != 1 || excused != test.excused || (err != nil) != (test.bad > 0) {
					t.Errorf("%d polls, %d excused, error %v", polls, excused, err)
				}
			})
		})
	}
}

func TestLedgerForgetsWhatComesAfterClose(t *testing.T) {
	l := &ledger{}
	l.note(Poll{Source: "users"})
	l.close()
	l.note(Poll{Source: "users", Failure: "stopped"})
	if polls, _, err := l.sum(); polls != 1 || err != nil {
		t.Errorf("%d polls and error %v, want the first one alone", polls, err)
	}
}
