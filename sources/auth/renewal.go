package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// longestSkew is how long before its end a grant is not used any more: what a
// request and the difference of two clocks may take. Of a short-lived one it is
// a quarter of its life.
const longestSkew = 30 * time.Second

// parting is how long who is told to stop waits for a grant that is on its way
// and would be lost otherwise. Supervisors commonly kill 30 seconds after they
// asked a process to stop.
const parting = 25 * time.Second

// settling is how long a grant that took the place of a refused one is kept when
// the owner refuses it, too: it may be one endpoint that refuses everybody, and
// the owner would see a login for each request there. It bounds for how long a
// grant that ended so early stays in use.
const settling = time.Minute

// grant is what an endpoint granted: a token or a session.
type grant struct {
	token string
	// ends is when it is not to be used any more; zero: not known.
	ends time.Time
	// kind is OAuth2's type of the token, refresh its refresh token to go on with.
	kind, refresh string
	// secrets is the number of those it was granted for.
	secrets int
}

// newGrant is a token that lives until then, seen now; zero: it is not known
// until when.
func newGrant(token string, until, now time.Time) *grant {
	g := &grant{token: token}
	if !until.IsZero() {
		life := max(until.Sub(now), 0)
		g.ends = until.Add(-min(longestSkew, life/4))
	}
	return g
}

// lasts reports whether the grant may be used. A machine that slept has stopped
// its monotonic clock, so the wall's counts, too.
func (g *grant) lasts(now time.Time) bool {
	return g.ends.IsZero() || now.Before(g.ends) && now.Round(0).Before(g.ends.Round(0))
}

// renewal holds the grant in use, and has another one fetched for all who wait
// at one time.
type renewal struct {
	// fetch asks for a grant, and is called by one goroutine at a time.
	fetch func(ctx context.Context, via http.RoundTripper) (*grant, error)
	// outlives says that a fetch goes on without those who gave up.
	outlives bool
	// turn is held by who fetches: others wait for what it gets.
	turn chan struct{}

	mu     sync.Mutex
	now    *grant // nil: none
	number int    // of now, or of the last one there was
	before []string
	// refused says that the last grant is out of use because the owner refused
	// it, replaced when another one took the place of such a grant.
	refused  bool
	replaced time.Time
	// failures counts fetches that failed, failed is what the last one said.
	failures int
	failed   error
}

func newRenewal(fetch func(context.Context, http.RoundTripper) (*grant, error)) *renewal {
	return &renewal{fetch: fetch, turn: make(chan struct{}, 1)}
}

// granted is what came of a fetch.
type granted struct {
	grant  *grant
	number int
	err    error
}

// get is the grant in use, or a new one, and its number.
func (n *renewal) get(ctx context.Context, via http.RoundTripper) (*grant, int, error) {
	got, failures := n.peek()
	if got.grant != nil {
		return got.grant, got.number, nil
	}
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	switch {
	case ctx.Err() != nil:
		<-n.turn
		return nil, 0, context.Cause(ctx)
	case n.outlives:
		got = n.detached(ctx, via, failures)
	default:
		got = n.inTurn(ctx, via, failures)
		<-n.turn
	}
	return got.grant, got.number, got.err
}

// detached is inTurn for a grant that may replace another one, which is void
// once the endpoint has it: if nobody read the answer, both would be lost. So
// who gives up leaves the fetch to end by itself, which its client's timeout
// sees to. Who is told to stop waits, since the process may end next.
func (n *renewal) detached(ctx context.Context, via http.RoundTripper, failures int) granted {
	fetched := make(chan granted, 1)
	go func() {
		defer func() { <-n.turn }()
		fetched <- n.inTurn(context.WithoutCancel(ctx), via, failures)
	}()
	select {
	case got := <-fetched:
		return got
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case <-fetched:
		case <-time.After(parting):
		}
	}
	return granted{err: context.Cause(ctx)}
}

// inTurn is the grant in use, or a new one, or what others were told since
// there were so many failures. The caller holds turn.
func (n *renewal) inTurn(ctx context.Context, via http.RoundTripper, failures int) granted {
	if got, _ := n.peek(); got.grant != nil {
		return got
	}
	n.mu.Lock()
	failed := n.failed
	if n.failures == failures {
		failed = nil
	}
	n.mu.Unlock()
	if failed != nil {
		return granted{err: failed}
	}
	g, err := n.fetch(ctx, via)
	if ctx.Err() != nil && err != nil {
		return granted{err: context.Cause(ctx)} // says nothing about the endpoint
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.failures++
		n.failed = err
		return granted{err: err}
	}
	n.retire()
	n.now = g
	n.number++
	if n.refused {
		n.refused, n.replaced = false, time.Now()
	}
	return granted{g, n.number, nil}
}

// peek is the grant in use, none if there is none that lasts, and how many
// fetches have failed so far.
func (n *renewal) peek() (granted, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now != nil && n.now.lasts(time.Now()) {
		return granted{n.now, n.number, nil}, n.failures
	}
	return granted{}, n.failures
}

// refuse hears that the owner refused the grant of that number, and reports
// whether there is another one to be had. The secrets that it was granted for are
// read again first: an endpoint may take those for a while that the owner does
// not. If they are the same, a grant that took the place of a refused one stays
// in use while it settles. The error says why they could not be read.
func (n *renewal) refuse(ctx context.Context, number int, from *secrets) (bool, error) {
	g := n.current(number)
	if g == nil {
		return true, nil // others have replaced it already, or are about to
	}
	others, err := from.Refused(ctx, g.secrets)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.now != g:
	case !others && time.Since(n.replaced) < settling:
		return false, err
	default:
		n.retire()
		n.refused = true
	}
	return true, err
}

// current is the grant of that number, while it is in use.
func (n *renewal) current(number int) *grant {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.number != number {
		return nil
	}
	return n.now
}

// retire puts the grant out of use. The caller holds mu.
func (n *renewal) retire() {
	if n.now == nil {
		return
	}
	n.before = append([]string{n.now.token}, n.before...)
	n.before = n.before[:min(len(n.before), mostBefore)]
	n.now = nil
}

// tokens are the tokens in use and before.
func (n *renewal) tokens() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Clone(n.before)
	if n.now != nil {
		all = append(all, n.now.token)
	}
	return all
}

// retried fetches a grant, and once more where the endpoint refuses secrets
// that are others by now.
func retried(ctx context.Context, from *secrets, fetch func(values []string) (*grant, error)) (*grant, error) {
	fetchFor := func() (*grant, int, error) {
		values, number := from.get()
		g, err := fetch(values)
		if err == nil {
			g.secrets = number
		}
		return g, number, err
	}
	g, number, err := fetchFor()
	refused, ok := errors.AsType[*TokenError](err)
	if !ok || !refused.Refused() {
		return g, err
	}
	other, unread := from.Refused(ctx, number)
	refused.Unread = unread
	if !other {
		return g, err
	}
	g, _, err = fetchFor()
	return g, err
}
