package alert

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/larder-sync/larder/syncer"
)

// Bounds on texts. Parts of them stem from owners and databases.
const (
	mostTitle  = 300 // characters of a first line
	mostName   = 150 // of a table's, a source's or a consumer's name
	mostReason = 500 // of a reason where one table is told of
	mostBrief  = 160 // of a reason where several are
	mostListed = 20  // tables that are named one by one
)

// Title is the first line of a message: what, and how bad. It is one line of
// plain text; each kind of receiver escapes it for its own format.
func (m Message) Title() string {
	switch {
	case m.Event == Test:
		return Plain(fmt.Sprintf("TEST larder %q reaches you by %q", m.Instance, m.Notifier), mostTitle)
	case m.Event == Undelivered:
		return Plain(fmt.Sprintf("UNDELIVERED alerts: %q is not told", m.Via), mostTitle)
	case len(m.Alerts) == 1:
		return m.Alerts[0].Title()
	}
	title := m.worst() + " " + fmt.Sprint(len(m.Alerts)) + " tables " + m.predicate()
	if m.Cause != "" {
		title += ": " + m.Cause
	}
	return Plain(title, mostTitle)
}

// Lines are what follows the title: since when, why, what next. Where a message
// is about several tables, there is one line each, up to a bound.
func (m Message) Lines() []string {
	var lines []string
	switch {
	case m.Event == Test:
		lines = append(lines, "nothing is wrong: somebody ran larder alert test")
	case m.Event == Undelivered:
		lines = append(lines, Plain(m.Text, mostReason), "see larder status")
	case len(m.Alerts) == 1:
		lines = append(lines, m.Alerts[0].Lines()...)
	default:
		for i, a := range m.Alerts {
			if i == mostListed {
				lines = append(lines, fmt.Sprintf("and %d more", len(m.Alerts)-i))
				break
			}
			lines = append(lines, a.brief(m.Cause != ""))
		}
		if m.Event != Resolved {
			lines = append(lines, "see larder status")
		}
	}
	if m.Via != "" && m.Event != Undelivered {
		lines = append(lines, Plain(fmt.Sprintf("meant for %q, which cannot be reached", m.Via), mostTitle))
	}
	if m.Attempts > 1 && len(m.Alerts) > 0 {
		lines = append(lines, fmt.Sprintf("told late, by attempt %d: this was so at %s", m.Attempts, dated(m.stood())))
	}
	if m.Instance != "" && m.Instance != "larder" && m.Event != Test {
		lines = append(lines, Plain(fmt.Sprintf("told by larder %q", m.Instance), mostTitle))
	}
	return lines
}

// stood is when what a message says was so. It is brought up to date before each
// attempt, until one may have arrived.
func (m Message) stood() time.Time {
	at := m.Begun
	for _, a := range m.Alerts {
		if a.Event != Resolved && !a.AsOf.IsZero() && a.AsOf.Add(a.Staleness).After(at) {
			at = a.AsOf.Add(a.Staleness)
		}
	}
	return at
}

// worst is the word that a message about several tables begins with.
func (m Message) worst() string {
	word := ""
	for _, a := range m.Alerts {
		switch w := a.word(); {
		case w == "CRITICAL", word == "":
			word = w
		case word == "OK" || word == "ENDED":
			if w != "OK" {
				word = w
			}
		}
	}
	return word
}

// predicate is what all tables of a message have in common.
func (m Message) predicate() string {
	is := "stale"
	for _, a := range m.Alerts {
		if a.Measure == syncer.MeasureDeletes || a.Measure == syncer.MeasureNewest {
			is = "over budget"
		}
	}
	switch m.Event {
	case Escalated:
		return "are " + is + ", up from warn"
	case Reminder:
		return "are still " + is
	case Resolved:
		if m.worst() == "OK" {
			return "are fresh again"
		}
		return "are told of no more"
	}
	return "are " + is
}

// Title is the alert in one line: what, and how bad.
func (a Alert) Title() string {
	title := a.word() + " " + Plain(a.Table, mostName) + a.state()
	if a.Event != Resolved {
		title += ", budget " + span(a.Limit)
	}
	switch {
	case a.Event == Escalated:
		title += ", up from warn"
	case a.Event == Reminder && a.Reminder > 0:
		title += fmt.Sprintf(" (reminder %d)", a.Reminder)
	case a.Event == Resolved && !a.StaleSince.IsZero():
		title += ", was stale " + a.during()
	}
	return Plain(title, mostTitle)
}

// Lines are what follows the alert's title: since when, why, what next.
func (a Alert) Lines() []string {
	if a.Event == Resolved {
		return a.lastWords()
	}
	var lines []string
	if !a.StaleSince.IsZero() {
		lines = append(lines, "since "+a.clock(a.StaleSince))
	}
	saidBelow := a.Failure != nil && strings.HasPrefix(a.Reason, "last poll: ")
	if a.Reason != "" && !saidBelow {
		lines = append(lines, Plain(a.Reason, mostReason))
	}
	if a.Failure != nil {
		line := "last poll: " + a.failure(mostReason)
		if !a.Since.IsZero() {
			line += ", failing since " + a.clock(a.Since)
		}
		lines = append(lines, line)
	}
	lines = append(lines, a.leftOut()...)
	next := "next poll not planned"
	if !a.NextPoll.IsZero() {
		next = "next poll " + a.clock(a.NextPoll)
	}
	next += "; larder status"
	if a.Source != "" {
		next += ", larder poll " + Plain(a.Source, mostName)
	}
	return append(lines, next)
}

