package sources

import "errors"

var errMoves = errors.New("pages move between walks")

// once ends after one response.
type once struct{}

func (once) first() step                       { return step{first: true} }
func (once) next(step, *answer) (*step, error) { return nil, nil }
func (once) note(step) string                  { return "" }
func (once) read(string) (step, error)         { return step{}, errMoves }
