package config

import (
	pathglob "path"
	"slices"
	"strings"
	"time"
)

// Alert is a receiver: who is told of copies that are too old, and of which. Of what says where it is, the zero value is
// what its kind does not have.
type Alert struct {
	Name    string
	KeyPath string
	Kind    AlertKind

	URL        Secret   // webhook, slack, teams, discord; of pagerduty and ntfy where it is not their own
	URLs       []Secret // alertmanager
	Secrets    []Secret // webhook: a message is signed with each of them
	Auth       Auth     // webhook, alertmanager; by bearer or basic, or none
	RoutingKey Secret   // pagerduty
	Topic      Secret   // ntfy
	Token      Secret   // ntfy; zero: none
	SMTP       Secret   // email: a URL of smtp, by STARTTLS but to this machine, or of smtps
	From       string   // email
	To         []string // email
	Command    []string // exec

	Levels    []AlertLevel
	Tables    []string // globs over CONSUMER.name and name; none: all tables
	Consumers []string // globs; none: all consumers
	Repeat    Repeat
	Resolved  bool
	Group     time.Duration
	Fallback  *Alert // nil: none
	HoursOff  []HoursOff

	fallback *node // where it is named
}

func (a *Alert) name() string { return a.Name }

// AlertKind is what kind of receiver an alert goes to.
type AlertKind string

// The kinds.
const (
	AlertWebhook      AlertKind = "webhook"
	AlertAlertmanager AlertKind = "alertmanager"
	AlertPagerDuty    AlertKind = "pagerduty"
	AlertSlack        AlertKind = "slack"
	AlertTeams        AlertKind = "teams"
	AlertDiscord      AlertKind = "discord"
	AlertNtfy         AlertKind = "ntfy"
	AlertEmail        AlertKind = "email"
	AlertExec         AlertKind = "exec"
	AlertLog          AlertKind = "log"
)

func alertKinds() []AlertKind {
	return []AlertKind{AlertWebhook, AlertAlertmanager, AlertPagerDuty, AlertSlack, AlertTeams, AlertDiscord, AlertNtfy, AlertEmail, AlertExec, AlertLog}
}

// AlertLevel is a level that is told.
type AlertLevel string

// The levels.
const (
	AlertWarn     AlertLevel = "warn"
	AlertCritical AlertLevel = "critical"
)

// Repeat is how often what goes on is told again; 0: never.
type Repeat struct{ Warn, Critical time.Duration }

func (r *reader) alert(n *node, c *Config) *Alert {
	a := defaultAlert(n.key)
	s, ok := r.section(n)
	if !ok {
		return a
	}
	if kind := s.need("kind", `kind = "webhook"`); kind != nil {
		choose(s, "kind", &a.Kind)
	}
	if a.Kind != "" {
		r.target(s, a)
	}
	if levels, ok := chooseSome[AlertLevel](s, "levels"); ok {
		a.Levels = levels
	}
	a.Tables = r.globs(s, "tables", tableNames(c))
	a.Consumers = r.globs(s, "consumers", names(c.Consumers))
	r.checkWatched(s, a, c)
	if repeat := s.child("repeat"); repeat != nil {
		if own, ok := r.section(repeat); ok {
			own.duration("warn", &a.Repeat.Warn)
			own.duration("critical", &a.Repeat.Critical)
		}
	}
	s.flag("resolved", &a.Resolved)
	s.duration("group", &a.Group)
	a.fallback = s.child("fallback")
	if hours := s.child("hours_off"); hours != nil {
		a.HoursOff = r.hoursOff(hours, c.Larder.Timezone)
	}
	return a
}

