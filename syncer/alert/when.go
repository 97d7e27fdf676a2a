package alert

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// during is the time of an episode, and how long it was. One of a few minutes is
// told to the second.
func (a Alert) during() string {
	from, to := a.StaleSince.UTC(), a.Closed.UTC()
	if a.Closed.IsZero() || to.Before(from) {
		return "since " + a.clock(from)
	}
	form := "15:04"
	if to.Sub(from) < 10*time.Minute {
		form = time.TimeOnly
	}
	if !sameDay(from, to) || !sameDay(to, a.moment()) {
		form = "2006-01-02 " + form
	}
	return from.Format(form) + "–" + to.Format(form) + " UTC (" + syncer.Span(to.Sub(from)) + ")"
}

// moment is when the news was so.
func (a Alert) moment() time.Time {
	switch {
	case !a.At.IsZero():
		return a.At
	case !a.AsOf.IsZero():
		return a.AsOf.Add(a.Staleness)
	}
	return a.Opened
}

// sinceWhen is an instant, and how long ago that was.
func (a Alert) sinceWhen(t time.Time) string {
	text := a.clock(t)
	if ago := a.moment().Sub(t); ago >= time.Second {
		text += " (" + syncer.Span(ago) + " ago)"
	}
	return text
}

// clock writes an instant as somebody who is told reads it: in UTC, and without
// the day where that is the one of the news.
func (a Alert) clock(t time.Time) string { return a.clockTo(t, "15:04") }

func (a Alert) clockTo(t time.Time, form string) string {
	if !sameDay(a.moment(), t) {
		form = "2006-01-02 " + form
	}
	return t.UTC().Format(form + " UTC")
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}

func dated(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
