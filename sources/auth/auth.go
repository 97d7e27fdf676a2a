// Package auth says who we are to an owner: it puts credentials on requests
// and knows which strings must never be shown. It touches nothing but the
// request it is given, the files and variables that credentials are read from
// again, and the endpoints where they are handed out.
//
// Each kind of credentials is a file and its test.
package auth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Authenticator puts credentials on requests. The client asks it for every
// single request, redirects included, and only for requests to the owner's own
// origin. Implementations are safe for concurrent use.
type Authenticator interface {
	// Apply adds the credentials to r, which the caller owns, in place of those
	// that it added before. It returns their number, which is another one when
	// they have changed. via carries what it has to ask the owner itself for
	// first. The error is a *TokenError or the context's; r is not to be sent
	// then.
	Apply(r *http.Request, via http.RoundTripper) (number int, err error)
	// Refusal reports whether an answer of that status may say that the owner
	// does not take the credentials.
	Refusal(status int) bool
	// Refused says that the owner refused the credentials of that number, and
	// reports whether Apply has others. The error says why it is not known.
	Refused(ctx context.Context, number int) (bool, error)
	// Strip takes query credentials out of u, such as an owner echoes them in
	// its next links, and leaves everything else as it is written.
	Strip(u *url.URL)
	// Secrets lists the strings that may appear in no log, error or database.
	// They change with the credentials; those that were in use until lately
	// are still among them.
	Secrets() []string
}

// Pair is a named value: a header or a query parameter.
type Pair struct {
	Name  string
	Value Secret
}

// constant puts secrets on requests as they are.
type constant struct {
	*secrets
	put func(r *http.Request, values []string)
}

// Apply implements Authenticator.
func (c constant) Apply(r *http.Request, _ http.RoundTripper) (int, error) {
	values, number := c.get()
	c.put(r, values)
	return number, nil
}

// Refusal implements Authenticator.
func (constant) Refusal(status int) bool { return status == http.StatusUnauthorized }

// Strip implements Authenticator.
func (constant) Strip(*url.URL) {}

// stripQuery takes the parameters of these names out of a query, however they
// are escaped.
func stripQuery(u *url.URL, names []string) {
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if !isOneOf(part, names) {
			kept = append(kept, part)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
}

// isOneOf reports whether a part of a query has one of the names.
func isOneOf(part string, names []string) bool {
	name, _, _ := strings.Cut(part, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// addQuery adds a parameter at the end of a query.
func addQuery(u *url.URL, name, value string) {
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += url.QueryEscape(name) + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// split parts names from secrets.
func split(pairs []Pair) (names []string, values []Secret) {
	for _, p := range pairs {
		names, values = append(names, p.Name), append(values, p.Value)
	}
	return names, values
}
