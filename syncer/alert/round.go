package alert

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// advance brings all episodes up to how their copies stand.
func (d *Desk) advance(now time.Time, all []syncer.Judged) {
	d.rounds++
	for i := range all {
		j := &all[i]
		inherited := d.inherits(j)
		v := d.tables[j.Table]
		if v != nil {
			v.round = d.rounds
			v.judged = *j
			d.step(v, v.advance(j, d.holdOf(j.Table), now))
			if !v.asleep() && (!v.over() || v.Ending == Recovered) {
				v.Last = v.facts(j, now)
			}
			if !v.over() {
				if inherited {
					d.inherit(v)
				}
				continue
			}
			delete(d.tables, j.Table)
		}
		if loud(j) {
			v = d.open(j, now)
			if inherited {
				d.inherit(v)
			}
		}
	}
	d.untold = false
	for table, v := range d.tables {
		if v.round != d.rounds {
			// The table left the configuration.
			d.step(v, v.end(Changed, now))
			delete(d.tables, table)
		}
	}
}

// inherits says whether another process may have told that a copy is loud, which
// this one judges for the first time since then.
func (d *Desk) inherits(j *syncer.Judged) bool {
	if j.Standby || d.untold {
		d.foreign[j.Table] = true
	}
	if j.Standby || !loud(j) && !well(j) || !d.foreign[j.Table] {
		return false
	}
	delete(d.foreign, j.Table)
	return loud(j)
}

// inherit has everybody told the end of an episode who may have heard of it from
// another process. Receivers close by the key what they know; who knew nothing
// hears that it is well.
func (d *Desk) inherit(v *live) {
	v.Inherited = true
	d.journal.episode(v.ID)
	for _, b := range d.boxes {
		if t := b.told[v.ID]; t.Sequence == 0 && b.Resolved && b.fits(&v.Episode) {
			d.tell(b, Told{Episode: v.ID, Notifier: b.Name})
		}
	}
}

func (d *Desk) open(j *syncer.Judged, now time.Time) *live {
	v := &live{Episode: opened(d.Instance, j, now), judged: *j, round: d.rounds}
	d.tables[j.Table], d.episodes[v.ID] = v, v
	d.order = append(d.order, v)
	d.journal.episode(v.ID)
	d.Log.Info().Str("table", v.Table).Str("episode", v.ID).Str("alarm", string(v.Level)).Time("stale_since", v.StaleSince).Msg("episode opens")
	return v
}

// step puts an episode's next state in its place.
func (d *Desk) step(v *live, next Episode) {
	if !v.differs(&next) {
		return
	}
	if next.Ending != v.Ending {
		d.Log.Info().Str("table", v.Table).Str("episode", v.ID).Str("ending", string(next.Ending)).Msg("episode changes")
	}
	v.Episode = next
	d.journal.episode(v.ID)
}

func (d *Desk) holdOf(table string) time.Duration {
	if d.Hold == nil {
		return 0
	}
	return d.Hold(table)
}

// reconcile has every receiver told what it was not told and what is true.
func (d *Desk) reconcile(now time.Time) {
	if len(d.order) == 0 {
		return
	}
	quiet := mutesAt(d.silences, d.Maintenance, now)
	covered := make([]bool, len(d.order))
	for i, v := range d.order {
		covered[i] = quiet.cover(v.Table) || d.woken.mutes(&v.judged, now)
	}
	for _, b := range d.boxes {
		off := b.Off != nil && b.Off(now)
		left := false
		for i, v := range d.order {
			d.settle(b, v, covered[i] || off, now)
			left = left || len(b.waiting[v.ID]) > 0 && (v.asleep() || covered[i] || d.woken.holds(&v.judged, d.StartupGrace, now))
		}
		if left {
			d.part(b, quiet, now)
		}
	}
}

// settle has one receiver told of one episode.
func (d *Desk) settle(b *box, v *live, muted bool, now time.Time) {
	if b.Mirror != nil && b.muted[v.ID] != muted {
		b.changed = true
		delete(b.muted, v.ID)
		if muted {
			b.muted[v.ID] = true
		}
	}
	switch {
	case muted || v.asleep():
		d.withdraw(b, v.ID, false)
		return
	case v.over() || !v.Recovering.IsZero():
		if !b.resolving(v.ID) || b.pointless(v.ID) {
			d.withdraw(b, v.ID, true)
		}
	}
	t := b.told[v.ID]
	w := b.next(&v.Episode, t, now)
	switch {
	case w.Settled:
		t.Resolved = true
		d.tell(b, t)
	case w.Event == "":
	case w.Event == Firing && d.woken.holds(&v.judged, d.StartupGrace, now):
	case w.Event == Reminder && len(b.waiting[v.ID]) > 0:
	case w.Event == Escalated && d.raise(b, &v.Episode, now):
	default:
		if w.Event == Escalated {
			d.withdrawReminders(b, v.ID)
		}
		d.say(b, &v.Episode, opening{event: w.Event}, now)
	}
}

// closedLimit bounds the episodes that are kept because their end could not be
// saved or told.
const closedLimit = 10_000

// forget drops episodes that are over and of which nothing is left to say.
func (d *Desk) forget(now time.Time) {
	excess := len(d.order) - len(d.tables) - closedLimit
	d.order = slices.DeleteFunc(d.order, func(v *live) bool {
		if !v.over() && !v.asleep() {
			return false
		}
		if excess <= 0 && (d.journal.holds(v.ID) || slices.ContainsFunc(d.boxes, func(b *box) bool { return b.needs(v, now) })) {
			return false
		}
		excess--
		d.erase(v)
		return true
	})
}

func (d *Desk) erase(v *live) {
	delete(d.episodes, v.ID)
	if d.tables[v.Table] == v {
		delete(d.tables, v.Table)
	}
	for _, b := range d.boxes {
		delete(b.told, v.ID)
		delete(b.muted, v.ID)
	}
}
