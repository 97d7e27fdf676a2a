package auth

import "net/http"

// Header sends each pair as a header.
func Header(pairs ...Pair) Authenticator {
	names, from := split(pairs)
	return constant{hold(nil, from...), func(r *http.Request, values []string) {
		for i, name := range names {
			r.Header.Set(name, values[i])
		}
	}}
}
