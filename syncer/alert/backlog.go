package alert

import "time"

// Backlog is how a receiver keeps up.
type Backlog struct {
	Receiver string
	// Pending messages are not delivered; the oldest began at Oldest.
	Pending int
	Oldest  time.Time
	// FailingSince is when the first of an unbroken row of failed attempts was
	// made, Error what the last one failed by, Retry when the next one is made.
	FailingSince time.Time
	Error        string
	Retry        time.Time
	// Disabled receivers said that they take nothing any more; they are asked
	// again when the process is started again.
	Disabled bool
}

// Backlog says how each receiver keeps up, in the order of Receivers.
func (d *Desk) Backlog() []Backlog {
	d.once.Do(d.begin)
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Backlog, 0, len(d.boxes))
	for _, b := range d.boxes {
		one := Backlog{Receiver: b.Name, Pending: len(b.queue), FailingSince: b.failingSince, Error: b.failed, Retry: b.retry, Disabled: b.disabled}
		for _, l := range b.queue {
			if one.Oldest.IsZero() || l.Begun.Before(one.Oldest) {
				one.Oldest = l.Begun
			}
		}
		all = append(all, one)
	}
	return all
}
