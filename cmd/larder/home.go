package main

import (
	"context"
	"sync"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// atHome opens home when it is first needed: a command that neither polls nor
// renews a token leaves no file behind. Where it cannot be opened, each call
// tries again and fails by the reason. It is an auth.TokenStore, a
// syncer.History and an alert.Store, and safe for concurrent use.
type atHome struct {
	options home.Options

	mu   sync.Mutex
	open *home.Home // nil: not yet
}

func (a *atHome) use(ctx context.Context) (*home.Home, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open != nil {
		return a.open, nil
	}
	h, err := home.Open(ctx, a.options)
	if err != nil {
		return nil, err
	}
	a.open = h
	return h, nil
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

func (a *atHome) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		return nil
	}
	h := a.open
	a.open = nil
	return h.Close()
}

// history is where polls are remembered. Polling must go on without it, so
// trouble is only told.
func (p *parts) history(ctx context.Context) syncer.History {
	if _, err := p.home.use(ctx); err != nil {
		p.log.Warn().Err(err).Msg("poll history is not kept")
	}
	return p.home
}
