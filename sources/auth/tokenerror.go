package auth

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// TokenError says that there are no credentials for a request: a token endpoint
// or a login gave none. It shows neither the endpoint's URL nor anything of its
// answer but RFC 6749's error code.
type TokenError struct {
	// Step is what was tried; "" is to fetch a token.
	Step string
	// Status is the endpoint's answer; 0 where there was none, or none that
	// failed.
	Status int
	// Header is that of an answer that failed, to be judged, never to be shown.
	Header http.Header
	// Code is RFC 6749's: invalid_client, invalid_grant and so on. "" if there
	// was none.
	Code string
	// Cause is what went wrong where it was not the endpoint's refusal.
	Cause error
	// Unread says why the refused credentials could not be read again; nil: they
	// were, or they stand in the configuration itself.
	Unread error
	// passes says that what Cause is about passes by itself, local that it is
	// about the store, denied that it is a refusal in other words.
	passes, local, denied bool
}

func (e *TokenError) Error() string {
	text := cmp.Or(e.Step, "fetch token") + ": "
	switch {
	case e.Cause != nil:
		text += e.Cause.Error()
	case e.Code != "":
		text += fmt.Sprintf("endpoint answers %d: %s", e.Status, e.Code)
	default:
		text += fmt.Sprintf("endpoint answers %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Unread != nil {
		text += "; " + e.Unread.Error()
	}
	return text
}

func (e *TokenError) Unwrap() error { return e.Cause }

// Temporary reports whether asking again may help.
func (e *TokenError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.passes || e.Status >= 500 || e.Code == "temporarily_unavailable" || e.Code == "server_error"
}

// Local reports whether it was the store, and not the endpoint.
func (e *TokenError) Local() bool { return e.local }

// Refused reports whether the endpoint does not grant a token to these
// credentials.
func (e *TokenError) Refused() bool {
	return e.denied || e.Cause == nil && !e.Temporary() && (e.Code != "" || e.Status >= 400)
}

func isCode(err error, code string) bool {
	refused, ok := errors.AsType[*TokenError](err)
	return ok && refused.Code == code
}

// explain makes a TokenError of what the exchange says, whose texts hold URLs
// and answers.
func explain(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return &TokenError{Status: refused.Response.StatusCode, Header: refused.Response.Header, Code: known(refused.ErrorCode)}
	}
	if reached, ok := errors.AsType[*url.Error](err); ok {
		if large, ok := errors.AsType[answerTooLarge](err); ok {
			return &TokenError{Cause: large}
		}
		return &TokenError{Cause: network{reached.Err}, passes: true}
	}
	return &TokenError{Cause: errors.New("endpoint's answer holds no token")}
}

// network is an error on the way to the endpoint. Errors of the network and of
// certificates speak for themselves; what is said of an answer that is not HTTP
// quotes it, and it may hold a token.
type network struct{ cause error }

func (n network) Error() string {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(n.cause, &op):
		return "reach endpoint: " + op.Error()
	case errors.As(n.cause, &certificate):
		return "reach endpoint: " + certificate.Error()
	case errors.As(n.cause, &timeout) && timeout.Timeout():
		return "reach endpoint: takes too long"
	}
	return "reach endpoint: its answer breaks off or is not HTTP"
}

func (n network) Unwrap() error { return n.cause }

// known is an error code if it could be one.
func known(code string) string {
	const limit = 64
	if len(code) > limit || strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		return "unknown"
	}
	return code
}
