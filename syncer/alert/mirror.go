package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// mirrorEvery is how often a mirror is shown what fires, mirrorUntil for how
	// long it believes it: three pictures may be lost.
	mirrorEvery = time.Minute
	mirrorUntil = 4 * mirrorEvery
	// mirrorResolved is how long it is shown what has ended.
	mirrorResolved = 15 * time.Minute
)

// mirror shows one receiver all that fires until ctx has ended.
func (d *Desk) mirror(ctx context.Context, b *box) {
	var again time.Time // of the next picture; zero: not before something fires
	for ctx.Err() == nil {
		d.mu.Lock()
		now := d.clock()
		if d.standsStill(now) {
			d.mu.Unlock()
			d.pause(ctx, b.wake, now.Add(lookEvery))
			continue
		}
		due := !d.reconciled.IsZero() && b.changed && !b.retry.After(now) || !again.IsZero() && !again.After(now)
		wait := again
		if b.changed && b.retry.After(now) {
			wait = b.retry
		}
		firing, resolved := d.picture(b, now)
		if due {
			b.changed = false
		}
		d.mu.Unlock()
		if !due {
			d.pause(ctx, b.wake, wait)
			continue
		}
		again = time.Time{}
		if len(firing)+len(resolved) == 0 {
			continue
		}
		err := d.show(ctx, b, firing, resolved)
		again = d.shown(ctx, b, slices.Concat(firing, resolved), err)
	}
}

// picture is what a mirror is to show. What ended is not shown while another
// episode of the same table fires: to the mirror they are one.
func (d *Desk) picture(b *box, now time.Time) (firing, resolved []Alert) {
	for _, v := range d.order {
		t := b.told[v.ID]
		switch {
		case t.Sequence == 0 || v.asleep() || b.muted[v.ID]:
		case t.Ended && now.Sub(t.At) < mirrorResolved:
			resolved = append(resolved, alertOf(&v.Episode, t, Resolved))
		case !t.Resolved && !v.over():
			firing = append(firing, alertOf(&v.Episode, t, Firing))
		}
	}
	if len(firing) > 0 && len(resolved) > 0 {
		fires := map[string]bool{}
		for i := range firing {
			fires[firing[i].Key] = true
		}
		resolved = slices.DeleteFunc(resolved, func(a Alert) bool { return fires[a.Key] })
	}
	return firing, resolved
}

func (d *Desk) show(ctx context.Context, b *box, firing, resolved []Alert) (err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("receiver %q panics: %v", b.Name, p)
		}
	}()
	_, err = b.Mirror.Mirror(ctx, firing, resolved, d.clock().Add(mirrorUntil))
	return err
}

// shown writes down what became of a picture, and says when the next one is due.
func (d *Desk) shown(ctx context.Context, b *box, all []Alert, err error) time.Time {
	now := d.clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var some *PeersError
	switch {
	case err == nil, errors.As(err, &some):
		d.notePeers(b, some, now)
		d.mirrored(b, all)
		d.recovered(b)
		if d.Observer != nil {
			d.Observer.Sent(b.Name, Firing)
		}
		return now.Add(mirrorEvery)
	case ctx.Err() != nil:
		return time.Time{}
	}
	if b.failingSince.IsZero() {
		b.failingSince = now
	}
	b.failures++
	b.failed = oneLine(err.Error())
	b.retry = now.Add(min(d.waitAfter(b.failures, err), mirrorEvery))
	d.trouble(b, Unshown, now)
	d.observeFailed(b, reasonOf(err))
	b.event(d.Log.Warn()).Str("reason", reasonOf(err)).Str("error", b.failed).Msg("receiver cannot be told")
	return b.retry
}

// notePeers says when a peer of a mirror that is told begins and ceases to be left
// out, which nobody would notice before the others fail as well.
func (d *Desk) notePeers(b *box, untold *PeersError, now time.Time) {
	var failed map[string]error
	if untold != nil {
		failed = untold.Failed
	}
	for name, since := range b.untold {
		if failed[name] == nil {
			b.event(d.Log.Info()).Str("peer", name).Time("failing_since", since).Msg("peer can be told again")
			delete(b.untold, name)
		}
	}
	for name, err := range failed {
		d.observeFailed(b, reasonOf(err))
		if _, known := b.untold[name]; known {
			continue
		}
		if b.untold == nil {
			b.untold = map[string]time.Time{}
		}
		b.untold[name] = now
		b.event(d.Log.Warn()).Str("peer", name).Str("reason", reasonOf(err)).Str("error", oneLine(err.Error())).Msg("peer cannot be told")
	}
}
