package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// endpoint asks for tokens. It is used by one goroutine at a time.
type endpoint struct {
	url    string
	scopes []string
	client *http.Client
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
	return &endpoint{url: o.TokenURL, scopes: o.Scopes, client: client}
}

// ask asks for a token, by a refresh token or, with "", by the client's own
// credentials. Where the endpoint refuses the client, it may be that it wants
// its credentials in the form.
func (e *endpoint) ask(ctx context.Context, c client, refresh string) (*grant, error) {
	style := e.style
	switch {
	case c.secret == "":
		style = oauth2.AuthStyleInParams
	case style == oauth2.AuthStyleAutoDetect:
		style = oauth2.AuthStyleInHeader
	}
	g, err := e.askAs(ctx, c, refresh, style)
	if err != nil && e.style == oauth2.AuthStyleAutoDetect && style == oauth2.AuthStyleInHeader && refusesClient(err) {
		style = oauth2.AuthStyleInParams
		if other, otherErr := e.askAs(ctx, c, refresh, style); !refusesClient(otherErr) {
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

func (e *endpoint) askAs(ctx context.Context, who client, refresh string, style oauth2.AuthStyle) (*grant, error) {
	params := url.Values{}
	for name, value := range who.params {
		params.Set(name, value)
	}
	if refresh != "" {
		params.Set("grant_type", "refresh_token")
		params.Set("refresh_token", refresh)
	}
	c := clientcredentials.Config{
		ClientID: who.id, ClientSecret: who.secret, TokenURL: e.url,
		Scopes: e.scopes, EndpointParams: params, AuthStyle: style,
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
	g := newGrant(token.AccessToken, token.Expiry, now)
	g.kind, g.refresh = token.Type(), token.RefreshToken
	return g, nil
}

// visible reports whether s is of the characters that tokens are made of.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
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
