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
//
// What is true and what was told is in its memory; the Store is a journal of
// it, written before anything is sent. Where it cannot be written alerts go out
// all the same.
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

	once   sync.Once
	fresh  chan struct{} // a snapshot waits
	jitter func(time.Duration) time.Duration
	clock  func() time.Time
	saving chan struct{} // held by the one that saves
	// calling is held during a call of the Store.
	calling chan struct{}

	// handover guards the snapshot that waits, mu all below it.
	handover sync.Mutex
	snapshot []syncer.Judged
	at       time.Time

	mu    sync.Mutex
	boxes []*box
	named map[string]*box
	// tables are the episodes that are not over, by table; episodes all in
	// memory, by ID; order the same in the order of their beginning.
	tables   map[string]*live
	episodes map[string]*live
	order    []*live
	journal  journal
	// foreign are tables of which another process may have told since this one last
	// knew how they stood; untold says that all are, because nothing is known of
	// what was told.
	foreign  map[string]bool
	untold   bool
	silences []Silence
	// silencesRead is when reading them was last tried, silenced that it went well
	// once.
	silencesRead time.Time
	silenced     bool
	woken        waking
	rounds       uint64
	last         time.Time // round
	// reconciled is when that was judged which receivers were last had told; zero:
	// nothing was, and what waits from another life may be silenced, or over.
	reconciled time.Time
	still      stillness
	// started is when Run was, loaded that the Store was read.
	started    time.Time
	loaded     bool
	storeFails bool
	restUntil  time.Time
}

// live is an episode in memory with how its copy stood in the last round.
type live struct {
	Episode
	judged syncer.Judged
	round  uint64
}

func (d *Desk) begin() {
	d.fresh = make(chan struct{}, 1)
	d.saving, d.calling = make(chan struct{}, 1), make(chan struct{}, 1)
	if d.jitter == nil {
		d.jitter = fullJitter
	}
	if d.clock == nil {
		d.clock = time.Now
	}
	d.named, d.tables, d.episodes, d.journal = map[string]*box{}, map[string]*live{}, map[string]*live{}, newJournal()
	d.foreign = map[string]bool{}
	for _, r := range d.Receivers {
		b := newBox(r)
		d.boxes, d.named[r.Name] = append(d.boxes, b), b
	}
	for _, b := range d.boxes {
		if f := d.named[b.Fallback]; f != nil && f != b && f.Mirror == nil {
			b.fallback = f
		}
	}
}

// Judged takes over how all copies stand, and returns at once; a snapshot that
// was not looked at yet is replaced.
func (d *Desk) Judged(now time.Time, all []syncer.Judged) {
	d.once.Do(d.begin)
	d.handover.Lock()
	d.snapshot, d.at = all, now
	d.handover.Unlock()
	signal(d.fresh)
}

// Run tells receivers until ctx has ended, and then saves what is not saved. It
// resolves nothing: what it had open goes on when it is started again.
func (d *Desk) Run(ctx context.Context) error {
	d.once.Do(d.begin)
	d.mu.Lock()
	d.started = d.clock()
	d.woken = waking{at: d.started}
	d.mu.Unlock()
	var senders sync.WaitGroup
	d.load(ctx, d.clock())
	for _, b := range d.boxes {
		if b.Mirror != nil {
			senders.Go(func() { d.mirror(ctx, b) })
		} else {
			senders.Go(func() { d.deliver(ctx, b) })
		}
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-d.fresh:
		}
		d.handover.Lock()
		now, all := d.at, d.snapshot
		d.handover.Unlock()
		d.round(ctx, now, all)
	}
	senders.Wait()
	d.commit(ctx)
	return nil
}

// round does all that one snapshot asks for.
func (d *Desk) round(ctx context.Context, now time.Time, all []syncer.Judged) {
	d.load(ctx, now)
	d.mu.Lock()
	d.noteGap(now)
	// What opened before it is known what was open would be another episode.
	if d.loaded || d.blind(now) {
		d.advance(now, all)
	}
	look := d.silencesDue(now)
	d.mu.Unlock()
	if look {
		d.readSilences(ctx)
	}
	d.mu.Lock()
	if d.loaded && d.silenced || d.blind(now) {
		d.reconcile(now)
		d.relieve(now)
		d.forget(now)
		d.reconciled = now
	}
	d.mu.Unlock()
	d.commit(ctx)
	d.wakeSenders()
}

// wakeSenders has those look who may have something to do.
func (d *Desk) wakeSenders() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.boxes {
		if len(b.queue) > 0 || b.changed {
			signal(b.wake)
		}
	}
}

// blind says that the Store could not be read for so long that the desk goes on
// without.
func (d *Desk) blind(now time.Time) bool { return now.Sub(d.started) >= loadWait }

// noteGap begins the grace of a start again where this process did not run for
// so long that another one may have taken over.
func (d *Desk) noteGap(now time.Time) {
	if !d.last.IsZero() && gapBetween(d.last, now) > syncer.LeaseTime {
		d.Log.Warn().Time("since", d.last).Msg("nothing was judged for a while: alerts wait as after a start")
		d.woken = waking{at: now, gap: true}
	}
	d.last = now
}

// readSilences reads what somebody may have just added. Where it cannot be read,
// what was last read counts. A Store that is new is told all there is at once:
// this process may be killed before anything changes.
func (d *Desk) readSilences(ctx context.Context) {
	var all []Silence
	var err error
	if d.Store != nil {
		err = d.ask(ctx, func(ctx context.Context) (err error) {
			all, err = d.Store.Silences(ctx)
			return err
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case anew(err):
		d.putBack(Change{}, true)
	case err == nil:
		d.silences, d.silenced = all, true
	}
}

// signal leaves a mark in a channel of one place.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
