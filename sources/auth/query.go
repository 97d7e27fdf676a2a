package auth

import (
	"net/http"
	"net/url"
)

// Query sends each pair as a query parameter.
func Query(pairs ...Pair) Authenticator {
	names, from := split(pairs)
	return query{constant{hold(nil, from...), func(r *http.Request, values []string) {
		stripQuery(r.URL, names)
		for i, name := range names {
			addQuery(r.URL, name, values[i])
		}
	}}, names}
}

type query struct {
	constant
	names []string
}

// Strip implements Authenticator.
func (q query) Strip(u *url.URL) { stripQuery(u, q.names) }
