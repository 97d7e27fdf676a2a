package auth

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// signer signs every request anew.
type signer struct {
	*secrets
	sign func(r *http.Request, body []byte, values []string) error
	// query are the parameters that signing adds.
	query []string
	// refusals are the statuses by which owners refuse signatures.
	refusals []int
}

// Apply implements Authenticator.
func (s signer) Apply(r *http.Request, _ http.RoundTripper) (int, error) {
	values, number := s.get()
	body, err := bodyOf(r)
	if err == nil {
		err = s.sign(r, body, values)
	}
	if err != nil {
		return 0, &TokenError{Step: "compute signature", Cause: err}
	}
	return number, nil
}

// Refusal implements Authenticator.
func (s signer) Refusal(status int) bool { return slices.Contains(s.refusals, status) }

// Strip implements Authenticator.
func (s signer) Strip(u *url.URL) { stripQuery(u, s.query) }

// bodyOf is the body that r will send, which stays unread.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.GetBody == nil {
		return nil, fmt.Errorf("body can be read only once")
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}
