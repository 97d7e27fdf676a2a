package alert

import "time"

// Backlog is how a receiver keeps up.
type Backlog struct {
	Receiver string
	// Pending messages are not delivered. Of those that are due Oldest is since
	// when the oldest is; zero: none is.
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
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Backlog, 0, len(d.boxes))
	for _, b := range d.boxes {
		one := Backlog{Receiver: b.Name, Pending: len(b.queue), FailingSince: b.failingSince, Error: b.failed, Retry: b.retry, Disabled: b.disabled}
		for _, l := range b.queue {
			if !l.Due.After(now) && (one.Oldest.IsZero() || l.Due.Before(one.Oldest)) {
				one.Oldest = l.Due
			}
		}
		all = append(all, one)
	}
	return all
}
