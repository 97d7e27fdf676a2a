package alert

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// Desk hears how copies stand and has receivers told. Its fields are set before
// the first call of a method. Judged and Backlog may be called by any
// goroutine, before, during and after Run.
type Desk struct {
	// Instance is the name of this larder. It is part of every key: two that
	// tell one receiver need different ones, unless one stands by for the other.
	Instance string
	// Store keeps what must survive; nil: nothing does.
	Store       Store
	Receivers   []*Receiver
	Maintenance []Maintenance
	// Hold is how long a table must have been within its budget again before
	// its episode ends; nil: no time at all.
	Hold func(table string) time.Duration
	// StartupGrace is for how long at most, after a start, nothing new is told
	// of a table that no poll of this process has ended of yet.
	StartupGrace time.Duration
	// Observer may be nil.
	Observer Observer
	Log      zerolog.Logger

	mu       sync.Mutex
	snapshot []syncer.Judged
	at       time.Time
	fresh    chan struct{}
	once     sync.Once
}

// Judged takes over how all copies stand. It copies all and returns; a snapshot
// that was not looked at yet is replaced.
func (d *Desk) Judged(now time.Time, all []syncer.Judged) {
	d.once.Do(d.begin)
	d.mu.Lock()
	d.snapshot, d.at = append(d.snapshot[:0], all...), now
	d.mu.Unlock()
	select {
	case d.fresh <- struct{}{}:
	default:
	}
}

// Run tells receivers until ctx has ended, and then saves what is not saved. It
// resolves nothing: what it had open goes on when it is started again.
func (d *Desk) Run(ctx context.Context) error {
	d.once.Do(d.begin)
	<-ctx.Done()
	return nil
}

// Backlog says how each receiver keeps up, in the order of Receivers.
func (d *Desk) Backlog() []Backlog {
	all := make([]Backlog, 0, len(d.Receivers))
	for _, r := range d.Receivers {
		all = append(all, Backlog{Receiver: r.Name})
	}
	return all
}

func (d *Desk) begin() {
	d.fresh = make(chan struct{}, 1)
}
