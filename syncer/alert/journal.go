package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// storeTime is how long a call of the Store may take before the desk goes on
	// without it.
	storeTime = 5 * time.Second
	// storeRest is for how long at most a Store that fails is left alone.
	storeRest = time.Minute
	// doneLimit bounds what is remembered as done and could not be saved. What
	// is forgotten may be sent a second time after a restart.
	doneLimit = 100_000
)

var (
	errResting = errors.New("store failed a moment ago")
	errStuck   = errors.New("store has not come back from an earlier call")
)

// journal is what differs between memory and the Store. What is to be saved is
// read when it is saved: the Store never gets a state that is older than one it
// has.
type journal struct {
	episodes map[string]bool
	// tolds are receivers by episode.
	tolds     map[string]map[string]bool
	messages  map[string]*letter
	gone      map[string]bool
	strangers []Told
	// reaches are receivers, left those that are not there any more.
	reaches map[string]bool
	left    []Reach
}

func newJournal() journal {
	return journal{episodes: map[string]bool{}, tolds: map[string]map[string]bool{}, messages: map[string]*letter{}, gone: map[string]bool{}, reaches: map[string]bool{}}
}

func (j *journal) episode(id string) { j.episodes[id] = true }

func (j *journal) told(t Told) {
	if j.tolds[t.Episode] == nil {
		j.tolds[t.Episode] = map[string]bool{}
	}
	j.tolds[t.Episode][t.Notifier] = true
}

func (j *journal) message(l *letter) {
	delete(j.gone, l.ID)
	j.messages[l.ID] = l
}

func (j *journal) done(id string) {
	delete(j.messages, id)
	if len(j.gone) >= doneLimit {
		clear(j.gone)
	}
	j.gone[id] = true
}

func (j *journal) empty() bool {
	return len(j.episodes)+len(j.tolds)+len(j.messages)+len(j.gone)+len(j.strangers)+len(j.reaches)+len(j.left) == 0
}

// take is the change that brings the Store up to date, and leaves the journal
// empty.
func (d *Desk) take() Change {
	var c Change
	for id := range d.journal.episodes {
		if v := d.episodes[id]; v != nil {
			c.Episodes = append(c.Episodes, v.Episode)
		}
	}
	for episode, receivers := range d.journal.tolds {
		for receiver := range receivers {
			if t := d.named[receiver].told[episode]; t.Episode != "" {
				c.Told = append(c.Told, t)
			}
		}
	}
	// The Store keeps the order in which it first sees messages.
	begun := func(a, b *letter) int { return cmp.Compare(a.place, b.place) }
	for _, l := range slices.SortedFunc(maps.Values(d.journal.messages), begun) {
		m := l.Message
		m.Alerts = slices.Clone(m.Alerts)
		c.Messages = append(c.Messages, m)
	}
	for id := range d.journal.gone {
		c.Done = append(c.Done, id)
	}
	c.Told = append(c.Told, d.journal.strangers...)
	for receiver := range d.journal.reaches {
		c.Reaches = append(c.Reaches, d.named[receiver].reach)
	}
	c.Reaches = append(c.Reaches, d.journal.left...)
	d.journal = newJournal()
	return c
}

// putBack makes what could not be saved be saved again; everything, if the Store
// has lost what it had.
func (d *Desk) putBack(c Change, everything bool) {
	for i := range c.Episodes {
		d.journal.episode(c.Episodes[i].ID)
	}
	for _, t := range c.Told {
		if d.named[t.Notifier] == nil {
			d.journal.strangers = append(d.journal.strangers, t)
			continue
		}
		d.journal.told(t)
	}
	for _, r := range c.Reaches {
		if d.named[r.Receiver] == nil {
			d.journal.left = append(d.journal.left, r)
		} else {
			d.journal.reaches[r.Receiver] = true
		}
	}
	saved := map[string]bool{}
	for i := range c.Messages {
		saved[c.Messages[i].ID] = true
	}
	for _, b := range d.boxes {
		if everything && b.reach.Trouble != "" {
			d.journal.reaches[b.Name] = true
		}
		for _, l := range b.queue {
			if everything || saved[l.ID] {
				d.journal.messages[l.ID] = l
			}
		}
		for id, t := range b.told {
			if everything {
				d.journal.told(t)
				d.journal.episode(id)
			}
		}
	}
	for _, id := range c.Done {
		if d.journal.messages[id] == nil {
			d.journal.done(id)
		}
	}
	for id := range d.episodes {
		if everything {
			d.journal.episode(id)
		}
	}
}

