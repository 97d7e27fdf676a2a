package alert

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// loadWait is for how long after a start nothing is said while the Store cannot
// be read: what was told before is not known. Then the desk goes on without.
const loadWait = 15 * time.Second

// load reads what was open and what was told, once it can be read.
func (d *Desk) load(ctx context.Context, now time.Time) {
	if d.loaded {
		return
	}
	m := Memory{New: d.Store == nil}
	if d.Store != nil {
		if err := d.ask(ctx, func(ctx context.Context) (err error) {
			m, err = d.Store.Load(ctx)
			return err
		}); err != nil && !anew(err) {
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded = true
	for _, b := range d.boxes {
		b.changed = b.Mirror != nil
	}
	if m.New {
		d.untold = d.rounds == 0
		for _, v := range d.order {
			d.inherit(v) // opened before that was known
		}
	}
	stored := d.adoptEpisodes(m.Episodes, now)
	d.adoptTold(m.Told, now)
	d.adoptMessages(m.Messages, now)
	d.adoptReaches(m.Reaches, now)
	for _, u := range m.Unreadable {
		d.Log.Error().Str("receiver", u.Notifier).Str("message_id", u.Message).Str("error", oneLine(u.Reason)).Msg("message is lost: home has it and it cannot be read")
		d.journal.done(u.Message)
	}
	for _, v := range stored {
		d.settleIn(v, now)
	}
	if len(m.Episodes)+len(m.Messages) > 0 {
		d.Log.Info().Int("episodes", len(m.Episodes)).Int("messages", len(m.Messages)).Msg("alerts go on where they stood")
	}
}

// adoptEpisodes takes over what the Store has, in the order of its beginning and
// before what began while the Store could not be read.
func (d *Desk) adoptEpisodes(all []Episode, now time.Time) (stored []*live) {
	all = slices.SortedFunc(slices.Values(all), func(a, b Episode) int {
		return cmp.Or(a.Opened.Compare(b.Opened), strings.Compare(a.Table, b.Table))
	})
	for _, e := range all {
		for _, t := range []*time.Time{&e.Opened, &e.StaleSince, &e.Escalated, &e.Recovering, &e.Closed} {
			*t = earlier(*t, now)
		}
		v := &live{Episode: e}
		d.episodes[e.ID] = v
		stored = append(stored, v)
	}
	d.order = append(slices.Clone(stored), d.order...)
	return stored
}

// settleIn gives a stored episode that is not over its table. Where the table has
// one that was opened before the Store could be read, by the same budget, they
// are one, and it is the stored one that goes on.
func (d *Desk) settleIn(v *live, now time.Time) {
	if v.over() {
		return
	}
	other := d.tables[v.Table]
	switch {
	case other == nil:
		d.tables[v.Table] = v
	case other.round > 0 && other.Digest == v.Digest:
		d.takeOver(v, other)
	default:
		d.supersede(v, other, now)
	}
}

// takeOver puts a stored episode in the place of the one that was opened blindly.
func (d *Desk) takeOver(v, blind *live) {
	v.judged, v.round = blind.judged, blind.round
	v.Recovering, v.Closed, v.Ending, v.Last = blind.Recovering, blind.Closed, blind.Ending, blind.Last
	if blind.Level.Worse(v.Level) {
		v.Level, v.Escalated = blind.Level, blind.Escalated
	}
	for _, b := range d.boxes {
		d.withdraw(b, blind.ID, false)
		if b.told[blind.ID].aware() {
			// It was told a second time by another id and the same key: one end is
			// enough for both, and must come.
			d.withdraw(b, v.ID, false)
			d.tell(b, b.told[v.ID].with(b.told[blind.ID], v.ID))
		}
	}
	d.erase(blind)
	d.order = slices.DeleteFunc(d.order, func(o *live) bool { return o == blind })
	d.tables[v.Table] = v
	d.journal.episode(v.ID)
}

// supersede ends a stored episode whose table has another one. Who was told of
// that one is not told the end of this one: it has the same key.
func (d *Desk) supersede(v, other *live, now time.Time) {
	v.Episode = v.end(Changed, now)
	d.journal.episode(v.ID)
	for _, b := range d.boxes {
		d.withdraw(b, other.ID, false)
		if t := b.told[v.ID]; t.aware() && b.told[other.ID].aware() {
			d.withdraw(b, v.ID, false)
			t = b.told[v.ID]
			t.Resolved = true
			d.tell(b, t)
		}
	}
}

// adoptTold takes over what was told. A receiver that is not there any more is
// told nothing, and one that is of another kind was told nothing.
func (d *Desk) adoptTold(all []Told, now time.Time) {
	for _, t := range all {
		t.At = earlier(t.At, now)
		b := d.named[t.Notifier]
		switch {
		case b == nil:
			t.Resolved = true
			d.journal.strangers = append(d.journal.strangers, t)
		case t.Kind != b.Kind:
			d.tell(b, Told{Episode: t.Episode, Notifier: t.Notifier, Resolved: true})
		default:
			b.told[t.Episode] = t
		}
	}
}

// adoptMessages takes over what is not delivered.
//
// That an attempt is made is saved before it is made, so that one that is not
// unsure is taken back, raised and brought up to date as if it had been said
// by this process. The exception is an attempt that was made while home could not
// be written, by a process that died before it could. Who may have heard of a
// firing so must hear of the end: where its time had come, its episode counts as
// inherited, whose end is told even if the firing is taken back. Its alerts are
// neither raised nor joined by others, since the receiver may know it by its ID
// and listen no more. A firing that is said again has the ID that it had.
func (d *Desk) adoptMessages(all []Message, now time.Time) {
	for _, m := range all {
		b := d.named[m.Notifier]
		if b == nil || b.Mirror != nil {
			d.Log.Warn().Str("receiver", m.Notifier).Str("message_id", m.ID).Msg("message is given up: its receiver is not there any more")
			d.journal.done(m.ID)
			continue
		}
		l := &letter{Message: m}
		l.doubtful = !l.Unsure && !l.Due.After(now)
		l.Begun, l.Due, l.Tried = earlier(l.Begun, now), earlier(l.Due, now.Add(b.wait(l.Event))), earlier(l.Tried, now)
		if !b.keepOwn(l) {
			d.journal.done(m.ID)
			continue
		}
		b.add(l)
		if (l.Unsure || l.doubtful) && !l.Sealed {
			b.seal(l)
			d.journal.message(l)
		}
		if !l.Sealed {
			b.open[opening{l.Event, l.Via}] = l
		}
		if l.doubtful {
			d.doubt(l)
		}
	}
}

// doubt has the end told of all that a message tells.
func (d *Desk) doubt(l *letter) {
	for i := range l.Alerts {
		if v := d.episodes[l.Alerts[i].Episode]; v != nil && !v.Inherited {
			v.Inherited = true
			d.journal.episode(v.ID)
		}
	}
}

// earlier is the first of two moments. What a Store has from later than this is
// of a clock that was set back: it must hold nothing up. It gets the monotonic
// reading that it lost in the Store, so that a clock which is set while this
// process runs holds nothing up either.
func earlier(t, now time.Time) time.Time {
	switch {
	case t.IsZero():
		return t
	case t.After(now):
		return now
	}
	return now.Add(t.Sub(now))
}

// keepOwn takes those alerts out of a stored message that were meant for a
// receiver of another kind: of their episodes nothing was told here. It reports
// whether anything is left.
func (b *box) keepOwn(l *letter) bool {
	if len(l.Alerts) == 0 {
		return true
	}
	l.Alerts = slices.DeleteFunc(l.Alerts, func(a Alert) bool {
		t := b.told[a.Episode]
		return t.Episode != "" && t.Sequence == 0
	})
	return len(l.Alerts) > 0
}
