package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
	"github.com/larder-sync/larder/syncer/schedule"
)

// desk makes who tells the receivers that the configuration names. observer may
// be nil.
func (p *parts) desk(observer alert.Observer) (*alert.Desk, error) {
	receivers, err := p.receivers()
	if err != nil {
		return nil, err
	}
	windows, err := p.maintenance()
	if err != nil {
		return nil, err
	}
	holds := make(map[string]time.Duration)
	for _, t := range p.config.Tables {
		holds[t.Consumer.Name+"."+t.Name] = t.Budget.Hold
	}
	return &alert.Desk{
		Instance: p.config.Larder.Name, Store: p.home, Receivers: receivers, Maintenance: windows,
		Hold:         func(table string) time.Duration { return holds[table] },
		StartupGrace: p.config.Larder.StartupGrace, Observer: observer, Log: p.log,
	}, nil
}

// receivers are those of the configuration, in its order.
func (p *parts) receivers() ([]*alert.Receiver, error) {
	var all []*alert.Receiver
	for _, a := range p.config.Alerts {
		r, err := p.receiver(a)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// receiver makes one of them.
func (p *parts) receiver(a *config.Alert) (*alert.Receiver, error) {
	r := &alert.Receiver{
		Name: a.Name, Kind: string(a.Kind), Tables: a.Tables, Consumers: a.Consumers,
		Repeat:   map[syncer.Level]time.Duration{syncer.Warn: a.Repeat.Warn, syncer.Critical: a.Repeat.Critical},
		Resolved: a.Resolved, Group: a.Group, Limit: limitOf(a.Kind),
	}
	for _, l := range a.Levels {
		r.Levels = append(r.Levels, syncer.Level(l))
	}
	if a.Fallback != nil {
		r.Fallback = a.Fallback.Name
	}
	off, err := hoursOff(a.HoursOff)
	if err != nil {
		return nil, config.Mistakes{p.config.Mistake(a.KeyPath+".hours_off", "%v", err)}
	}
	r.Off = off
	if a.Kind == config.AlertAlertmanager {
		r.Mirror, err = notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: revealed(a.URLs), Auth: authorization(a.Auth), Instance: p.config.Larder.Name, Transport: p.carrier})
	} else {
		r.Notifier, err = p.notifier(a)
	}
	if err != nil {
		return nil, config.Mistakes{optionMistake(p.config, a.KeyPath, err)}
	}
	return r, nil
}

// notifier makes what sends to a receiver of any kind but alertmanager.
func (p *parts) notifier(a *config.Alert) (alert.Notifier, error) {
	switch a.Kind {
	case config.AlertWebhook:
		return notify.NewWebhook(notify.WebhookOptions{URL: a.URL.Reveal(), Secrets: revealed(a.Secrets), Auth: authorization(a.Auth), Transport: p.carrier})
	case config.AlertPagerDuty:
		return notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: a.RoutingKey.Reveal(), URL: a.URL.Reveal(), Transport: p.carrier})
	case config.AlertSlack:
		return notify.NewSlack(notify.SlackOptions{URL: a.URL.Reveal(), Transport: p.carrier})
	case config.AlertTeams:
		return notify.NewTeams(notify.TeamsOptions{URL: a.URL.Reveal(), Transport: p.carrier})
	case config.AlertDiscord:
		return notify.NewDiscord(notify.DiscordOptions{URL: a.URL.Reveal(), Transport: p.carrier})
	case config.AlertNtfy:
		return notify.NewNtfy(notify.NtfyOptions{URL: a.URL.Reveal(), Topic: a.Topic.Reveal(), Token: a.Token.Reveal(), Transport: p.carrier})
	case config.AlertEmail:
		return email(a)
	case config.AlertExec:
		return notify.NewExec(notify.ExecOptions{Command: a.Command})
	case config.AlertLog:
		return notify.NewLog(notify.LogOptions{Log: p.log.With().Str("receiver", a.Name).Logger()})
	}
	return nil, fmt.Errorf("kind %q is not known", a.Kind)
}

// authorization is who we are to a receiver.
func authorization(a config.Auth) notify.Authorization {
	return notify.Authorization{Scheme: a.Scheme, Token: a.Bearer.Reveal(), User: a.User.Reveal(), Password: a.Password.Reveal()}
}

// email takes a mail server's URL apart.
func email(a *config.Alert) (alert.Notifier, error) {
	u, err := url.Parse(a.SMTP.Reveal())
	if err != nil {
		return nil, &notify.OptionError{Option: "smtp", Index: -1, Err: errors.New("does not parse as a URL")}
	}
	password, _ := u.User.Password()
	return notify.NewEmail(notify.EmailOptions{
		SMTP: u.Host, ImplicitTLS: u.Scheme == "smtps", User: u.User.Username(), Password: password, From: a.From, To: a.To,
	})
}

// limitOf is how many alerts a message to a receiver of a kind may have: an event
// of PagerDuty is one incident, and a webhook's body has to stay below 20 KB.
func limitOf(kind config.AlertKind) int {
	switch kind {
	case config.AlertPagerDuty:
		return 1
	case config.AlertWebhook:
		return 20
	}
	return 0
}

func revealed(secrets []config.Secret) []string {
	var all []string
	for _, s := range secrets {
		all = append(all, s.Reveal())
	}
	return all
}

// maintenance are the windows in which nobody is told.
func (p *parts) maintenance() ([]alert.Maintenance, error) {
	zone, err := time.LoadLocation(p.config.Larder.Timezone)
	if err != nil {
		return nil, config.Mistakes{p.config.Mistake("larder.timezone", "%v", err)}
	}
	var all []alert.Maintenance
	for _, m := range p.config.Maintenance {
		s, err := schedule.Parse(m.Schedule, zone)
		if err != nil {
			return nil, config.Mistakes{p.config.Mistake(m.KeyPath+".schedule", "%v", err)}
		}
		all = append(all, alert.Maintenance{Tables: m.Tables, Schedule: s, Duration: m.Duration})
	}
	return all, nil
}

// span is a time of certain days, on the wall clock of a zone.
type span struct {
	config.HoursOff
	zone *time.Location
}

// hoursOff says when a receiver is told nothing; nil where it always is.
func hoursOff(hours []config.HoursOff) (func(time.Time) bool, error) {
	var spans []span
	for _, h := range hours {
		zone, err := time.LoadLocation(h.Timezone)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{h, zone})
	}
	if spans == nil {
		return nil, nil
	}
	return func(now time.Time) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.holds(now) })
	}, nil
}

// holds reports whether the wall clock is inside the span, which may have begun
// the day before. Where clocks change it goes by what they show.
func (s span) holds(now time.Time) bool {
	local := now.In(s.zone)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
		time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	today := local.Weekday()
	if s.To > s.From {
		return clock >= s.From && clock < s.To && slices.Contains(s.Days, today)
	}
	yesterday := (today + 6) % 7
	return clock >= s.From && slices.Contains(s.Days, today) || clock < s.To && slices.Contains(s.Days, yesterday)
}
