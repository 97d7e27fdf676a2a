package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// alerting is what home says of alerts, whether or not a daemon runs.
type alerting struct {
	open     map[string]alert.Episode // by table
	silences []alert.Silence
	backlog  []home.Backlog
	// unread says why nothing of this is known.
	unread error
}

// undeliveredTime is how long after it was due a message may be undelivered
// before check says so: a receiver that was away for a moment is no news.
const undeliveredTime = time.Minute

// mostEpisodes bounds what is read of episodes, of which each table has one
// that is open.
const mostEpisodes = 20_000

// alerting reads home, which it neither makes nor changes. A home that is not
// there has nothing to tell.
func (p *parts) alerting(ctx context.Context) alerting {
	now := time.Now()
	read, err := home.Read(ctx, p.config.Larder.Home, now, mostEpisodes)
	if errors.Is(err, fs.ErrNotExist) || err != nil && len(p.config.Alerts) == 0 {
		err = nil
	}
	a := alerting{open: make(map[string]alert.Episode), backlog: read.Backlog(now), unread: err}
	for _, e := range read.Episodes {
		if e.Closed.IsZero() && len(p.config.Alerts) > 0 { // else nobody is told
			a.open[e.Table] = e
		}
	}
	for _, s := range read.Silences {
		if !s.From.After(now) {
			a.silences = append(a.silences, s)
		}
	}
	return a
}

// undelivered is what one notifier could not be told of a table.
type undelivered struct {
	Notifier string     `json:"notifier"`
	Messages int        `json:"messages"`
	Since    *time.Time `json:"since"`
	Error    string     `json:"error,omitempty"`
}

// mark adds to each line what is told of its table.
func (a alerting) mark(lines []line) {
	for i := range lines {
		l := &lines[i]
		if e, ok := a.open[l.Table]; ok {
			l.AlertSince = instant(e.Opened)
		}
		for _, s := range a.silences {
			if alert.Matches(s.Tables, l.Table) && (l.SilencedUntil == nil || s.Until.After(*l.SilencedUntil)) {
				l.SilencedUntil = instant(s.Until)
			}
		}
		for _, b := range a.backlog {
			if slices.Contains(b.Tables, l.Table) {
				l.Undelivered = append(l.Undelivered, undelivered{b.Notifier, b.Messages, instant(b.Since), b.Failed})
			}
		}
	}
}

// told is what WHY says of alerts.
func (l line) told() string {
	text := ""
	if l.AlertSince != nil {
		text = "alert since " + clock(l.AlertSince)
	}
	if l.SilencedUntil != nil {
		text = join(text, "silenced until "+clock(l.SilencedUntil))
	}
	return text
}

// troubles are a line for each notifier that has not delivered what was due
// before.
func (a alerting) troubles(before time.Time) []string {
	var all []string
	for _, b := range a.backlog {
		if b.Since.Before(before) {
			all = append(all, trouble(b))
		}
	}
	if a.unread != nil {
		all = append(all, fmt.Sprintf("alerts are not known: %v", a.unread))
	}
	return all
}

// stuck reports whether a message is undelivered for too long.
func (a alerting) stuck(now time.Time) bool {
	return slices.ContainsFunc(a.backlog, func(b home.Backlog) bool { return b.Since.Before(now.Add(-undeliveredTime)) })
}

func trouble(b home.Backlog) string {
	messages := fmt.Sprintf("%d messages are", b.Messages)
	if b.Messages == 1 {
		messages = "1 message is"
	}
	text := fmt.Sprintf("%s: %s not delivered since %s", b.Notifier, messages, clock(instant(b.Since)))
	if b.Failed == "" {
		return text + ": nobody tries; does the daemon run?"
	}
	return text + ": " + b.Failed
}
