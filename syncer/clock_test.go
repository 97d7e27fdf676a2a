package syncer_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// A clock is set back by what it says less than this process's has moved, as
// seen from the farthest ends of both looks; jitter and leaps ahead are nothing.
func TestClockNoticesThatItIsSetBack(t *testing.T) {
	at := time.Now()
	for _, look := range []struct {
		name   string
		wall   time.Duration // of the database, since the first look
		passed time.Duration // of ours
		took   time.Duration
		want   time.Duration
	}{
		{"as it should", 5 * time.Second, 5 * time.Second, time.Millisecond, 0},
		{"a slow look", 5 * time.Second, 5 * time.Second, 20 * time.Second, 0},
		{"slewed", 4500 * time.Millisecond, 5 * time.Second, 0, 0},
		{"set ahead", time.Hour, 5 * time.Second, 0, 0},
		{"set back by an hour", 5*time.Second - time.Hour, 5 * time.Second, 0, time.Hour},
		{"set back by a minute, after long", 4 * time.Minute, 5 * time.Minute, 0, time.Minute},
		{"set back, in a slow look", 5*time.Second - time.Hour, 5 * time.Second, 2 * time.Second, time.Hour + 2*time.Second},
	} {
		var c syncer.Clock
		if by, keep := c.Back(1e6*time.Second, at, at); by != 0 {
			t.Fatal("the first look knows more than it can")
		} else {
			keep()
		}
		asked := at.Add(look.passed)
		told := 1e6*time.Second + look.wall
		for range 2 { // what is not kept is seen again
			if by, _ := c.Back(told, asked, asked.Add(look.took)); by != look.want {
				t.Errorf("%s: set back by %s, want %s", look.name, by, look.want)
			}
		}
		_, keep := c.Back(told, asked, asked.Add(look.took))
		keep()
		if by, _ := c.Back(told+look.took+time.Second, asked.Add(look.took+time.Second), asked.Add(look.took+time.Second)); by != 0 {
			t.Errorf("%s: set back by %s again", look.name, by)
		}
	}
}
