package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	maxTokenAnswer = 64 << 10
	maxToken       = 16 << 10
)

// grant is what a token endpoint granted.
type grant struct {
	// header is the value of Authorization.
	header string
	// ends is when the token is not to be used any more; zero: not known.
	ends time.Time
	// refresh is the refresh token to go on with.
	refresh string
}

// lasts reports whether the token may be used. A machine that slept has stopped
// its monotonic clock, so the wall's counts, too.
func (g *grant) lasts(now time.Time) bool {
	return g.ends.IsZero() || now.Before(g.ends) && now.Round(0).Before(g.ends.Round(0))
}

// endpoint asks for tokens. It is used by one goroutine at a time.
type endpoint struct {
	options OAuth2Options
	client  *http.Client
	// style is how the client's credentials were taken before.
	style oauth2.AuthStyle
}

func newEndpoint(o OAuth2Options) *endpoint {
	client := &http.Client{}
	if o.Client != nil {
		*client = *o.Client
	}
	if client.Timeout == 0 {
		client.Timeout = tokenTimeout
	}
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	client.Transport = bounded{base}
	// A redirect could carry the client's credentials elsewhere.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &endpoint{options: o, client: client}
}

// ask asks for a token, by a refresh token or, with "", by the client's own
// credentials. Where the endpoint refuses the client, it may be that it wants
// its credentials in the form.
func (e *endpoint) ask(ctx context.Context, refresh string) (*grant, error) {
	style := e.style
	switch {
	case e.options.ClientSecret == "":
		style = oauth2.AuthStyleInParams
	case style == oauth2.AuthStyleAutoDetect:
		style = oauth2.AuthStyleInHeader
	}
	g, err := e.askAs(ctx, refresh, style)
	if err != nil && e.style == oauth2.AuthStyleAutoDetect && style == oauth2.AuthStyleInHeader && refusesClient(err) {
		style = oauth2.AuthStyleInParams
		if other, otherErr := e.askAs(ctx, refresh, style); !refusesClient(otherErr) {
			g, err = other, otherErr
		}
	}
	if err == nil {
		e.style = style
	}
	return g, err
}

// refusesClient reports whether it was the client that was refused, by an
// endpoint that says so or says nothing.
func refusesClient(err error) bool {
	refused, ok := errors.AsType[*TokenError](err)
	return ok && (refused.Code == "invalid_client" || refused.Code == "unauthorized_client" || refused.Code == "invalid_request" ||
		refused.Code == "" && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusBadRequest || refused.Status == http.StatusForbidden))
}

func (e *endpoint) askAs(ctx context.Context, refresh string, style oauth2.AuthStyle) (*grant, error) {
	params := url.Values{}
	for name, value := range e.options.Params {
		params.Set(name, value)
	}
	if refresh != "" {
		params.Set("grant_type", "refresh_token")
		params.Set("refresh_token", refresh)
	}
	c := clientcredentials.Config{
		ClientID: e.options.ClientID, ClientSecret: e.options.ClientSecret, TokenURL: e.options.TokenURL,
		Scopes: e.options.Scopes, EndpointParams: params, AuthStyle: style,
	}
	token, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, e.client))
	if err != nil {
		return nil, explain(err)
	}
	return readGrant(token, time.Now())
}

// readGrant checks what goes into a header.
func readGrant(token *oauth2.Token, now time.Time) (*grant, error) {
	if len(token.AccessToken) > maxToken || len(token.RefreshToken) > maxToken {
		return nil, &TokenError{Cause: errors.New("token is too long")}
	}
	if !visible(token.AccessToken) || !visible(token.Type()) {
		return nil, &TokenError{Cause: errors.New("token holds what no header can")}
	}
	g := &grant{header: token.Type() + " " + token.AccessToken, refresh: token.RefreshToken}
	if !token.Expiry.IsZero() {
		life := max(token.Expiry.Sub(now), 0)
		g.ends = token.Expiry.Add(-min(longestSkew, life/4))
	}
	return g, nil
}

// visible reports whether s is of the characters that tokens are made of.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// TokenError says that a token endpoint gave no token. It shows neither the
// endpoint's URL nor anything of its answer but RFC 6749's error code.
type TokenError struct {
	// Status is the endpoint's answer; 0 where there was none, or none that
	// failed.
	Status int
	// Code is RFC 6749's: invalid_client, invalid_grant and so on. "" if there
	// was none.
	Code string
	// Cause is what went wrong where it was not the endpoint's refusal.
	Cause error
	// passes says that what Cause is about passes by itself, local that it is
	// about the store.
	passes, local bool
}

func (e *TokenError) Error() string {
	switch {
	case e.Cause != nil:
		return "fetch token: " + e.Cause.Error()
	case e.Code != "":
		return fmt.Sprintf("fetch token: endpoint answers %d: %s", e.Status, e.Code)
	}
	return fmt.Sprintf("fetch token: endpoint answers %d %s", e.Status, http.StatusText(e.Status))
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
	return e.Cause == nil && !e.Temporary() && (e.Code != "" || e.Status >= 400)
}

func isCode(err error, code string) bool {
	refused, ok := errors.AsType[*TokenError](err)
	return ok && refused.Code == code
}

// explain makes a TokenError of what the exchange says, whose texts hold URLs
// and answers.
func explain(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return &TokenError{Status: refused.Response.StatusCode, Code: known(refused.ErrorCode)}
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

// bounded reads answers whole, so that one that breaks off is an error of the
// network and none is endless.
type bounded struct{ base http.RoundTripper }

type answerTooLarge struct{}

func (answerTooLarge) Error() string {
	return fmt.Sprintf("endpoint's answer is larger than %d bytes", maxTokenAnswer)
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	_ = resp.Body.Close()
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxTokenAnswer:
		return nil, answerTooLarge{}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
