package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// LoginOptions say how a session is begun and how its token is sent.
type LoginOptions struct {
	// URL is where the login is posted to, at the owner's own origin.
	URL string
	// Headers go with the login.
	Headers []Pair
	// Body is what is posted, and ContentType what it is. In a form secrets are
	// escaped as forms are, elsewhere they are written as JSON texts.
	Body        []Chunk
	ContentType string
	Form        bool
	// Token is where the answer holds the token. One from a cookie goes back as
	// that cookie, any other in Header, after Scheme, which may be "".
	Token          Place
	Header, Scheme string
	// Expires is where the answer says how long the session lasts; its zero
	// value: nowhere. Lasts is how long it does where that is known; 0: it is not.
	Expires Place
	Lasts   time.Duration
}

// Chunk is a part of a body: a literal or, if that is "", a secret.
type Chunk struct {
	Literal string
	Secret  Secret
}

// Place is where a value stands in an answer: in a header, a cookie, or behind
// steps into a JSON body.
type Place struct {
	Header, Cookie string
	Steps          []Step
}

// Step picks a member of an object by its name, or by Index from an array, where
// that is not negative.
type Step struct {
	Name  string
	Index int
}

// IsZero reports whether it is no place.
func (p Place) IsZero() bool { return p.Header == "" && p.Cookie == "" && p.Steps == nil }

// Login sends the token of a session, for which it logs in when the first
// request needs it, and again shortly before it ends or when the owner refuses
// it: once for all who wait at one time.
func Login(o LoginOptions) Authenticator {
	s := &session{options: o}
	names, from := split(o.Headers)
	s.headers = names
	for _, c := range o.Body {
		if c.Literal == "" {
			from = append(from, c.Secret)
		}
	}
	s.secrets = hold(longEnough, from...)
	s.renewal = newRenewal(func(ctx context.Context, via http.RoundTripper) (*grant, error) {
		return retried(ctx, s.secrets, func(values []string) (*grant, error) { return s.login(ctx, via, values) })
	})
	return s
}

type session struct {
	options LoginOptions
	headers []string // their names
	secrets *secrets
	renewal *renewal
}

// Apply implements Authenticator.
func (s *session) Apply(r *http.Request, via http.RoundTripper) (int, error) {
	g, number, err := s.renewal.get(r.Context(), via)
	if err != nil {
		return 0, err
	}
	o := s.options
	switch {
	case o.Token.Cookie != "":
		setCookie(r, o.Token.Cookie, g.token)
	case o.Scheme != "":
		r.Header.Set(o.Header, o.Scheme+" "+g.token)
	default:
		r.Header.Set(o.Header, g.token)
	}
	return number, nil
}

// setCookie puts a cookie in place of the one of that name, as it was received.
func setCookie(r *http.Request, name, value string) {
	var kept []string
	for _, c := range strings.Split(strings.Join(r.Header.Values("Cookie"), "; "), "; ") {
		if c != "" && !strings.HasPrefix(c, name+"=") {
			kept = append(kept, c)
		}
	}
	r.Header.Set("Cookie", strings.Join(append(kept, name+"="+value), "; "))
}

// Refused implements Authenticator.
func (s *session) Refused(ctx context.Context, number int) (bool, error) {
	return s.renewal.refuse(ctx, number, s.secrets)
}

// Refusal implements Authenticator.
func (s *session) Refusal(status int) bool { return status == http.StatusUnauthorized }

// Strip implements Authenticator.
func (s *session) Strip(*url.URL) {}

// Secrets implements Authenticator.
func (s *session) Secrets() []string { return slices.Concat(s.secrets.Secrets(), s.renewal.tokens()) }

// login begins a session. A redirect may bring the token along, but is not
// followed.
func (s *session) login(ctx context.Context, via http.RoundTripper, values []string) (*grant, error) {
	r, err := s.request(ctx, values)
	if err != nil {
		return nil, deniedLogin("its URL is none")
	}
	resp, err := bounded{via}.RoundTrip(r)
	if err != nil {
		if large, ok := errors.AsType[answerTooLarge](err); ok {
			return nil, &TokenError{Step: logIn, Cause: large}
		}
		return nil, &TokenError{Step: logIn, Cause: network{err}, passes: true}
	}
	if resp.StatusCode >= 400 || resp.StatusCode < 200 {
		return nil, &TokenError{Step: logIn, Status: resp.StatusCode, Header: resp.Header}
	}
	return s.read(resp, time.Now())
}

// logIn is the step that errors name.
const logIn = "log in"

// deniedLogin is an answer that is no success, whatever its status says.
func deniedLogin(format string, args ...any) error {
	return &TokenError{Step: logIn, Cause: fmt.Errorf(format, args...), denied: true}
}

// request is the login. Values are those of the headers and of the body's secrets.
func (s *session) request(ctx context.Context, values []string) (*http.Request, error) {
	secrets := values[len(s.headers):]
	var body bytes.Buffer
	for _, c := range s.options.Body {
		if c.Literal != "" {
			body.WriteString(c.Literal)
			continue
		}
		if s.options.Form {
			body.WriteString(url.QueryEscape(secrets[0]))
		} else {
			body.Write(jsonText(secrets[0]))
		}
		secrets = secrets[1:]
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.URL, &body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", s.options.ContentType)
	r.Header.Set("Accept", "application/json")
	for i, name := range s.headers {
		r.Header.Set(name, values[i])
	}
	return r, nil
}

// jsonText is a text as JSON writes it.
func jsonText(s string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // no text fails to encode
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// read finds the session in the answer, which is at hand whole.
func (s *session) read(resp *http.Response, now time.Time) (*grant, error) {
	o := s.options
	a := answer{resp: resp}
	body, _ := io.ReadAll(resp.Body)
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	decoder.UseNumber()
	_ = decoder.Decode(&a.body) // what is no JSON has no token in it
	token, ok := a.text(o.Token)
	switch {
	case !ok || token == "":
		if resp.StatusCode >= 300 {
			return nil, &TokenError{Step: logIn, Status: resp.StatusCode, Header: resp.Header}
		}
		return nil, deniedLogin("answer holds no token in its place")
	case len(token) > maxToken:
		return nil, deniedLogin("token is too long")
	case !visible(token):
		return nil, deniedLogin("token holds what no header can")
	}
	life, err := o.life(a, now)
	switch {
	case err != nil:
		return nil, err
	case life < 0:
		return nil, deniedLogin("session has ended already")
	case life == 0:
		return newGrant(token, time.Time{}, now), nil
	}
	return newGrant(token, now.Add(life), now), nil
}

// life is how long the session lasts; 0: it is not known.
func (o LoginOptions) life(a answer, now time.Time) (time.Duration, error) {
	switch {
	case o.Lasts > 0:
		return o.Lasts, nil
	case !o.Expires.IsZero():
		text, ok := a.text(o.Expires)
		if !ok || text == "" {
			return 0, nil
		}
		life, ok := readLife(text, dated(a.resp.Header, now))
		if !ok {
			return 0, deniedLogin("what stands in the place of its end is neither a number of seconds nor a time")
		}
		return life, nil
	case o.Token.Cookie != "":
		return a.cookieLife(o.Token.Cookie, now), nil
	}
	return 0, nil
}