// lastWords say what a table that is told of no more leaves open.
func (a Alert) lastWords() []string {
	var lines []string
	if a.Ending != Recovered && a.Ending != "" {
		lines = append(lines, "this says nothing of how stale it is; see larder status")
	}
	if a.Ending == Recovered {
		lines = append(lines, a.leftOut()...)
	}
	return lines
}

// leftOut are records and deletions that came and are not in the copy.
func (a Alert) leftOut() []string {
	var lines []string
	if a.LastQuarantined > 0 {
		lines = append(lines, fmt.Sprintf("last poll set aside %d records; larder quarantine list", a.LastQuarantined))
	}
	if a.Held > 0 {
		lines = append(lines, fmt.Sprintf("%d deletions are held by the guard; larder accept %s --deletes %d", a.Held, Plain(a.Table, mostName), a.Held))
	}
	return lines
}

// word says how bad it is.
func (a Alert) word() string {
	switch {
	case a.Event == Resolved && (a.Ending == Recovered || a.Ending == ""):
		return "OK"
	case a.Event == Resolved:
		return "ENDED"
	case a.Level == syncer.Critical:
		return "CRITICAL"
	}
	return "WARN"
}

// state says how the table stands, right after its name.
func (a Alert) state() string {
	still := ""
	if a.Event == Reminder {
		still = "still "
	}
	switch {
	case a.Event == Resolved:
		return a.ending()
	case a.Facts.Level == syncer.Never:
		return " is " + still + "not complete after " + span(a.Staleness)
	case a.Facts.Level == syncer.Unknown:
		return " is " + still + "not readable: how stale it is is unknown"
	case a.Measure == syncer.MeasureDeletes:
		return ": deletes are " + still + "not proven for " + span(a.Age)
	case a.Measure == syncer.MeasureNewest:
		return ": newest record is " + still + span(a.Age) + " old"
	}
	return " is " + still + span(a.Staleness) + " stale"
}

func (a Alert) ending() string {
	switch a.Ending {
	case Changed:
		return " is told of no more: the configuration has changed"
	case Paused:
		return " is told of no more: it was paused"
	case Left:
		return " is told of by another daemon from here on"
	}
	return " is fresh again"
}

// during is the time of an episode, and how long it was.
func (a Alert) during() string {
	from, to := a.StaleSince.UTC(), a.Closed.UTC()
	if a.Closed.IsZero() || to.Before(from) {
		return "since " + a.clock(from)
	}
	until := to.Format("15:04 UTC")
	begin := from.Format("15:04")
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		begin, until = from.Format("2006-01-02 15:04"), to.Format("2006-01-02 15:04 UTC")
	}
	return begin + "–" + until + " (" + span(to.Sub(from)) + ")"
}

// brief is the alert in one line of several. causeTold leaves out why.
func (a Alert) brief(causeTold bool) string {
	line := Plain(a.Table, mostName) + a.state()
	if a.Event == Resolved {
		if !a.StaleSince.IsZero() {
			line += ", was stale " + a.during()
		}
		return line
	}
	line += ", budget " + span(a.Limit)
	if a.Level == syncer.Warn {
		line += " (warn)"
	}
	if !a.StaleSince.IsZero() {
		line += ", since " + a.clock(a.StaleSince)
	}
	if a.Failure != nil && !causeTold {
		line += ": " + a.failure(mostBrief)
	}
	return line
}

func (a Alert) failure(most int) string {
	if a.Failure.Text == "" {
		return Plain(string(a.Failure.Class), most)
	}
	return Plain(string(a.Failure.Class)+": "+a.Failure.Text, most)
}

// clock writes an instant as somebody who is told reads it: in UTC, and without
// the day where that is the one of the news.
func (a Alert) clock(t time.Time) string {
	told := a.Opened
	if !a.AsOf.IsZero() {
		told = a.AsOf.Add(a.Staleness)
	}
	if told.UTC().Format(time.DateOnly) == t.UTC().Format(time.DateOnly) {
		return t.UTC().Format("15:04 UTC")
	}
	return dated(t)
}

func dated(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span writes how long something takes in its two greatest units: "23m",
// "4h30m", "3d4h"; seconds only below two minutes.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "m")
	}
	const day = 24 * time.Hour
	return two(d/day, "d", d%day/time.Hour, "h")
}

func two(a time.Duration, unitA string, b time.Duration, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unitA)
	}
	return fmt.Sprintf("%d%s%d%s", a, unitA, b, unitB)
}

// Plain is s as one line of at most so many characters: without control and
// format characters, which turn lines around or hide text, and without what is
// no UTF-8.
func Plain(s string, most int) string {
	var b strings.Builder
	space, count := false, 0
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			r = '?'
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			continue
		case unicode.IsControl(r), unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		}
		if count >= most {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			space = false
			count++
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
