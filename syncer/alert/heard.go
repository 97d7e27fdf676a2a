package alert

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Heard is what a receiver has taken of an episode, which may be less than what
// it was to be told. Of a Mirror it is what was shown.
type Heard struct {
	// Level is that of the last alert that was taken; "": none was.
	Level     syncer.Level `json:",omitempty"`
	Reminders int          `json:",omitempty"`
	// End says that the end was taken.
	End bool `json:",omitempty"`
	// Lost is the event that was given up last since something was taken, by one
	// of Reasons; "": nothing was. Error is what its last attempt failed by, To
	// the receiver that was told in its place; "": none.
	Lost   Event  `json:",omitempty"`
	Reason string `json:",omitempty"`
	Error  string `json:",omitempty"`
	To     string `json:",omitempty"`
}

// took is what was heard after an alert was taken.
func (h Heard) took(a *Alert) Heard {
	switch a.Event {
	case Resolved:
		h.End = true
	case Reminder:
		h.Reminders++
		fallthrough
	default:
		h.Level, h.End = a.Level, false
	}
	h.Lost, h.Reason, h.Error, h.To = "", "", "", ""
	return h
}

// Trouble is why a receiver does not take what it is sent.
type Trouble string

// The troubles. A receiver that is Gone is not asked again by the same process;
// one that Refuses answered the last message so; of one that Expires messages
// were given up for their age. Unshown is a Mirror that cannot be told: it has no
// messages that wait.
const (
	Gone    Trouble = "gone"
	Refuses Trouble = "refuses"
	Expires Trouble = "expires"
	Unshown Trouble = "unshown"
)

// Reach is how a receiver takes what it is sent, for those who read the Store.
type Reach struct {
	Receiver string
	// Trouble is "" once something was taken. Since is when it began, Error what
	// the last attempt failed by.
	Trouble Trouble
	Since   time.Time
	Error   string
}

// trouble writes down why a receiver takes nothing; "" ends it.
func (d *Desk) trouble(b *box, why Trouble, now time.Time) {
	was := b.reach
	if why == "" && was.Trouble == "" {
		return
	}
	b.reach = Reach{Receiver: b.Name, Trouble: why}
	if why != "" {
		b.reach.Since, b.reach.Error = now, b.failed
		if was.Trouble == why {
			b.reach.Since = was.Since
		}
	}
	if b.reach != was {
		d.journal.reaches[b.Name] = true
	}
}

// adoptReaches takes over what the Store says of receivers. A process that has
// just begun asks again who was gone; who is not there any more is in no trouble.
func (d *Desk) adoptReaches(all []Reach, now time.Time) {
	for _, r := range all {
		b := d.named[r.Receiver]
		switch {
		case b == nil:
			d.journal.left = append(d.journal.left, Reach{Receiver: r.Receiver})
		case b.reach.Trouble != "":
		default:
			r.Since = earlier(r.Since, now)
			if r.Trouble == Gone {
				r.Trouble = Refuses
				d.journal.reaches[b.Name] = true
			}
			b.reach = r
		}
	}
}

// heard writes down that alerts of a message were taken.
func (d *Desk) heard(b *box, l *letter) {
	for i := range l.Alerts {
		a := &l.Alerts[i]
		if t := b.told[a.Episode]; t.Episode != "" {
			t.Heard = t.Heard.took(a)
			d.tell(b, t)
		}
	}
}

// lost writes down that alerts of a message were given up there.
func (d *Desk) lost(b *box, l *letter, reason string) {
	why := l.Failed
	if why == "" && reason == ReasonGone {
		why = b.failed
	}
	for i := range l.Alerts {
		a := &l.Alerts[i]
		if t := b.told[a.Episode]; t.Episode != "" {
			t.Heard.Lost, t.Heard.Reason, t.Heard.Error, t.Heard.To = a.Event, reason, why, l.to
			d.tell(b, t)
		}
	}
}

// mirrored writes down that a mirror was shown alerts.
func (d *Desk) mirrored(b *box, all []Alert) {
	for i := range all {
		a := &all[i]
		t := b.told[a.Episode]
		if h := t.Heard.took(a); t.Episode != "" && h != t.Heard {
			t.Heard = h
			d.tell(b, t)
		}
	}
}

// troubleOf is the trouble that a receiver is in of which a message was given up.
func troubleOf(reason string) Trouble {
	switch reason {
	case ReasonGone:
		return Gone
	case ReasonExpired:
		return Expires
	}
	return Refuses
}
