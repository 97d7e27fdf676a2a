package demo

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// Changes of the third, fourth and sixth second are read in the fifth and the
// seventh. Counting begins in the second of the change given.
func TestSightings(t *testing.T) {
	for _, test := range []struct {
		name    string
		from    time.Duration
		then    time.Duration // changes after are not asked for
		want    ages
		reached bool
	}{
		{"all", 2, 6, ages{3, time.Second, 2 * time.Second}, true},
		{"one from before", 4, 6, ages{2, time.Second, time.Second}, true},
		{"one from after", 2, 4, ages{2, time.Second, 2 * time.Second}, true},
		{"none", 7, 8, ages{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, s := time.Now(), &sightings{}
				at := func(second time.Duration) time.Time { return began.Add(second * time.Second) }
				rows := func(seconds ...time.Duration) (out []owners.Row) {
					for _, second := range seconds {
						out = append(out, owners.Row{"updated_at": at(second).UTC().Format("2006-01-02T15:04:05.000000Z")})
					}
					return out
				}
				s.saw(rows(1), at(1)) // nobody counts yet
				<-time.After(time.Until(at(test.from)))
				s.begin()
				s.saw(rows(1), at(2))
				s.saw(rows(4, 3, 1), at(5))
				s.saw(rows(4, 3, 1), at(6))
				s.saw(rows(6, 4, 3, 1), at(7))
				if got := s.reached(at(test.then)); got != test.reached {
					t.Errorf("reached: %v, want %v", got, test.reached)
				}
				if got := s.end(at(test.then)); got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
				s.saw(rows(9), at(10))
				if got := s.end(at(10)); got != (ages{}) {
					t.Errorf("counted after the end: %+v", got)
				}
			})
		})
	}
}
