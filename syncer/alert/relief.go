package alert

import (
	"fmt"
	"slices"
	"time"
)

// relieve has others told in the place of receivers that have been failing for
// long.
func (d *Desk) relieve(now time.Time) {
	for _, b := range d.boxes {
		if b.disabled || b.failures == 0 || now.Sub(b.failingSince) < relieveAfter || d.idle(b, now) {
			continue
		}
		if b.fallback == nil {
			d.sayUndelivered(b, d.boxes, now)
			continue
		}
		handed := d.relieveMirror(b, now)
		withheld := d.withholding(b, now)
		for _, l := range slices.Clone(b.queue) {
			if !l.handed && !l.Due.After(now) && !withheld(l) {
				handed = d.hand(b, l, now) || handed
				if !l.handed {
					break // there is no room for the next one either
				}
			}
		}
		if handed {
			b.relieved = true
		}
		d.sayUndelivered(b, []*box{b.fallback}, now)
	}
}

// relieveMirror tells the fallback of a mirror what the mirror would show.
func (d *Desk) relieveMirror(b *box, now time.Time) (handed bool) {
	if b.Mirror == nil {
		return false
	}
	for _, v := range d.order {
		shown := b.told[v.ID].aware() && v.Closed.IsZero() && v.Recovering.IsZero() && !b.muted[v.ID]
		if t := b.fallback.told[v.ID]; shown && (!t.aware() || v.Level.Worse(t.Level)) {
			e := Firing
			if t.aware() {
				e = Escalated
			}
			d.say(b.fallback, &v.Episode, opening{e, b.Name}, now)
			handed = true
		}
	}
	return handed
}

// hand gives a message to the fallback too, but for what the fallback was told
// already. It reports whether anything was left to give.
func (d *Desk) hand(b *box, l *letter, now time.Time) bool {
	l.handed = true
	if l.Event == Undelivered {
		return false // every receiver was told that
	}
	origin := l.Via
	if origin == "" {
		origin = b.Name
	}
	to := d.after(b, origin)
	if to == nil {
		return false
	}
	var news []Alert
	for _, a := range l.Alerts {
		if d.elsewhere(a) {
			continue
		}
		t := to.told[a.Episode]
		known := t.aware() && !a.Level.Worse(t.Level) || t.Episode != "" && a.Event == Resolved && !t.owed()
		if !known {
			news = append(news, a)
		}
	}
	for len(news) > 0 {
		n := min(len(news), to.limit())
		if !d.makeRoom(to) {
			// The next round tries again.
			l.handed = false
			if !l.cramped {
				l.cramped = true
				b.event(d.Log.Error()).Str("fallback", to.Name).Str("message_id", l.ID).Msg("fallback has no room for a message")
				d.observeFailed(to, ReasonOverflow)
			}
			return false
		}
		d.handPart(to, l, origin, slices.Clone(news[:n]), now)
		news = news[n:]
		if len(news) == 0 {
			return true
		}
	}
	return false
}

// handPart queues some alerts of a message for a fallback.
func (d *Desk) handPart(to *box, l *letter, origin string, news []Alert, now time.Time) {
	copied := &letter{Message: Message{ID: digest(l.ID, to.Name, news[0].ID), Notifier: to.Name, Event: l.Event,
		Instance: l.Instance, Begun: now, Due: now, Sealed: true, Alerts: news, Via: origin, Text: l.Text, Cause: cause(news)}}
	if slices.ContainsFunc(to.queue, func(o *letter) bool { return o.ID == copied.ID }) {
		return
	}
	for _, a := range news {
		if d.episodes[a.Episode] == nil {
			continue
		}
		t := to.told[a.Episode]
		t.Episode, t.Notifier, t.Sequence = a.Episode, to.Name, max(a.Sequence, t.Sequence)
		t.Level, t.At, t.Resolved = a.Level, now, a.Event == Resolved
		t.Ended = t.Resolved
		d.tell(to, t)
	}
	l.to = to.Name
	to.add(copied)
	d.journal.message(copied)
	signal(to.wake)
}