// commit saves what is not saved. It returns when that has been tried, by this
// call or by another one: alerts go out all the same where it failed.
func (d *Desk) commit(ctx context.Context) {
	if d.Store == nil {
		d.mu.Lock()
		d.journal = newJournal()
		d.mu.Unlock()
		return
	}
	d.saving <- struct{}{}
	defer func() { <-d.saving }()
	for range 2 {
		d.mu.Lock()
		if !d.loaded || d.journal.empty() || d.resting(time.Now()) {
			d.mu.Unlock()
			return
		}
		c := d.take()
		d.mu.Unlock()
		err := d.call(ctx, func(ctx context.Context) error { return d.Store.Save(ctx, c) })
		if err == nil {
			return
		}
		d.mu.Lock()
		d.putBack(c, anew(err))
		d.mu.Unlock()
		if !anew(err) {
			return
		}
	}
}

func anew(err error) bool {
	var a interface{ Anew() bool }
	return errors.As(err, &a) && a.Anew()
}

// resting says that the Store failed so short a time ago that it is left alone.
func (d *Desk) resting(now time.Time) bool { return now.Before(d.restUntil) }

// ask runs one call of the Store apart from all others.
func (d *Desk) ask(ctx context.Context, do func(context.Context) error) error {
	d.saving <- struct{}{}
	defer func() { <-d.saving }()
	return d.call(ctx, do)
}

// call runs one call of the Store, bounded even if the Store ignores its
// context: a disk that hangs must not keep alerts in. One call that hangs is all
// that there ever is. Its caller holds saving.
func (d *Desk) call(ctx context.Context, do func(context.Context) error) error {
	began := time.Now()
	d.mu.Lock()
	if d.resting(began) {
		d.mu.Unlock()
		return errResting
	}
	d.mu.Unlock()
	select {
	case d.calling <- struct{}{}:
	default:
		return d.noteStore(errStuck, 0)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := guarded(ctx, do)
		<-d.calling // before its caller goes on, who may call again at once
		done <- err
	}()
	select {
	case err := <-done:
		return d.noteStore(err, time.Since(began))
	case <-ctx.Done():
	}
	// One that obeys its context comes back now.
	select {
	case err := <-done:
		return d.noteStore(err, time.Since(began))
	case <-time.After(time.Second):
		return d.noteStore(errStuck, time.Since(began))
	}
}

// guarded runs a call of the Store, which may panic.
func guarded(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store panics: %v", p)
		}
	}()
	return do(ctx)
}

// noteStore says when the Store begins to fail, and when it works again.
func (d *Desk) noteStore(err error, took time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil && d.storeFails:
		d.storeFails, d.restUntil = false, time.Time{}
		d.Log.Info().Msg("home works again: what was told meanwhile is saved")
	case anew(err):
		d.Log.Warn().Err(err).Msg("home is new: open episodes and messages are saved again")
	case err != nil:
		if !d.storeFails {
			d.Log.Error().Err(err).Msg("home fails: alerts go out from memory, and may be repeated after a restart")
		}
		d.storeFails = true
		rest := max(10*took, time.Second)
		if (!d.loaded || !d.silenced) && !d.blind(d.clock()) {
			rest = time.Second // nothing is said before it is read
		}
		d.restUntil = time.Now().Add(min(rest, storeRest))
	}
	return err
}

// holds says that something of an episode is not saved.
func (j *journal) holds(episode string) bool { return j.episodes[episode] || j.tolds[episode] != nil }
