package alert

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// worthTelling is how long an episode must have lasted for a receiver to be told
// of it that could not be told while it went on.
const worthTelling = 10 * time.Minute

// What a receiver was told has three forms beside the plain one, in which
// Sequence counts what was said: nothing (no Told), unsaid (Sequence 0 and
// Resolved: what was to be said was taken back, as if it had never been), and
// owed (Sequence 0 and not Resolved: it was taken back because the copy is well
// again, or another process may have said it).

// aware says that the receiver knows of the episode and not of its end.
func (t Told) aware() bool { return t.Sequence > 0 && !t.Resolved }

// owed says that the receiver was to be told and was not, in time.
func (t Told) owed() bool { return t.Episode != "" && t.Sequence == 0 && !t.Resolved }

// word is what a receiver is to be told of an episode next. An empty Event says
// nothing; Settled, that this is the end of it all the same.
type word struct {
	Event   Event
	Settled bool
}

// next compares what is true of an episode with what a receiver was told. It
// knows nothing of mutes.
func (r *Receiver) next(e *Episode, t Told, now time.Time) word {
	switch {
	case e.asleep():
		return word{}
	case e.over() && t.owed():
		if e.Inherited || e.Closed.Sub(e.Opened) >= worthTelling {
			return word{Event: Resolved}
		}
		return word{Settled: true}
	case e.over() && t.aware():
		if r.Resolved {
			return word{Event: Resolved}
		}
		return word{Settled: true}
	case e.over(), !e.Recovering.IsZero(), !r.fits(e):
		return word{}
	case !t.aware():
		return word{Event: Firing}
	case e.Level.Worse(t.Level):
		return word{Event: Escalated}
	}
	if repeat := r.Repeat[t.Level]; r.Mirror == nil && repeat > 0 && now.Sub(t.At) >= repeat {
		return word{Event: Reminder}
	}
	return word{}
}

// fits says whether a receiver is to be told of an episode as it is.
func (r *Receiver) fits(e *Episode) bool {
	return (len(r.Levels) == 0 || slices.Contains(r.Levels, e.Level)) && Matches(r.Tables, e.Table) && matchesAny(r.Consumers, e.Consumer)
}

// said is what was told after one more word.
func (t Told) said(e *Episode, r *Receiver, what Event, now time.Time) Told {
	t.Episode, t.Notifier = e.ID, r.Name
	t.Sequence++
	switch what {
	case Resolved:
		t.Resolved, t.Ended = true, true
		return t
	case Reminder:
		t.Reminders++
	case Firing:
		t.Reminders = 0
	}
	t.Level, t.At, t.Resolved, t.Ended = e.Level, now, false, false
	return t
}

// unsaid is what was told before a word that is taken back. Words are taken back
// in the reverse of their order.
func (t Told) unsaid(what Event) Told {
	if t.Sequence > 0 {
		t.Sequence--
	}
	switch what {
	case Firing:
		t.Sequence, t.Level, t.Resolved = 0, "", true
	case Escalated:
		t.Level = syncer.Warn
	case Reminder:
		t.Reminders--
	case Resolved:
		t.Resolved, t.Ended = false, false
	}
	return t
}

// with is what was told of an episode under two names.
func (t Told) with(other Told, episode string) Told {
	if !t.aware() || other.Level.Worse(t.Level) {
		t.Level = other.Level
	}
	t.Episode, t.Notifier, t.Resolved, t.Ended = episode, other.Notifier, false, false
	t.Sequence, t.Reminders = max(t.Sequence, other.Sequence), max(t.Reminders, other.Reminders)
	if t.Heard.Level == "" {
		t.Heard = other.Heard
	}
	if other.At.After(t.At) {
		t.At = other.At
	}
	return t
}

// alertOf is the news of an episode as it stands.
func alertOf(e *Episode, t Told, what Event) Alert {
	a := Alert{ID: alertID(e.ID, t.Notifier, t.Sequence, what), Key: e.Key, Episode: e.ID, Sequence: t.Sequence, Event: what,
		Level: e.Level, Table: e.Table, Source: e.Source, Consumer: e.Consumer,
		Opened: e.Opened, StaleSince: e.StaleSince, Closed: e.Closed, Ending: e.Ending, Facts: e.Last}
	if what == Reminder {
		a.Reminder = t.Reminders
	}
	return a
}
