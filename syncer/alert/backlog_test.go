package alert_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// TestBacklogCountsFromWhenAMessageIsDue has a group of an hour, which is no
// trouble, and then a receiver that is down, which is.
func TestBacklogCountsFromWhenAMessageIsDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down := &alerttest.Recorder{Answer: between(0, 24*time.Hour, errDown)}
		mail := named("mail", down)
		mail.Group = time.Hour
		w := open(t, deskOf(mail), newTable("shop.users", 0, 5*time.Minute))
		w.run(time.Hour)
		if b := w.desk.Backlog()[0]; b.Pending != 1 || !b.Oldest.IsZero() {
			t.Errorf("backlog within the group's wait: %+v", b)
		}
		w.run(10 * time.Minute)
		due := w.began.Add(time.Hour + 5*time.Minute + time.Second)
		if b := w.desk.Backlog()[0]; b.Pending != 1 || !b.Oldest.Equal(due) {
			t.Errorf("oldest is due since %v, want %v", b.Oldest, due)
		}
	})
}

// TestBacklogOfWhatIsRaisedCountsFromThen has a warning wait for its group until
// it becomes critical, which waits for nothing.
func TestBacklogOfWhatIsRaisedCountsFromThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down := &alerttest.Recorder{Answer: between(0, 24*time.Hour, errDown)}
		mail := named("mail", down)
		mail.Group = time.Hour
		w := open(t, deskOf(mail), newTable("shop.users", 5*time.Minute, 30*time.Minute))
		w.run(40 * time.Minute)
		rose := w.began.Add(30*time.Minute + time.Second)
		if b := w.desk.Backlog()[0]; b.Pending != 1 || !b.Oldest.Equal(rose) {
			t.Errorf("oldest is due since %v, want %v", b.Oldest, rose)
		}
	})
}
