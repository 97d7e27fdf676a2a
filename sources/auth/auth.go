// Package auth says who we are to an owner: it puts credentials on requests
// and knows which strings must never be shown. It touches nothing but the
// request it is given, and the token endpoint where credentials are tokens.
package auth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// Authenticator puts credentials on requests. The client asks it for every
// single request, redirects included, and only for requests to the owner's own
// origin. Implementations are safe for concurrent use.
type Authenticator interface {
	// Apply adds the credentials to r, which the caller owns. It fails where
	// they cannot be had before r's context ends; r is not to be sent then.
	Apply(r *http.Request) error
	// Strip takes query credentials out of u, such as an owner echoes them in
	// its next links, and leaves everything else as it is written.
	Strip(u *url.URL)
	// Secrets lists the strings that may appear in no log, error or database.
	// Those of a Renewing change.
	Secrets() []string
}

// Pair is a named value: a header or a query parameter.
type Pair struct{ Name, Value string }

// Bearer sends "Authorization: SCHEME TOKEN".
func Bearer(scheme, token string) Authenticator {
	return headers{
		pairs:   []Pair{{"Authorization", scheme + " " + token}},
		secrets: []string{token},
	}
}

// Basic sends user and password as RFC 7617 has it.
func Basic(user, password string) Authenticator {
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return headers{
		pairs:   []Pair{{"Authorization", "Basic " + encoded}},
		secrets: []string{encoded, password},
	}
}

// Header sends each pair as a header.
func Header(pairs ...Pair) Authenticator {
	return headers{pairs: pairs, secrets: values(pairs)}
}

// Query sends each pair as a query parameter.
func Query(pairs ...Pair) Authenticator { return query(pairs) }

type headers struct {
	pairs   []Pair
	secrets []string
}

func (h headers) Apply(r *http.Request) error {
	for _, p := range h.pairs {
		r.Header.Set(p.Name, p.Value)
	}
	return nil
}

func (h headers) Strip(*url.URL) {}

func (h headers) Secrets() []string { return h.secrets }

type query []Pair

func (q query) Apply(r *http.Request) error {
	q.Strip(r.URL)
	for _, p := range q {
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&"
		}
		r.URL.RawQuery += url.QueryEscape(p.Name) + "=" + strings.ReplaceAll(url.QueryEscape(p.Value), "+", "%20")
	}
	return nil
}

func (q query) Strip(u *url.URL) {
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if !q.names(part) {
			kept = append(kept, part)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
}

// names reports whether a part of a query is one of our parameters, however it
// is escaped.
func (q query) names(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	for _, p := range q {
		if p.Name == name {
			return true
		}
	}
	return false
}

func (q query) Secrets() []string { return values(q) }

func values(pairs []Pair) []string {
	all := make([]string, len(pairs))
	for i, p := range pairs {
		all[i] = p.Value
	}
	return all
}
