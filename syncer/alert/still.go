package alert

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

const (
	// lookEvery is how often one looks again whether something that is held back
	// may be told.
	lookEvery = time.Second
	// hungWait is how long at most everything is held back because nothing is
	// judged, while this process runs: a process that wakes up judges within two
	// seconds, and one that has not done so after a minute does not sleep, but
	// its judging hangs. What was true when it last judged is told then, because
	// nobody else may.
	hungWait = time.Minute
)

// stillness is a time in which nothing is judged.
type stillness struct {
	// since is when it was noticed, or when the process last went on meanwhile;
	// seen when one last looked.
	since, seen time.Time
	// over says that what is held back goes out all the same.
	over bool
}

// standsStill says that nothing may be sent, because nothing was judged for
// longer than a lease lasts. Then this process may have slept, and another
// daemon may tell of the copies now, or may have told that they are well again:
// the next round says.
func (d *Desk) standsStill(now time.Time) bool {
	if !d.reconciled.IsZero() && gapBetween(d.reconciled, now) <= syncer.LeaseTime {
		if d.still.over {
			d.Log.Info().Msg("copies are judged again")
		}
		d.still = stillness{}
		return false
	}
	if d.still.since.IsZero() || gapBetween(d.still.seen, now) > syncer.LeaseTime {
		d.still = stillness{since: now, seen: now}
		if !d.reconciled.IsZero() {
			d.Log.Warn().Time("since", d.reconciled).Dur("at_most_ms", hungWait).Msg("nothing is told before copies are judged again: leases may have run out meanwhile")
		}
	}
	d.still.seen = now
	if gapBetween(d.still.since, now) < hungWait {
		return true
	}
	if !d.still.over {
		d.still.over = true
		d.Log.Error().Time("since", d.reconciled).Msg("copies are not judged: what waits is told as it stood")
	}
	return false
}

// holdBack says that an attempt which was written down is not made, because the
// process slept meanwhile, or because something is not its to tell any more.
func (d *Desk) holdBack(b *box, l *letter, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.standsStill(now) && !d.withholding(b, now)(l) {
		return false
	}
	l.Unsure, l.underWay = l.wasUnsure, false
	l.Attempts--
	d.journal.message(l)
	return true
}

// withholding says of the messages for a receiver which of them may not be told
// at a moment: the receiver is off, or they tell of something that is muted, or
// that is not this daemon's to tell, or of which it does not know whether it is.
func (d *Desk) withholding(b *box, now time.Time) func(*letter) bool {
	if b.Off != nil && b.Off(now) {
		return func(*letter) bool { return true }
	}
	quiet := mutesAt(d.silences, d.Maintenance, now)
	return func(l *letter) bool {
		return slices.ContainsFunc(l.Alerts, func(a Alert) bool {
			v := d.episodes[a.Episode]
			return d.apart(&a, quiet, now) || v != nil && d.woken.doubts(&v.judged, now)
		})
	}
}

// apart says that an alert has to wait longer than others of its message may.
func (d *Desk) apart(a *Alert, quiet mutes, now time.Time) bool {
	v := d.episodes[a.Episode]
	return quiet.cover(a.Table) || v != nil && (v.asleep() || a.Event == Firing && !v.over() && d.woken.holds(&v.judged, d.StartupGrace, now))
}

// asleep says that all of a message is another daemon's to tell.
func (d *Desk) asleep(l *letter) bool {
	return len(l.Alerts) > 0 && !slices.ContainsFunc(l.Alerts, func(a Alert) bool { return !d.elsewhere(a) })
}

// elsewhere says that an alert is another daemon's to tell.
func (d *Desk) elsewhere(a Alert) bool {
	v := d.episodes[a.Episode]
	return v != nil && v.asleep()
}

// idle says that nothing is due that may be told a receiver.
func (d *Desk) idle(b *box, now time.Time) bool {
	if b.Mirror != nil {
		return false
	}
	withheld := d.withholding(b, now)
	return !slices.ContainsFunc(b.queue, func(l *letter) bool { return !l.Due.After(now) && !withheld(l) })
}

// part gives what is muted or another daemon's to tell messages of its own, so
// that the rest of theirs does not wait with it. What is said of a table keeps its
// order.
func (d *Desk) part(b *box, quiet mutes, now time.Time) {
	moved := map[string]bool{}
	for _, l := range slices.Clone(b.queue) {
		var left []Alert
		again := false
		for _, a := range l.Alerts {
			if d.apart(&a, quiet, now) {
				left = append(left, a)
				again = again || moved[a.Key]
			}
		}
		if l.underWay || len(left) == 0 || len(left) == len(l.Alerts) && !again {
			continue
		}
		// What is unsure may have arrived: its alerts keep their IDs.
		n := &letter{Message: l.Message, doubtful: l.doubtful, handed: l.handed, cramped: l.cramped, strikes: l.strikes, notBefore: l.notBefore}
		n.ID, n.Alerts, n.Cause, n.Sealed = digest(l.ID, left[0].ID, "left"), left, cause(left), true
		for _, a := range left {
			moved[a.Key] = true
			d.cut(b, l, l.of(a.Episode))
		}
		b.add(n)
		d.journal.message(n)
	}
}
