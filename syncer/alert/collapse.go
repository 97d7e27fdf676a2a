package alert

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// withdraw takes back what was to be said of an episode to a receiver and has
// certainly not arrived, the latest first. owed says that the copy is well again, so
// that a firing which is taken back may still be worth a word at the end; else
// it is as if nothing had been said.
func (d *Desk) withdraw(b *box, episode string, owed bool) {
	for len(b.waiting[episode]) > 0 {
		l := last(b.waiting[episode])
		at := l.of(episode)
		// What was meant for a receiver that is failing is not said again when a
		// mute of this one ends.
		if l.Unsure || !owed && l.Via != "" {
			return
		}
		a := l.Alerts[at]
		t := b.told[episode].unsaid(a.Event)
		if v := d.episodes[episode]; a.Event == Firing && (owed || v != nil && v.Inherited) {
			t.Resolved = false
		}
		d.tell(b, t)
		d.cut(b, l, at)
	}
}

func last(all []*letter) *letter { return all[len(all)-1] }

// of is where a message tells of an episode.
func (l *letter) of(episode string) int {
	return slices.IndexFunc(l.Alerts, func(a Alert) bool { return a.Episode == episode })
}

// cut takes one alert out of a message, and the message away if it was the last.
func (d *Desk) cut(b *box, l *letter, at int) {
	if len(l.Alerts) == 1 {
		d.drop(b, l)
		return
	}
	b.discount(l, &l.Alerts[at])
	l.Alerts = slices.Delete(l.Alerts, at, at+1)
	d.journal.message(l)
}

// drop takes a message away, delivered or not.
func (d *Desk) drop(b *box, l *letter) {
	b.remove(l)
	d.journal.done(l.ID)
}

// raise makes a firing that has not arrived say critical, and at once: the
// receiver is told one thing then. It reports whether there is one.
func (d *Desk) raise(b *box, e *Episode, now time.Time) bool {
	for _, l := range b.waiting[e.ID] {
		if l.Unsure || l.doubtful || l.handed || l.Event != Firing {
			continue
		}
		at := l.of(e.ID)
		l.Alerts[at].Level, l.Alerts[at].Facts = e.Level, e.Last
		if l.Due.After(now) {
			l.Due = now
		}
		d.journal.message(l)
		t := b.told[e.ID]
		t.Level = e.Level
		d.tell(b, t)
		return true
	}
	return false
}

// makeRoom takes a reminder back, or word of another receiver, the oldest first.
// It reports whether there is room.
func (d *Desk) makeRoom(b *box) bool {
	if !b.full() {
		return true
	}
	if b.crammed {
		return false
	}
	for _, l := range b.queue {
		switch {
		case l.Unsure:
		case l.Event == Undelivered:
			d.drop(b, l)
			d.observeFailed(b, ReasonOverflow)
			return true
		case l.Event == Reminder:
			d.tell(b, b.told[l.Alerts[0].Episode].unsaid(Reminder))
			d.cut(b, l, 0)
			d.observeFailed(b, ReasonOverflow)
			return true
		}
	}
	b.crammed = true
	return false
}

// say queues one word of an episode for a receiver. via names the receiver in
// whose place it is told; "": none. It does nothing where there is no room.
func (d *Desk) say(b *box, e *Episode, what opening, now time.Time) {
	if b.Mirror == nil && !d.makeRoom(b) {
		return
	}
	t := b.told[e.ID].said(e, b.Receiver, what.event, now)
	if b.Mirror != nil {
		b.changed = true
		t.At = now // an end is shown for a while from here
		d.tell(b, t)
		return
	}
	d.tell(b, t)
	d.journal.message(b.put(alertOf(e, t, what.event), what, d.Instance, now))
}

// tell writes down what a receiver was told.
func (d *Desk) tell(b *box, t Told) {
	t.Kind = b.Kind
	b.told[t.Episode] = t
	d.journal.told(t)
}

// refresh gives the alerts of a message what is known of their copies, before it
// is sent and may arrive for the first time.
func (d *Desk) refresh(l *letter) {
	for i := range l.Alerts {
		a := &l.Alerts[i]
		if v := d.episodes[a.Episode]; v != nil && a.Event != Resolved && v.Closed.IsZero() && v.Last.Level != syncer.Unknown {
			a.Facts = v.Last
		}
	}
}

// withdrawReminders takes reminders back that have not arrived: something
// worse is told in their place.
func (d *Desk) withdrawReminders(b *box, episode string) {
	for _, l := range slices.Clone(b.waiting[episode]) {
		if !l.Unsure && l.Event == Reminder {
			d.tell(b, b.told[episode].unsaid(Reminder))
			d.cut(b, l, l.of(episode))
		}
	}
}
