package simulation

import "testing"

// Stage is a place and how many histories are lived there: in the whole run, and
// in the share of it that every test run has.
type Stage struct {
	Name       string
	All, Share int
	// Open makes the place for as many histories at one time, outside of bubbles,
	// and tells how often each knob of the place itself took effect; nil: it has
	// none.
	Open func(t testing.TB, atOnce int) (Place, func() map[string]int)
}

// Stages are all places.
func Stages() []Stage {
	return []Stage{
		{"memory", 100_000, 1000, func(testing.TB, int) (Place, func() map[string]int) { return Memory, nil }},
		{"sqlite", 2000, 40, func(t testing.TB, _ int) (Place, func() map[string]int) {
			s := NewSQLite(t)
			return s.Place, s.Hits
		}},
		{"postgres", 500, 10, func(t testing.TB, atOnce int) (Place, func() map[string]int) {
			p := NewPostgres(t, 2*atOnce)
			return p.Place, p.Hits
		}},
	}
}
