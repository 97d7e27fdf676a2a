package sources

import (
	"errors"
	"net/http"
)

var errMoves = errors.New("pages move between walks")

// once ends after one response.
type once struct{ paging }

func (once) first() step                             { return step{first: true} }
func (o once) next(_ step, a *answer) (*step, error) { return nil, o.onlyPart(a.header) }
func (once) note(step) string                        { return "" }
func (once) read(string) (step, error)               { return step{}, errMoves }

// onlyPart refuses to take an answer for everything that says that more follows,
// where nobody said that one answer is all that is wanted.
func (p paging) onlyPart(h http.Header) error {
	if !p.spec.Assumed {
		return nil
	}
	if _, more := nextLink(h.Values("Link")); !more {
		return nil
	}
	return pagingError(`answer has a Link to the next page, and nothing says how pages follow each other; write paging = { by = "link" }, or paging = { by = "none" } if the rest is not wanted`)
}
