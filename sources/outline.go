package sources

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/larder-sync/larder/syncer"
)

// Asked is a request, as far as it may be shown: without headers, and with what
// is known to be secret taken out.
type Asked struct {
	Method, URL, Body string
}

// FirstRequest is the request for the first page of a walk. Nothing is sent:
// credentials that travel in the query are not part of it, and the owner's clock
// is not known.
func (s *Source) FirstRequest(w syncer.Walk) (Asked, error) {
	k, err := s.begin(w)
	if err != nil {
		return Asked{}, s.client.redact.wrap(err)
	}
	q, _, err := k.question(k.asker, k.step)
	if err != nil {
		return Asked{}, s.client.redact.wrap(fmt.Errorf("make the first request: %w", err))
	}
	hide := s.client.redact.Replace
	return Asked{Method: cmp.Or(q.method, http.MethodGet), URL: hide(q.url.String()), Body: hide(string(q.body))}, nil
}
