package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// alerting is what home says of alerts, whether or not a daemon runs.
type alerting struct {
	open     map[string]alert.Episode // by table
	silences []alert.Silence
	backlog  []home.Backlog
	// reaches are the receivers of the configuration that took nothing when they
	// were last sent something.
	reaches []alert.Reach
	quiet   quiet
	holds   map[string]time.Duration // by table
	// missing is home's file, if it is not there and somebody is to be told.
	missing string
	// unread says why nothing of this is known.
	unread error
}

// undeliveredTime is how long after it was due a message may be undelivered
// before check says so: a receiver that was away for a moment is no news.
const undeliveredTime = time.Minute

// mostEpisodes bounds what is read of episodes, of which each table has one
// that is open.
const mostEpisodes = 20_000

// alerting reads home, which it neither makes nor changes.
func (p *parts) alerting(ctx context.Context) alerting {
	now := time.Now()
	read, err := home.Read(ctx, p.config.Larder.Home, now, mostEpisodes)
	a := alerting{open: make(map[string]alert.Episode), backlog: read.Backlog(now), reaches: p.inTrouble(read.Reaches), holds: make(map[string]time.Duration)}
	switch {
	case len(p.config.Alerts) == 0: // nobody is to be told
	case errors.Is(err, fs.ErrNotExist):
		a.missing = p.config.Larder.Home
	default:
		a.unread = err
	}
	if q, err := p.quiet(now); err == nil {
		a.quiet = q
	}
	for _, t := range p.config.Tables {
		a.holds[t.Consumer.Name+"."+t.Name] = t.Budget.Hold
	}
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

// inTrouble leaves out receivers that are not in the configuration any more.
func (p *parts) inTrouble(all []alert.Reach) []alert.Reach {
	return slices.DeleteFunc(all, func(r alert.Reach) bool {
		return !slices.ContainsFunc(p.config.Alerts, func(a *config.Alert) bool { return a.Name == r.Receiver })
	})
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
			l.AlertSince, l.WellSince = instant(e.Opened), instant(e.Recovering)
			l.hold = a.holds[l.Table]
		}
		l.MaintainedUntil = a.quiet.maintained(l.Table)
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

// muted says what keeps a table from being told of now.
func (a alerting) muted(p *parts, table string) []string {
	var all []string
	l := []line{{Table: table}}
	a.mark(l)
	if until := l[0].SilencedUntil; until != nil {
		all = append(all, "silenced until "+clock(until))
	}
	if until := l[0].MaintainedUntil; until != nil {
		all = append(all, "maintenance until "+clock(until))
	}
	return append(all, a.quiet.offNow(p, table)...)
}

// told is what WHY says of alerts.
func (l line) told() string {
	text := ""
	if l.AlertSince != nil {
		text = "alert since " + clock(l.AlertSince)
	}
	if l.WellSince != nil {
		text += fmt.Sprintf(", well since %s, held %s", clock(l.WellSince), syncer.Span(l.hold))
	}
	if l.MaintainedUntil != nil {
		text = join(text, "maintenance until "+clock(l.MaintainedUntil))
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
	for _, r := range a.reaches {
		if r.Trouble != alert.Unshown || r.Since.Before(before) {
			all = append(all, refusal(r))
		}
	}
	if a.missing != "" {
		all = append(all, noHome(a.missing))
	}
	if a.unread != nil {
		all = append(all, fmt.Sprintf("alerts are not known: %v", a.unread))
	}
	return all
}

// stuck reports whether a message is undelivered for too long, or was given up.
func (a alerting) stuck(now time.Time) bool {
	before := now.Add(-undeliveredTime)
	return slices.ContainsFunc(a.backlog, func(b home.Backlog) bool { return b.Since.Before(before) }) ||
		slices.ContainsFunc(a.reaches, func(r alert.Reach) bool { return r.Trouble != alert.Unshown || r.Since.Before(before) })
}

// noHome says that who was told of what is not known.
func noHome(file string) string {
	return fmt.Sprintf("home %q is not there: what was told is not known", file)
}

// refusal says that a receiver takes nothing.
func refusal(r alert.Reach) string {
	since := clock(instant(r.Since))
	switch r.Trouble {
	case alert.Gone:
		return fmt.Sprintf("%s: takes nothing any more since %s: %s; restart larder after mending it", r.Receiver, since, r.Error)
	case alert.Expires:
		return fmt.Sprintf("%s: messages were given up since %s, because they were too old", r.Receiver, since)
	case alert.Unshown:
		return fmt.Sprintf("%s: cannot be told since %s: %s", r.Receiver, since, r.Error)
	}
	return fmt.Sprintf("%s: refused the last message, and takes none since %s: %s", r.Receiver, since, r.Error)
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
