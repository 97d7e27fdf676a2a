package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// OAuth2Options say how access tokens are had: for the client's own credentials
// or, with RefreshToken, on behalf of whoever granted that.
type OAuth2Options struct {
	// TokenURL is the token endpoint.
	TokenURL string
	// ClientID and ClientSecret are the client's credentials. They go as RFC 6749
	// prefers, and in the form where the endpoint refuses that.
	ClientID, ClientSecret Secret
	// RefreshToken is the first of its line: where the endpoint answers with
	// another one, that one takes its place.
	RefreshToken Secret
	Scopes       []string
	// Params are further parameters of the token request, such as audience.
	Params []Pair
	// Store keeps what RefreshToken became; nil: it is kept in memory alone.
	Store TokenStore
	// Unkept, if set, hears that Store could not keep a refresh token, which is
	// in memory alone then. It is kept when the next access token is fetched.
	Unkept func(error)
	// Client sends token requests; nil: one of 30 seconds' patience. It follows
	// no redirects.
	Client *http.Client
}

// TokenStore keeps refresh tokens over restarts. It is safe for concurrent use.
type TokenStore interface {
	// Token is what was last kept by a name; "" if nothing was.
	Token(ctx context.Context, name string) (string, error)
	// KeepToken keeps a token by a name, in place of the one before. When it
	// returns, the token survives a crash.
	KeepToken(ctx context.Context, name, token string) error
}

// tokenTimeout bounds a token request.
const tokenTimeout = 30 * time.Second

// OAuth2 sends access tokens of an OAuth 2.0 token endpoint (RFC 6749). It
// fetches one when the first request needs it, and another one shortly before
// it ends or when the owner refuses it, for all who wait at one time. The
// error of Apply is a *TokenError or the context's. A fetch by a refresh token
// goes on without those who gave up, until its answer is kept or Client's timeout
// has passed.
func OAuth2(o OAuth2Options) Authenticator {
	from := []Secret{o.ClientID, o.ClientSecret, o.RefreshToken}
	names, values := split(o.Params)
	t := &tokens{options: o, params: names, endpoint: newEndpoint(o)}
	t.client = hold(func(values []string) []string { return t.read(values).shown() }, append(from, values...)...)
	t.renewal = newRenewal(func(ctx context.Context, _ http.RoundTripper) (*grant, error) { return t.fetch(ctx) })
	t.outlives = o.RefreshToken.Value != ""
	return t
}

// client is who asks for tokens, as the secrets stand.
type client struct {
	id, secret string
	// refresh is what the line of refresh tokens began with; "": there is none.
	refresh string
	params  map[string]string
}

// name is by what a refresh token is kept. Another one in the configuration
// begins a line of its own.
func (c client) name(endpoint string) string {
	h := sha256.New()
	for _, part := range []string{endpoint, c.id, c.refresh} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// shown is what gives the client's secrets away: any further parameter may be
// one, but for what the standards have said in the open, and for what is too
// short.
func (c client) shown() []string {
	all := []string{c.secret, c.refresh}
	if c.secret != "" {
		pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		all = append(all, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	for name, value := range c.params {
		switch name {
		case "audience", "resource", "client_assertion_type", "subject_token_type", "requested_token_type":
			continue
		}
		if len(value) >= leastSecret {
			all = append(all, value)
		}
	}
	return all
}

// tokens is the Authenticator: the token in use, and how another one is had.
type tokens struct {
	*renewal
	options  OAuth2Options
	params   []string // their names
	client   *secrets
	endpoint *endpoint
	// line belongs to who fetches.
	line line

	mu      sync.Mutex
	refresh string   // in use
	spent   []string // refresh tokens that were, the latest first
}

// line is a refresh token and what became of it.
type line struct {
	name, began string
	// loaded says that the store was asked, kept is what it has.
	loaded bool
	kept   string
}

// read gives the secrets their names.
func (t *tokens) read(values []string) client {
	c := client{id: values[0], secret: values[1], refresh: values[2], params: make(map[string]string, len(t.params))}
	for i, name := range t.params {
		c.params[name] = values[3+i]
	}
	return c
}

// Apply implements Authenticator.
func (t *tokens) Apply(r *http.Request, via http.RoundTripper) (int, error) {
	g, number, err := t.get(r.Context(), via)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", g.kind+" "+g.token)
	return number, nil
}

// Refused implements Authenticator.
func (t *tokens) Refused(ctx context.Context, number int) (bool, error) {
	return t.refuse(ctx, number, t.client)
}

// Refusal implements Authenticator.
func (t *tokens) Refusal(status int) bool { return status == http.StatusUnauthorized }

// Strip implements Authenticator.
func (t *tokens) Strip(*url.URL) {}

// Secrets implements Authenticator.
func (t *tokens) Secrets() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Concat(t.client.Secrets(), t.renewal.tokens(), []string{t.refresh}, t.spent)
}

// fetch asks for a token, and once more where the endpoint refuses a client
// whose secrets are others by now.
func (t *tokens) fetch(ctx context.Context) (*grant, error) {
	return retried(ctx, t.client, func(values []string) (*grant, error) { return t.fetchFor(ctx, t.read(values)) })
}

// fetchFor asks the endpoint, with the refresh token that is in use.
func (t *tokens) fetchFor(ctx context.Context, c client) (*grant, error) {
	if c.refresh == "" {
		return t.endpoint.ask(ctx, c, "")
	}
	if name := c.name(t.options.TokenURL); name != t.line.name {
		t.line = line{name: name, began: c.refresh}
		t.use(c.refresh)
	}
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	used := t.inUse()
	g, err := t.endpoint.ask(ctx, c, used)
	if isCode(err, "invalid_grant") {
		// Another process of the same home may have gone on with the line.
		t.line.loaded = false
		if again := t.load(ctx); again != nil || t.inUse() == used {
			return nil, err
		}
		g, err = t.endpoint.ask(ctx, c, t.inUse())
	}
	if err != nil {
		return nil, err
	}
	if g.refresh != "" {
		t.use(g.refresh)
	}
	t.keep(ctx)
	return g, nil
}

// inUse is the refresh token in use.
func (t *tokens) inUse() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refresh
}

func (t *tokens) use(refresh string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refresh != "" && t.refresh != refresh {
		t.spent = slices.Insert(t.spent, 0, t.refresh)
		t.spent = t.spent[:min(len(t.spent), mostBefore)]
	}
	t.refresh = refresh
}

// load asks the store, once, what became of the refresh token.
func (t *tokens) load(ctx context.Context) error {
	if t.line.loaded || t.options.Store == nil {
		return nil
	}
	stored, err := t.options.Store.Token(ctx, t.line.name)
	if err != nil {
		return &TokenError{Cause: fmt.Errorf("read refresh token: %w", err), passes: true, local: true}
	}
	t.line.loaded = true
	if stored != "" && stored != t.line.kept {
		t.line.kept = stored
		t.use(stored)
	}
	return nil
}

// keep stores a refresh token that is not the one the line began with or that
// the store has.
func (t *tokens) keep(ctx context.Context) {
	token := t.inUse()
	if t.options.Store == nil || token == t.line.kept || t.line.kept == "" && token == t.line.began {
		return
	}
	err := t.options.Store.KeepToken(ctx, t.line.name, token)
	if err == nil {
		t.line.kept = token
	} else if t.options.Unkept != nil {
		t.options.Unkept(fmt.Errorf("keep refresh token: %w", err))
	}
}
