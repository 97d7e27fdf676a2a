package owners

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
)

// Credentials are what a service asks of its callers: a bearer token, or a
// user and password, or a header with a key, or nothing. They print as
// "[secret]", whatever the verb.
type Credentials struct {
	Bearer         string
	User, Password string
	Header, Key    string
}

// Format hides the secrets from every way of printing.
func (Credentials) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[secret]") }

// Authorize adds the credentials to a request.
func (c Credentials) Authorize(r *http.Request) {
	switch {
	case c.Bearer != "":
		r.Header.Set("Authorization", "Bearer "+c.Bearer)
	case c.User != "":
		r.SetBasicAuth(c.User, c.Password)
	case c.Header != "":
		r.Header.Set(c.Header, c.Key)
	}
}

// admit says whether r carries the credentials.
func (c Credentials) admit(r *http.Request) bool {
	switch {
	case c.Bearer != "":
		return same(r.Header.Get("Authorization"), "Bearer "+c.Bearer)
	case c.User != "":
		user, password, _ := r.BasicAuth()
		return same(user, c.User) && same(password, c.Password)
	case c.Header != "":
		return same(r.Header.Get(c.Header), c.Key)
	}
	return true
}

// challenge refuses a request without the credentials.
func (c Credentials) challenge(w http.ResponseWriter) {
	switch {
	case c.Bearer != "":
		w.Header().Set("WWW-Authenticate", `Bearer realm="ride"`)
	case c.User != "":
		w.Header().Set("WWW-Authenticate", `Basic realm="ride", charset="UTF-8"`)
	}
	refuse(w, http.StatusUnauthorized, "credentials are missing or wrong")
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
