package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Tokens are what clients show as Authorization: Bearer. Whoever may write may
// read.
type Tokens struct{ Read, Write string }

// token knows bearer tokens by their hashes, so that comparing takes as long
// whatever is wrong with the one that is shown.
type token [][sha256.Size]byte

func tokenOf(texts ...string) token {
	var t token
	for _, text := range texts {
		if text != "" {
			t = append(t, sha256.Sum256([]byte(text)))
		}
	}
	return t
}

// shown reports whether a request shows one of the tokens.
func (t token) shown(h http.Header) bool {
	scheme, text, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	sum, right := sha256.Sum256([]byte(strings.TrimSpace(text))), 0
	for _, known := range t {
		right |= subtle.ConstantTimeCompare(sum[:], known[:])
	}
	return right == 1
}

// named reports whether a request to this machine alone calls it by a name of
// its own. A page of a stranger can have its own name resolve to loopback and
// read what it likes, but it cannot have the browser send another Host. Requests
// without one come from no browser.
func named(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "" || isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// complaint is the body of an answer that is none: what is wrong, and what to do
// next.
type complaint struct {
	Error string `json:"error"`
	Next  string `json:"next,omitempty"`
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func refuse(w http.ResponseWriter, status int, wrong, next string) {
	answer(w, status, complaint{wrong, next})
}

// methods lets through requests of these methods.
func methods(h http.HandlerFunc, allowed ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(allowed, r.Method) {
			h(w, r)
			return
		}
		list := strings.Join(allowed, ", ")
		w.Header().Set("Allow", list)
		refuse(w, http.StatusMethodNotAllowed, "method is not allowed here", "use "+list)
	}
}

// reader reports whether a request may see what is not for everybody.
func (s *Server) reader(r *http.Request) bool { return len(s.read) == 0 || s.read.shown(r.Header) }

// forReaders lets through who may read.
func (s *Server) forReaders(h http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.reader(r) {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="larder"`)
		refuse(w, http.StatusUnauthorized, "a token is needed", "send Authorization: Bearer TOKEN, with larder.tokens.read of the configuration")
	}
}

// byName refuses requests that call us by a name which is not ours, unless they
// show what a page of a stranger could not know.
func (s *Server) byName(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.local && !named(r) && !s.read.shown(r.Header) {
			refuse(w, http.StatusForbidden, "Host is not a name of this machine", "call it localhost, 127.0.0.1 or [::1], or show the token for reading")
			return
		}
		h(w, r)
	}
}
