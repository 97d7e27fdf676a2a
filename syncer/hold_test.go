package syncer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// shaky is a lease whose calls can be made to fail or hang.
type shaky struct {
	syncer.Lease
	renew, release func(context.Context) error
}

func (l *shaky) Renew(ctx context.Context) error {
	if l.renew != nil {
		return l.renew(ctx)
	}
	return l.Lease.Renew(ctx)
}

func (l *shaky) Release(ctx context.Context) error {
	if l.release != nil {
		return l.release(ctx)
	}
	return l.Lease.Release(ctx)
}

func TestHold(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	open := func(t *testing.T) (*pantry, *shaky, *syncer.Consumer) {
		p := newPantry(t, numbered(2, nil), 1)
		l := &shaky{Lease: p.daemons[0]}
		return p, l, &syncer.Consumer{Name: "c", Lease: l, Copies: p.Copies}
	}
	t.Run("renews as long as it takes and gives back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _, c := open(t)
			them := p.memory[0].NewDaemon("them")
			err := c.Hold(t.Context(), func(ctx context.Context) error {
				time.Sleep(10 * time.Minute)
				var held *syncer.HeldError
				if err := them.Acquire(ctx); !errors.As(err, &held) || held.Holder != "us" {
					t.Errorf("another daemon gets %v, want that we hold it", err)
				}
				p.mustPoll()
				return ctx.Err()
			})
			if err != nil {
				t.Errorf("hold: %v", err)
			}
			if err := them.Acquire(t.Context()); err != nil {
				t.Errorf("the lease is not given back: %v", err)
			}
		})
	})
	t.Run("names who holds it", func(t *testing.T) {
		p, _, c := open(t)
		if err := p.daemons[0].Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.memory[0].NewDaemon("them").Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := c.Hold(t.Context(), func(context.Context) error { t.Error("it is done without the lease"); return nil })
		var held *syncer.HeldError
		if !errors.As(err, &held) || held.Holder != "them" {
			t.Errorf("hold: %v, want that they hold it", err)
		}
	})
	for name, renew := range map[string]func(context.Context) error{
		"is lost":                         func(context.Context) error { return syncer.ErrFenced },
		"cannot be renewed":               func(context.Context) error { return errors.New("database is down") },
		"cannot be renewed, for it hangs": hang,
	} {
		t.Run("ends what it holds for when the lease "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, l, c := open(t)
				l.renew = renew
				began := time.Now()
				err := c.Hold(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return nil })
				if took := time.Since(began); err == nil || took > 2*syncer.LeaseTime {
					t.Errorf("hold: %v after %s, want why it was lost, soon", err, took)
				}
			})
		})
	}
	t.Run("a database that hangs does not hold up the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, l, c := open(t)
			l.release = hang
			began := time.Now()
			if err := c.Hold(t.Context(), func(context.Context) error { return nil }); err == nil || time.Since(began) > syncer.LeaseTime {
				t.Errorf("hold: %v after %s", err, time.Since(began))
			}
		})
	})
}
