package alert

import (
	"slices"
	"time"
)

// outboxLimit bounds what waits for one receiver, in alerts. Where it is
// reached, reminders and word of other receivers make room, the oldest first;
// then nothing more is accepted: what is to be said stays a difference between
// what is true and what was told, and is said when there is room.
const outboxLimit = 10_000

// box is what waits for one receiver, and how the receiver keeps up. Only the
// desk uses it, under its lock.
type box struct {
	*Receiver
	fallback *box
	told     map[string]Told // by episode
	queue    []*letter       // in the order in which they began
	open     map[opening]*letter
	// waiting are the messages in queue that tell of an episode, in its order;
	// keys counts the alerts in queue by key, alerts all of them.
	waiting map[string][]*letter
	keys    map[string]int
	alerts  int
	// room bounds alerts and messages.
	room int
	// crammed says that nothing in queue can make room.
	crammed bool
	// placed counts the letters that ever were in queue.
	placed int
	// muted are the episodes of which a mirror shows nothing.
	muted map[string]bool

	// failures counts attempts in a row that nobody answered, the first of which
	// ended at failingSince; failed is what the last attempt failed by.
	failures     int
	failingSince time.Time
	failed       string
	retry        time.Time
	disabled     bool
	// refusedSince is when the first message was refused since one was taken.
	refusedSince time.Time
	// suspect is the message that failed last, several says that more than one
	// did in this row.
	suspect *letter
	several bool
	// relieved says that others were told, since it took something, that it cannot
	// be reached, blamed that it refuses messages.
	relieved, blamed bool
	// reach is what of this the Store is to say.
	reach Reach
	wake  chan struct{}
	// changed says that a mirror has to be shown another picture at once.
	changed bool
	// untold is since when single peers of a mirror are not told.
	untold map[string]time.Time
}

// opening tells apart the messages that alerts may be added to.
type opening struct {
	event Event
	via   string
}

// letter is a message on its way.
type letter struct {
	Message
	// place numbers the letters of a box in the order of its queue.
	place int
	// doubtful says that another process may have made one that it could not
	// save.
	doubtful bool
	// underWay says that an attempt is being made.
	underWay bool
	// wasUnsure is what Unsure was before the attempt that is being made.
	wasUnsure bool
	// handed says that it was given to the fallback too, cramped that the
	// fallback had no room for it.
	handed, cramped bool
	// to is the fallback that it was given to; "": none.
	to string
	// strikes counts failures in a row; they keep this message, and no other,
	// waiting until notBefore.
	strikes   int
	notBefore time.Time
}

