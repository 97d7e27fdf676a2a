package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
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
	ClientID, ClientSecret string
	// RefreshToken is the first of its line: where the endpoint answers with
	// another one, that one takes its place.
	RefreshToken string
	Scopes       []string
	// Params are further parameters of the token request, such as audience.
	Params map[string]string
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

// Renewing is an Authenticator that can have its credentials anew.
type Renewing interface {
	Authenticator
	// Refused says that the owner refused the credentials on r, as Apply put
	// them there, and reports whether it can put others.
	Refused(r *http.Request) bool
}

const (
	tokenTimeout = 30 * time.Second
	// longestSkew is how long before its end a token is not used any more: what
	// a request and the difference of two clocks may take. Of a short-lived
	// token it is a quarter of its life.
	longestSkew = 30 * time.Second
	// parting is how long who gives up waits for a token that is on its way.
	parting = 5 * time.Second
)

// OAuth2 sends access tokens of an OAuth 2.0 token endpoint (RFC 6749). It
// fetches one when the first request needs it, and another one shortly before
// it ends or when the owner refuses it, for all who wait at one time. The
// error of Apply is a *TokenError or the context's. A fetch by a refresh token
// goes on without those who gave up, until its answer is kept or Client's timeout
// has passed.
func OAuth2(o OAuth2Options) Authenticator {
	t := &tokens{options: o, endpoint: newEndpoint(o), turn: make(chan struct{}, 1), name: o.name()}
	t.now.refresh = o.RefreshToken
	return t
}

// name is by what the refresh token is kept. Another one in the configuration
// begins a line of its own.
func (o OAuth2Options) name() string {
	h := sha256.New()
	for _, part := range []string{o.TokenURL, o.ClientID, o.RefreshToken} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// secretParams are the values of Params, any of which may be a credential, but
// for what the standards have said in the open, and for what is too short to be
// one: to hide that would make every text unreadable.
func (o OAuth2Options) secretParams() []string {
	var all []string
	for name, value := range o.Params {
		switch name {
		case "audience", "resource", "client_assertion_type", "subject_token_type", "requested_token_type":
			continue
		}
		if len(value) >= 4 {
			all = append(all, value)
		}
	}
	return all
}

// tokens is the Authenticator: the token in use, and how another one is had.
type tokens struct {
	options  OAuth2Options
	endpoint *endpoint
	name     string
	// turn is held by who fetches a token: others wait for what it gets.
	turn chan struct{}
	// loaded and kept belong to who holds turn: whether the store was asked,
	// and whether it has what is in use.
	loaded bool
	kept   string

	mu  sync.Mutex
	now inUse
}

// inUse is what is known at one moment. Guarded by tokens.mu.
type inUse struct {
	access, before *grant // nil: none
	refresh        string
	// failures counts fetches that failed, failed is what the last one said.
	failures int
	failed   error
}

// Apply implements Authenticator.
func (t *tokens) Apply(r *http.Request) error {
	g, err := t.grant(r.Context())
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", g.header)
	return nil
}

// grant is the token in use, or a new one.
func (t *tokens) grant(ctx context.Context) (*grant, error) {
	g, failures := t.peek()
	if g != nil {
		return g, nil
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	switch {
	case ctx.Err() != nil:
		<-t.turn
		return nil, context.Cause(ctx)
	case t.options.RefreshToken != "":
		return t.detached(ctx, failures)
	}
	defer func() { <-t.turn }()
	return t.inTurn(ctx, failures)
}

// detached is inTurn for a token that may replace another one, which is void
// once the endpoint has it: if nobody read the answer, both would be lost. So
// who gives up leaves the fetch to end by itself, which the client's timeout
// sees to. Who is told to stop waits a while, since the process may end next.
func (t *tokens) detached(ctx context.Context, failures int) (*grant, error) {
	fetched := make(chan granted, 1)
	go func() {
		defer func() { <-t.turn }()
		g, err := t.inTurn(context.WithoutCancel(ctx), failures)
		fetched <- granted{g, err}
	}()
	select {
	case got := <-fetched:
		return got.grant, got.err
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case <-fetched:
		case <-time.After(parting):
		}
	}
	return nil, context.Cause(ctx)
}

// granted is what came of a fetch.
type granted struct {
	grant *grant
	err   error
}

// inTurn is the token in use, or a new one, or what others were told since
// there were so many failures. The caller holds turn.
func (t *tokens) inTurn(ctx context.Context, failures int) (*grant, error) {
	if g, _ := t.peek(); g != nil {
		return g, nil
	}
	t.mu.Lock()
	failed := t.now.failed
	if t.now.failures == failures {
		failed = nil
	}
	t.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	return t.renew(ctx)
}

// peek is the token in use, nil if there is none that lasts, and how many
// fetches have failed so far.
func (t *tokens) peek() (*grant, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.now.access; g != nil && g.lasts(time.Now()) {
		return g, t.now.failures
	}
	return nil, t.now.failures
}

// renew fetches a token. The caller holds turn.
func (t *tokens) renew(ctx context.Context) (*grant, error) {
	g, err := t.fetch(ctx)
	if ctx.Err() != nil && err != nil {
		return nil, context.Cause(ctx) // says nothing about the endpoint
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.now.failures++
		t.now.failed = err
		return nil, err
	}
	if t.now.access != nil {
		t.now.before = t.now.access
	}
	t.now.access = g
	return g, nil
}

// fetch asks the endpoint, with the refresh token that is in use.
func (t *tokens) fetch(ctx context.Context) (*grant, error) {
	if t.options.RefreshToken == "" {
		return t.endpoint.ask(ctx, "")
	}
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	used := t.refresh()
	g, err := t.endpoint.ask(ctx, used)
	if isCode(err, "invalid_grant") {
		// Another process of the same home may have gone on with the line.
		t.loaded = false
		if again := t.load(ctx); again != nil || t.refresh() == used {
			return nil, err
		}
		g, err = t.endpoint.ask(ctx, t.refresh())
	}
	if err != nil {
		return nil, err
	}
	if g.refresh != "" {
		t.mu.Lock()
		t.now.refresh = g.refresh
		t.mu.Unlock()
	}
	t.keep(ctx)
	return g, nil
}

func (t *tokens) refresh() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now.refresh
}

