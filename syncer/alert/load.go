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
	var m Memory
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
	superseded := d.adoptEpisodes(m.Episodes, now)
	d.adoptTold(m.Told, superseded)
	d.adoptMessages(m.Messages, superseded, now)
	if len(m.Episodes)+len(m.Messages) > 0 {
		d.Log.Info().Int("episodes", len(m.Episodes)).Int("messages", len(m.Messages)).Msg("alerts go on where they stood")
	}
}

// adoptEpisodes takes over what the Store has. An open episode of a table that
// has another one by now ends without a word: the other one has the same key.
func (d *Desk) adoptEpisodes(all []Episode, now time.Time) (superseded map[string]bool) {
	superseded = map[string]bool{}
	all = slices.SortedFunc(slices.Values(all), func(a, b Episode) int {
		return cmp.Or(a.Opened.Compare(b.Opened), strings.Compare(a.Table, b.Table))
	})
	for _, e := range all {
		if d.episodes[e.ID] != nil {
			continue
		}
		v := &live{Episode: e}
		if !e.over() {
			if d.tables[e.Table] != nil {
				v.Episode = e.end(Changed, now)
				superseded[e.ID] = true
				d.journal.episode(e.ID)
			} else {
				d.tables[e.Table] = v
			}
		}
		d.episodes[e.ID] = v
		d.order = append(d.order, v)
	}
	return superseded
}

// adoptTold takes over what was told. A receiver that is not there any more is
// told nothing.
func (d *Desk) adoptTold(all []Told, superseded map[string]bool) {
	for _, t := range all {
		b := d.named[t.Notifier]
		switch {
		case b == nil:
			t.Resolved = true
			d.journal.strangers = append(d.journal.strangers, t)
			continue
		case superseded[t.Episode]:
			t.Resolved = true
			d.tell(b, t)
		default:
			b.told[t.Episode] = t
		}
	}
}

// adoptMessages takes over what is not delivered. Where the time to send one has
// come, an attempt may have been made that could not be saved: nothing of it is
// taken back.
func (d *Desk) adoptMessages(all []Message, superseded map[string]bool, now time.Time) {
	for _, m := range all {
		b := d.named[m.Notifier]
		if b == nil || b.Mirror != nil {
			d.Log.Warn().Str("receiver", m.Notifier).Str("message", m.ID).Msg("message is given up: its receiver is not there any more")
			d.journal.done(m.ID)
			continue
		}
		l := &letter{Message: m, tried: m.Attempts > 0 || !m.Due.After(now)}
		kept := l.Alerts[:0:0]
		for _, a := range l.Alerts {
			if !superseded[a.Episode] {
				kept = append(kept, a)
			}
		}
		if len(kept) == 0 && len(l.Alerts) > 0 {
			d.journal.done(m.ID)
			continue
		}
		if !l.tried {
			l.Alerts = kept
		}
		b.add(l)
		if l.tried && !l.Sealed {
			b.seal(l)
			d.journal.message(l)
		}
		if !l.Sealed {
			b.open[opening{l.Event, l.Via}] = l
		}
	}
}