func newBox(r *Receiver) *box {
	return &box{Receiver: r, room: outboxLimit, told: map[string]Told{}, open: map[opening]*letter{}, waiting: map[string][]*letter{},
		keys: map[string]int{}, muted: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// wait is how long a message of an event collects alerts.
func (b *box) wait(e Event) time.Duration {
	if e == Escalated || e == Undelivered {
		return 0
	}
	return b.Group
}

// put adds an alert to the open message of its event, or begins one. It begins
// one too where an alert of the same table waits in the open one or behind it:
// what is said of a table keeps its order.
func (b *box) put(a Alert, o opening, instance string, now time.Time) *letter {
	l := b.open[o]
	if l != nil && b.keys[a.Key] > 0 && b.from(l, a.Key) {
		b.seal(l)
		l = nil
	}
	if l == nil {
		l = &letter{Message: Message{ID: digest(a.ID, o.via, "message"), Notifier: b.Name, Event: o.event, Instance: instance,
			Begun: now, Due: now.Add(b.wait(o.event)), Via: o.via}}
		b.open[o] = l
		b.enter(l)
	}
	l.Alerts = append(l.Alerts, a)
	b.count(l, &a)
	if len(l.Alerts) >= b.limit() {
		b.seal(l)
	}
	return l
}

// from says whether a message from l on has an alert of a key.
func (b *box) from(l *letter, key string) bool {
	for i := len(b.queue) - 1; i >= 0; i-- {
		if slices.ContainsFunc(b.queue[i].Alerts, func(a Alert) bool { return a.Key == key }) {
			return true
		}
		if b.queue[i] == l {
			return false
		}
	}
	return false
}

// seal ends the collecting of alerts.
func (b *box) seal(l *letter) {
	l.Sealed, l.Cause = true, cause(l.Alerts)
	if o := (opening{l.Event, l.Via}); b.open[o] == l {
		delete(b.open, o)
	}
}

func (b *box) count(l *letter, a *Alert) {
	b.alerts++
	b.waiting[a.Episode] = append(b.waiting[a.Episode], l)
	b.keys[a.Key]++
}

func (b *box) discount(l *letter, a *Alert) {
	b.alerts--
	b.crammed = false
	all := b.waiting[a.Episode]
	if i := slices.Index(all, l); i >= 0 {
		all = slices.Delete(all, i, i+1)
		b.waiting[a.Episode] = all
	}
	if len(all) == 0 {
		delete(b.waiting, a.Episode)
	}
	if b.keys[a.Key]--; b.keys[a.Key] <= 0 {
		delete(b.keys, a.Key)
	}
}

// add queues a message that is complete.
func (b *box) add(l *letter) {
	b.enter(l)
	for i := range l.Alerts {
		b.count(l, &l.Alerts[i])
	}
}

func (b *box) enter(l *letter) {
	b.placed++
	l.place = b.placed
	b.queue = append(b.queue, l)
}

// remove takes a message out, with what is left of it.
func (b *box) remove(l *letter) {
	i := slices.Index(b.queue, l)
	if i < 0 {
		return
	}
	b.queue = slices.Delete(b.queue, i, i+1)
	for i := range l.Alerts {
		b.discount(l, &l.Alerts[i])
	}
	if o := (opening{l.Event, l.Via}); b.open[o] == l {
		delete(b.open, o)
	}
}

// full says that there is no room for one more alert. Messages without alerts
// count as one.
func (b *box) full() bool { return b.alerts+len(b.queue) >= b.room }

// pick chooses the message that is sent next: of those of which no earlier one
// tells of the same table the one that was tried least. What is withheld is left
// out. If there is none yet, it returns when to look again; zero: not before
// something changes.
func (b *box) pick(now time.Time, withheld func(*letter) bool) (chosen *letter, again time.Time) {
	sooner := func(t time.Time) {
		if again.IsZero() || t.Before(again) {
			again = t
		}
	}
	before := map[string]bool{}
	for _, l := range b.queue {
		blocked := slices.ContainsFunc(l.Alerts, func(a Alert) bool { return before[a.Key] })
		switch {
		case blocked:
		case l.Due.After(now):
			sooner(l.Due)
		case l.notBefore.After(now):
			sooner(l.notBefore)
		case withheld(l):
			sooner(now.Add(lookEvery))
		case chosen == nil || l.Attempts < chosen.Attempts:
			chosen = l
		}
		if chosen != nil && chosen.Attempts == 0 {
			break
		}
		for _, a := range l.Alerts {
			before[a.Key] = true
		}
	}
	return chosen, again
}

// resolving says that the end of an episode waits to be told.
func (b *box) resolving(episode string) bool {
	return len(b.waiting[episode]) > 0 && b.told[episode].Resolved
}

// pointless says that something of an episode waits before its end and has
// certainly not arrived.
func (b *box) pointless(episode string) bool {
	return slices.ContainsFunc(b.waiting[episode], func(l *letter) bool { return !l.Unsure && l.Event != Resolved })
}

// needs says that an episode which is over, or left, must be remembered for this
// receiver's sake.
func (b *box) needs(v *live, now time.Time) bool {
	t := b.told[v.ID]
	return len(b.waiting[v.ID]) > 0 || t.aware() || t.owed() || b.Mirror != nil && t.Sequence > 0 && now.Sub(t.At) < mirrorResolved
}
