package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Backlog is how a receiver keeps up.
type Backlog struct {
	Receiver string
	// Pending messages are not delivered. Of those that are due and may be
	// told, Oldest is since when the oldest is; zero: none is.
	Pending int
	Oldest  time.Time
	// FailingSince is since when no attempt got an answer; while it answers, since
	// when it has refused all that it was sent. Error is what the last attempt
	// failed by, Retry when the next one is made.
	FailingSince time.Time
	Error        string
	Retry        time.Time
	// Untold are the peers of a Mirror that could not be told while others were.
	Untold []string
	// Disabled receivers said that they take nothing any more; they are asked
	// again when the process is started again.
	Disabled bool
}

// Backlog says how each receiver keeps up, in the order of Receivers.
func (d *Desk) Backlog() []Backlog {
	d.once.Do(d.begin)
	now := d.clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Backlog, 0, len(d.boxes))
	for _, b := range d.boxes {
		withheld := d.withholding(b, now)
		one := Backlog{Receiver: b.Name, Pending: len(b.queue), FailingSince: cmp.Or(b.failingSince, b.refusedSince), Error: b.failed, Retry: b.retry, Disabled: b.disabled,
			Untold: slices.Sorted(maps.Keys(b.untold))}
		for _, l := range b.queue {
			if !l.Due.After(now) && !withheld(l) && (one.Oldest.IsZero() || l.Due.Before(one.Oldest)) {
				one.Oldest = l.Due
			}
		}
		all = append(all, one)
	}
	return all
}