// chooseSome reads a list of words, each once, and at least one.
func chooseSome[T ~string](s section, key string) (all []T, ok bool) {
	n := s.child(key)
	if n == nil {
		return nil, false
	}
	list, _ := s.r.form(n).variant(isList)
	words := list.of.words()
	if n.kind != kindArray || len(n.below) == 0 {
		s.r.wrong(n, "is %s; write a list of %s", n.whatOrNone(), strings.Join(words, ", "))
		return nil, false
	}
	for _, one := range n.below {
		text, ok := s.r.text(one)
		switch {
		case !ok:
		case !slices.Contains(words, text):
			s.r.wrong(one, "unknown value %s%s", s.r.shown(one), hint(text, words))
		case slices.Contains(all, T(text)):
			s.r.wrong(one, "is there twice; leave one of them out")
		default:
			all = append(all, T(text))
		}
	}
	return all, len(all) > 0
}

// tableNames are the names of all tables, CONSUMER.name and name alone.
func tableNames(c *Config) []string {
	var all []string
	for _, t := range c.Tables {
		all = append(all, t.Consumer.Name+"."+t.Name, t.Name)
	}
	return all
}

// globs reads one glob or a list of them, each of which matches something.
func (r *reader) globs(s section, key string, known []string) (all []string) {
	n := s.child(key)
	if n == nil {
		return nil
	}
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; leave it out for all %s", key)
	}
	for _, one := range eachOf(n) {
		text, ok := r.text(one)
		if !ok {
			continue
		}
		matches := func(name string) bool { return matched(text, name) }
		if _, err := pathglob.Match(text, ""); err != nil || text == "" {
			r.wrong(one, "%s is no glob; write a name, with * for any letters and ? for one", r.shown(one))
		} else if len(known) > 0 && !slices.ContainsFunc(known, matches) {
			r.wrong(one, "%s matches none of the %s%s", r.shown(one), key, hint(text, slices.Compact(slices.Sorted(slices.Values(known)))))
		}
		all = append(all, text)
	}
	return all
}

func matched(glob, name string) bool {
	ok, err := pathglob.Match(glob, name)
	return err == nil && ok
}

// Watches reports whether alerts of the table go to this receiver.
func (a *Alert) Watches(t *Table) bool {
	consumer := func(glob string) bool { return matched(glob, t.Consumer.Name) }
	return (len(a.Tables) == 0 || slices.ContainsFunc(a.Tables, t.matches)) &&
		(len(a.Consumers) == 0 || slices.ContainsFunc(a.Consumers, consumer))
}

// Covers reports whether the table has this maintenance.
func (m Maintenance) Covers(t *Table) bool {
	return len(m.Tables) == 0 || slices.ContainsFunc(m.Tables, t.matches)
}

// matches reports whether a glob means the table, by CONSUMER.name or by its name alone.
func (t *Table) matches(glob string) bool {
	return matched(glob, t.Consumer.Name+"."+t.Name) || matched(glob, t.Name)
}

// checkWatched refuses globs over tables and consumers that have nothing in common.
func (r *reader) checkWatched(s section, a *Alert, c *Config) {
	if len(a.Tables) > 0 && len(a.Consumers) > 0 && len(c.Tables) > 0 && !slices.ContainsFunc(c.Tables, a.Watches) {
		r.wrong(s.child("tables"), "no table that it matches is of the consumers; leave one of both out")
	}
}

// checkFallbacks finds whom fallbacks name, and refuses those that lead back to where they come from.
func (r *reader) checkFallbacks(c *Config) {
	for _, a := range c.Alerts {
		if a.fallback == nil {
			continue
		}
		to, ok := lookup(r, a.fallback, "alert", c.Alerts)
		switch {
		case !ok:
		case to == a:
			r.wrong(a.fallback, "is this alert itself; name another")
		case to.Kind == AlertAlertmanager:
			r.wrong(a.fallback, "is of kind %q, which is told of everything that goes on as it is; name one of another kind", to.Kind)
		default:
			a.Fallback = to
		}
	}
	var circular []*Alert
	for _, a := range c.Alerts {
		at := a.Fallback
		for range c.Alerts {
			if at == nil || at == a {
				break
			}
			at = at.Fallback
		}
		if at == a {
			circular = append(circular, a)
		}
	}
	for _, a := range circular {
		r.wrong(a.fallback, "leads back to this alert; leave one of the fallbacks out")
		a.Fallback = nil
	}
}