// after is the receiver that a message at b goes on to which was meant for
// origin first; nil: there is none, or it has been there.
func (d *Desk) after(b *box, origin string) *box {
	been := map[*box]bool{}
	for at := d.named[origin]; at != nil && at != b && !been[at]; at = at.fallback {
		been[at] = true
	}
	been[b] = true
	if b.fallback == nil || been[b.fallback] {
		return nil
	}
	return b.fallback
}

// giveUp ends the attempts to deliver a message there. Somebody else is told.
func (d *Desk) giveUp(b *box, l *letter, reason string, now time.Time) {
	d.observeFailed(b, reason)
	asleep := d.asleep(l)
	handed := l.handed || d.hand(b, l, now)
	d.lost(b, l, reason)
	d.drop(b, l)
	if why := troubleOf(reason); !asleep && !(b.disabled && why != Gone) {
		d.trouble(b, why, now)
	}
	line := b.event(d.Log.Error()).Str("event", string(l.Event)).Str("message_id", l.ID).Int("alerts", len(l.Alerts)).Int("attempts", l.Attempts).Str("reason", reason)
	if handed && b.fallback != nil {
		line = line.Str("handed_to", b.fallback.Name)
	}
	line.Msg("message is given up")
	if !handed && !asleep && l.Event != Undelivered {
		d.sayUndelivered(b, d.concerned(l), now)
	}
}

// concerned are the receivers to which it matters that a message is not
// delivered: that of an end only to those who heard that it fires.
func (d *Desk) concerned(l *letter) []*box {
	if l.Event != Resolved {
		return d.boxes
	}
	return slices.DeleteFunc(slices.Clone(d.boxes), func(b *box) bool {
		return !slices.ContainsFunc(l.Alerts, func(a Alert) bool { return b.told[a.Episode].Sequence > 0 })
	})
}

// disable ends all telling of a receiver for the life of this process.
func (d *Desk) disable(b *box, now time.Time) {
	b.disabled = true
	b.event(d.Log.Error()).Str("error", b.failed).Msg("receiver takes nothing any more: it is not asked again before a restart")
	b.relieved = false
	d.sayUndelivered(b, d.boxes, now)
}

// sayUndelivered tells others that a receiver cannot be reached, or that it
// refuses messages, each once until it takes one.
func (d *Desk) sayUndelivered(b *box, others []*box, now time.Time) {
	said := &b.relieved
	if b.failures == 0 && !b.disabled {
		said = &b.blamed
	}
	others = slices.DeleteFunc(slices.Clone(others), func(o *box) bool { return o == b || o.Mirror != nil || o.disabled })
	if *said || len(others) == 0 {
		return
	}
	*said = true
	wait := fmt.Sprintf("%d messages wait", len(b.queue))
	if len(b.queue) == 1 {
		wait = "1 message waits"
	}
	text := fmt.Sprintf("%s cannot be reached since %s: %s; %s", b.Name, b.failingSince.UTC().Format("2006-01-02 15:04 UTC"), b.failed, wait)
	switch {
	case b.disabled:
		text = fmt.Sprintf("%s takes nothing any more and is not asked again before a restart: %s", b.Name, b.failed)
	case b.failures == 0 && b.refusedSince.IsZero():
		text = fmt.Sprintf("messages for %s were given up: they were more than %.0f hours old", b.Name, messageTTL.Hours())
	case b.failures == 0:
		text = fmt.Sprintf("%s refuses what it is told: %s", b.Name, b.failed)
	}
	for _, o := range others {
		if !d.makeRoom(o) {
			continue
		}
		l := &letter{Message: Message{ID: digest("undelivered", b.Name, o.Name, now.UTC().Format(time.RFC3339Nano)), Notifier: o.Name,
			Event: Undelivered, Instance: d.Instance, Begun: now, Due: now, Sealed: true, Via: b.Name, Text: text}}
		o.add(l)
		d.journal.message(l)
		signal(o.wake)
	}
}