// load asks the store, once, what became of the refresh token.
func (t *tokens) load(ctx context.Context) error {
	if t.loaded || t.options.Store == nil {
		return nil
	}
	stored, err := t.options.Store.Token(ctx, t.name)
	if err != nil {
		return &TokenError{Cause: fmt.Errorf("read refresh token: %w", err), passes: true, local: true}
	}
	t.loaded = true
	if stored != "" && stored != t.kept {
		t.kept = stored
		t.mu.Lock()
		t.now.refresh = stored
		t.mu.Unlock()
	}
	return nil
}

// keep stores a refresh token that is not the one the line began with or that
// the store has.
func (t *tokens) keep(ctx context.Context) {
	token := t.refresh()
	if t.options.Store == nil || token == t.kept || t.kept == "" && token == t.options.RefreshToken {
		return
	}
	err := t.options.Store.KeepToken(ctx, t.name, token)
	if err == nil {
		t.kept = token
	} else if t.options.Unkept != nil {
		t.options.Unkept(fmt.Errorf("keep refresh token: %w", err))
	}
}

// Refused implements Renewing. A token that others have replaced already stays.
func (t *tokens) Refused(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.now.access; g != nil && g.header == r.Header.Get("Authorization") {
		t.now.before, t.now.access = g, nil
	}
	return true
}

// Strip implements Authenticator.
func (t *tokens) Strip(*url.URL) {}

// Secrets implements Authenticator. They change with every token.
func (t *tokens) Secrets() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append(t.options.secretParams(), t.options.ClientSecret, t.options.RefreshToken, t.now.refresh)
	if t.options.ClientSecret != "" {
		pair := url.QueryEscape(t.options.ClientID) + ":" + url.QueryEscape(t.options.ClientSecret)
		all = append(all, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	for _, g := range []*grant{t.now.access, t.now.before} {
		if g != nil {
			_, token, _ := strings.Cut(g.header, " ")
			all = append(all, token)
		}
	}
	return all
}
