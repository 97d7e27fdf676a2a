package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deliver sends what waits for one receiver, one message at a time, until ctx
// has ended.
func (d *Desk) deliver(ctx context.Context, b *box) {
	for ctx.Err() == nil {
		m, l, again := d.next(b, d.clock())
		if l == nil {
			d.pause(ctx, b.wake, again)
			continue
		}
		// That an attempt is made is saved before it is made, and that it did not
		// arrive after it: what may have arrived is not taken back, nor changed.
		d.commit(ctx)
		if d.holdBack(b, l, d.clock()) {
			continue
		}
		err := d.attempt(ctx, b.Receiver, m)
		d.answered(ctx, b, l, err)
		d.commit(ctx)
	}
}

// pause waits until something happens, until a moment if there is one, or until
// ctx has ended.
func (d *Desk) pause(ctx context.Context, wake <-chan struct{}, until time.Time) {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(d.clock()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-due:
	}
}

// next takes the message that is sent next, or says when to look again.
func (d *Desk) next(b *box, now time.Time) (Message, *letter, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.standsStill(now) {
		return Message{}, nil, now.Add(lookEvery)
	}
	d.sweep(b, now)
	withheld := d.withholding(b, now)
	if b.disabled {
		_, again := b.pick(now, withheld)
		return Message{}, nil, again
	}
	if b.retry.After(now) {
		return Message{}, nil, b.retry
	}
	l, again := b.pick(now, withheld)
	if l == nil {
		return Message{}, nil, again
	}
	if !l.Unsure {
		d.refresh(l)
		b.seal(l)
	}
	l.wasUnsure, l.Unsure, l.underWay = l.Unsure, true, true
	l.Attempts, l.Tried = l.Attempts+1, now
	d.journal.message(l)
	m := l.Message
	m.Alerts = slices.Clone(m.Alerts)
	return m, l, time.Time{}
}

// sweep gives up what is too old, and what is due for a receiver that takes
// nothing any more.
func (d *Desk) sweep(b *box, now time.Time) {
	var expired, lost []*letter
	withheld := d.withholding(b, now)
	for _, l := range b.queue {
		switch {
		case now.Sub(l.Begun) > messageTTL:
			expired = append(expired, l)
		case b.disabled && !l.Due.After(now) && !withheld(l):
			lost = append(lost, l)
		}
	}
	for _, l := range expired {
		d.giveUp(b, l, ReasonExpired, now)
	}
	for _, l := range lost {
		d.giveUp(b, l, ReasonGone, now)
	}
}

// attempt hands a message over. One that is under way when the desk is stopped
// may take a little longer: it has probably arrived.
func (d *Desk) attempt(ctx context.Context, r *Receiver, m Message) (err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("receiver %q panics: %v", r.Name, p)
		}
	}()
	answer, err := r.Notifier.Notify(ctx, m)
	if err == nil {
		r.event(d.Log.Info()).Str("event", string(m.Event)).Str("message_id", m.ID).Int("alerts", len(m.Alerts)).
			Int("attempts", m.Attempts).Str("answer", oneLine(answer)).Msg("receiver is told")
	}
	return err
}

// bounded is a context for one attempt.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(lastWords, cancel)
		context.AfterFunc(inner, func() { t.Stop() })
	})
	return inner, func() {
		stop()
		cancel()
	}
}

// answered writes down what became of an attempt.
func (d *Desk) answered(ctx context.Context, b *box, l *letter, err error) {
	now := d.clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	l.underWay = false
	if err == nil {
		d.taken(b, l, now)
		return
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // the desk is stopped: nothing is known of the receiver
	}
	if notTaken(err) {
		l.Unsure = l.wasUnsure
	}
	l.Failed = oneLine(err.Error())
	b.failed = l.Failed
	b.event(d.Log.Warn()).Str("event", string(l.Event)).Str("message_id", l.ID).Int("attempts", l.Attempts).
		Str("reason", reasonOf(err)).Str("error", l.Failed).Msg("receiver cannot be told")
	switch {
	case gone(err):
		d.disable(b, now)
		d.giveUp(b, l, ReasonGone, now)
		return
	case permanent(err):
		// One that refuses a message can be reached.
		d.reached(b)
		if b.refusedSince.IsZero() {
			b.refusedSince = now
		}
		d.giveUp(b, l, ReasonPermanent, now)
		return
	}
	d.observeFailed(b, reasonOf(err))
	d.journal.message(l)
	d.wait(b, l, err, now)
}

