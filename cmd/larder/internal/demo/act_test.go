package demo

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However long the demo is, its outage is longer than the tight budget and
// shorter than every other one, and the time without events has a whole interval
// of the schedule in it.
func TestBeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(int64(Shortest*3/4), int64(24*time.Hour)).Draw(t, "span"))
		b := beatsOf(span)
		if b.down <= 4*time.Second || b.down > 25*time.Second {
			t.Errorf("of %s, the outage is %s", span, b.down)
		}
		if b.events <= 0 || b.lost <= 2*time.Second || b.all != span || b.events+b.lost+b.down >= span {
			t.Errorf("of %s, the parts are %+v", span, b)
		}
	})
}
