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
	title := fmt.Sprintf("%s %d tables %s", m.worst(), len(m.Alerts), m.predicate())
	if why := sharedBy(m.Alerts).phrase(); why != "" {
		title += ": " + why
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
		lines = append(lines, m.several()...)
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
		if a.Event != Resolved && a.moment().After(at) {
			at = a.moment()
		}
	}
	return at
}

// several are the lines of a message about several tables: why, where that is the
// same for all, then a line each, and what next.
func (m Message) several() []string {
	var lines []string
	why := sharedBy(m.Alerts)
	if why.text != "" {
		lines = append(lines, "last poll of each: "+Plain(string(why.class)+": "+why.text, mostReason))
	}
	for i, a := range m.Alerts {
		if i == mostListed {
			lines = append(lines, fmt.Sprintf("and %d more", len(m.Alerts)-i))
			break
		}
		lines = append(lines, a.brief(why.text != ""))
	}
	if m.Event == Resolved || len(m.Alerts) == 0 {
		return lines
	}
	return append(lines, m.next())
}

// next is what happens next and what somebody can do.
func (m Message) next() string {
	var first time.Time
	source, from := m.Alerts[0].Source, ""
	for i := range m.Alerts {
		a := &m.Alerts[i]
		if a.Source != source {
			source = ""
		}
		if a.NextPoll.IsZero() || a.NextPoll.Equal(first) {
			continue
		}
		if !first.IsZero() {
			from = " and later"
		}
		if first.IsZero() || a.NextPoll.Before(first) {
			first = a.NextPoll
		}
	}
	next := "next poll not planned"
	if !first.IsZero() {
		next = "next poll " + m.Alerts[0].clock(first) + from
	}
	next += "; larder status"
	if source == "" {
		return next + ", larder poll SOURCE"
	}
	return next + ", larder poll " + Plain(source, mostName)
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
		lines = append(lines, "since "+a.sinceWhen(a.StaleSince))
	}
	saidBelow := a.Failure != nil && strings.HasPrefix(a.Reason, "last poll: ")
	if a.Reason != "" && !saidBelow {
		lines = append(lines, Plain(a.Reason, mostReason))
	}
	if a.Failure != nil {
		line := "last poll: " + said(a.Failure, mostReason)
		if !a.Since.IsZero() {
			line += ", failing since " + a.sinceWhen(a.Since)
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

// lastWords say what was wrong, up to when the copy is complete, and what a table
// that is told of no more leaves open.
func (a Alert) lastWords() []string {
	if a.Ending != Recovered && a.Ending != "" {
		return []string{"this says nothing of how stale it is; see larder status"}
	}
	var lines []string
	if a.Was != nil {
		lines = append(lines, "polls failed by "+said(a.Was, mostReason))
	}
	if !a.AsOf.IsZero() {
		lines = append(lines, "complete as of "+a.clockTo(a.AsOf, time.TimeOnly))
	}
	return append(lines, a.leftOut()...)
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

// state says how the table stands, and what its budget is, right after its name.
func (a Alert) state() string {
	still := ""
	if a.Event == Reminder {
		still = "still "
	}
	budget := ", budget " + syncer.FullSpan(a.Limit.Truncate(time.Second))
	switch {
	case a.Event == Resolved:
		return a.ending()
	case a.Facts.Level == syncer.Unknown:
		return " is " + still + "not readable: how stale it is is unknown" + budget
	case !a.Due.IsZero():
		return a.late(still)
	case a.Facts.Level == syncer.Never:
		return " is " + still + "not complete after " + syncer.SpanOver(a.Staleness, a.Limit) + budget
	case a.Measure == syncer.MeasureDeletes:
		return ": deletes are " + still + "not proven for " + syncer.SpanOver(a.Age, a.Limit) + budget
	case a.Measure == syncer.MeasureNewest:
		return ": newest record is " + still + syncer.SpanOver(a.Age, a.Limit) + " old" + budget
	}
	return " is " + still + syncer.SpanOver(a.Staleness, a.Limit) + " stale" + budget
}

// late says it by the schedule, for a budget that counts from its ticks.
func (a Alert) late(still string) string {
	state := ": "
	if a.Facts.Level == syncer.Never {
		state = " is " + still + "not complete: "
	}
	return state + "the poll due " + a.clock(a.Due) + " is " + still + syncer.SpanOver(a.moment().Sub(a.Due), a.Grace) + " late, grace " + syncer.FullSpan(a.Grace)
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

// brief is the alert in one line of several. causeTold leaves out why.
func (a Alert) brief(causeTold bool) string {
	line := Plain(a.Table, mostName) + a.state()
	if a.Event == Resolved {
		if !a.StaleSince.IsZero() {
			line += ", was stale " + a.during()
		}
		if !a.AsOf.IsZero() && a.word() == "OK" {
			line += ", complete as of " + a.clockTo(a.AsOf, time.TimeOnly)
		}
		return line
	}
	if a.Level == syncer.Warn {
		line += " (warn)"
	}
	if !a.StaleSince.IsZero() {
		line += ", since " + a.sinceWhen(a.StaleSince)
	}
	if a.Failure != nil && !causeTold {
		line += ": " + said(a.Failure, mostBrief)
	}
	return line
}

func said(f *syncer.Failure, most int) string {
	if f.Text == "" {
		return Plain(string(f.Class), most)
	}
	return Plain(string(f.Class)+": "+f.Text, most)
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
