package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

const (
	// openTime is how long a command waits for home to be opened, and after which
	// the daemon, which waits for nothing, says that it hangs.
	openTime = 10 * time.Second
	// openAtEnd is how long the end waits for an opening that is under way.
	openAtEnd = 2 * time.Second
)

var errHomeClosed = errors.New("home is closed")

// atHome opens home when it is first needed: a command that neither polls nor
// renews a token leaves no file behind. Where it cannot be opened, each call
// tries again and fails by the reason. It is opened apart from the calls, and
// once at a time: where the disk hangs, each waits as long as its context lasts.
// It is an auth.TokenStore, a syncer.History and an alert.Store, and safe for
// concurrent use.
type atHome struct {
	options home.Options
	opens   func(context.Context, home.Options) (*home.Home, error)

	mu      sync.Mutex
	open    *home.Home // nil: not yet
	opening *opening   // nil: none is under way
	over    bool
}

// opening is one try to open home. What it came to is written before done is
// closed.
type opening struct {
	done chan struct{}
	home *home.Home
	err  error
}

func newAtHome(o home.Options) *atHome { return &atHome{options: o, opens: home.Open} }

func (a *atHome) use(ctx context.Context) (*home.Home, error) {
	a.mu.Lock()
	h, o := a.open, a.opening
	switch {
	case a.over:
		a.mu.Unlock()
		return nil, errHomeClosed
	case h == nil && o == nil:
		o = &opening{done: make(chan struct{})}
		a.opening = o
		go a.try(context.WithoutCancel(ctx), o)
	}
	a.mu.Unlock()
	if h != nil {
		return h, nil
	}
	select {
	case <-o.done:
		return o.home, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("open home: %w", ctx.Err())
	}
}

// try opens home for all who wait. What is opened after the end is closed again.
func (a *atHome) try(ctx context.Context, o *opening) {
	defer close(o.done)
	o.home, o.err = a.opens(ctx, a.options)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opening = nil
	switch {
	case o.err != nil:
	case a.over:
		o.home, o.err = nil, errors.Join(errHomeClosed, o.home.Close())
	default:
		a.open = o.home
	}
}

// Token implements auth.TokenStore.
func (a *atHome) Token(ctx context.Context, name string) (string, error) {
	h, err := a.use(ctx)
	if err != nil {
		return "", err
	}
	return h.Token(ctx, name)
}

// KeepToken implements auth.TokenStore.
func (a *atHome) KeepToken(ctx context.Context, name, token string) error {
	h, err := a.use(ctx)
	if err != nil {
		return err
	}
	return h.KeepToken(ctx, name, token)
}

// Record implements syncer.History.
func (a *atHome) Record(ctx context.Context, r syncer.Report) error {
	h, err := a.use(ctx)
	if err != nil {
		return err
	}
	return h.Record(ctx, r)
}

// Load implements alert.Store.
func (a *atHome) Load(ctx context.Context) (alert.Memory, error) {
	h, err := a.use(ctx)
	if err != nil {
		return alert.Memory{}, err
	}
	return h.Load(ctx)
}

// Save implements alert.Store.
func (a *atHome) Save(ctx context.Context, c alert.Change) error {
	h, err := a.use(ctx)
	if err != nil {
		return err
	}
	return h.Save(ctx, c)
}

// Silences implements alert.Store.
func (a *atHome) Silences(ctx context.Context) ([]alert.Silence, error) {
	h, err := a.use(ctx)
	if err != nil {
		return nil, err
	}
	return h.Silences(ctx)
}

// writable says why home cannot be written; nil: it can.
func (a *atHome) writable(ctx context.Context) error {
	h, err := a.use(ctx)
	if err != nil {
		return err
	}
	return h.Writable(ctx)
}

// close closes home, for good: a call that comes later does not open it again.
func (a *atHome) close() error {
	a.mu.Lock()
	h, o := a.open, a.opening
	a.open, a.over = nil, true
	a.mu.Unlock()
	if o != nil {
		timer := time.NewTimer(openAtEnd)
		defer timer.Stop()
		select {
		case <-o.done:
		case <-timer.C:
		}
	}
	if h == nil {
		return nil
	}
	return h.Close()
}

// history is where a command's polls are remembered. Polling must go on without
// it, so trouble is only told.
func (p *parts) history(ctx context.Context) syncer.History {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if _, err := p.home.use(ctx); err != nil {
		p.log.Warn().Err(err).Msg("poll history is not kept")
	}
	return p.home
}

// openHome opens home for the daemon, which does not wait for it, and says what
// keeps it from being opened. It lasts until ctx ends.
func (p *parts) openHome(ctx context.Context) error {
	opened, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if _, err := p.home.use(opened); err != nil && ctx.Err() == nil {
		p.log.Warn().Err(err).Msg("poll history is not kept")
	}
	<-ctx.Done()
	return nil
}