// wait decides how long the receiver is left alone. As long as it failed with
// one message only, that one may be the reason: it waits, and another one may be
// tried soon. When a second one has failed, too, all wait.
func (d *Desk) wait(b *box, l *letter, err error, now time.Time) {
	b.failures++
	if b.failingSince.IsZero() {
		b.failingSince = now
	}
	l.strikes++
	b.several = b.several || b.suspect != nil && b.suspect != l
	b.suspect = l
	l.notBefore = now.Add(d.waitAfter(l.strikes, err))
	n := 1
	if b.several {
		n = b.failures
	}
	b.retry = now.Add(d.waitAfter(n, err))
}

// taken writes down that a message has arrived.
func (d *Desk) taken(b *box, l *letter, now time.Time) {
	for i := range l.Alerts {
		a := &l.Alerts[i]
		t := b.told[a.Episode]
		// The next reminder counts from here: a receiver that was away for hours
		// is not reminded of what it has just heard.
		if t.Episode != "" && t.Sequence == a.Sequence && a.Event != Resolved {
			t.At = now
			d.tell(b, t)
		}
	}
	d.heard(b, l)
	d.drop(b, l)
	d.recovered(b)
	if d.Observer != nil {
		d.Observer.Sent(b.Name, l.Event)
	}
}

// recovered writes down that a receiver takes what it is told. Word of the
// contrary that nobody was sent yet is taken back.
func (d *Desk) recovered(b *box) {
	d.reached(b)
	b.failed, b.refusedSince, b.blamed, b.relieved = "", time.Time{}, false, false
	for _, l := range b.queue {
		if !l.Unsure {
			l.notBefore = time.Time{} // it was refused at once, and takes no time
		}
	}
	d.trouble(b, "", time.Time{})
	for _, o := range d.boxes {
		for _, l := range slices.Clone(o.queue) {
			if l.Event == Undelivered && l.Via == b.Name && !l.Unsure {
				d.drop(o, l)
			}
		}
	}
}

// reached ends a row of failures.
func (d *Desk) reached(b *box) {
	if b.failures > 0 {
		b.event(d.Log.Info()).Time("failing_since", b.failingSince).Msg("receiver can be told again")
	}
	if b.several {
		// It was the receiver, not a message.
		for _, l := range b.queue {
			l.strikes, l.notBefore = 0, time.Time{}
		}
	}
	b.failures, b.failingSince, b.retry = 0, time.Time{}, time.Time{}
	b.suspect, b.several = nil, false
}

// waitAfter is how long a receiver is left alone after its nth failure in a row.
func (d *Desk) waitAfter(n int, err error) time.Duration {
	wait := d.jitter(backoff(n))
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		wait = max(wait, later.RetryAfter())
	}
	return min(wait, longestWait)
}

func (d *Desk) observeFailed(b *box, reason string) {
	if d.Observer != nil {
		d.Observer.Failed(b.Name, reason)
	}
}

func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func notTaken(err error) bool {
	var n interface{ NotTaken() bool }
	return errors.As(err, &n) && n.NotTaken()
}

func gone(err error) bool {
	var g interface{ Gone() bool }
	return errors.As(err, &g) && g.Gone()
}

func reasonOf(err error) string {
	var later interface{ RetryAfter() time.Duration }
	switch {
	case gone(err):
		return ReasonGone
	case permanent(err):
		return ReasonPermanent
	case errors.As(err, &later) && later.RetryAfter() > 0:
		return ReasonRateLimited
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout
	}
	return ReasonTemporary
}

// oneLine bounds a text that may stem from a receiver.
func oneLine(s string) string {
	const limit = 300
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
