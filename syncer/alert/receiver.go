package alert

import (
	"path"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// Receiver is a notifier with what it is to be told.
type Receiver struct {
	Name string
	// Kind is what the receiver is, for logs: webhook, slack, ...
	Kind string
	// Notifier or Mirror, one of the two.
	Notifier Notifier
	Mirror   Mirror
	// Levels it is told of: Warn, Critical; none stands for both.
	Levels []syncer.Level
	// Tables and Consumers are globs; none stands for all. See Matches.
	Tables, Consumers []string
	// Repeat is after what time it is reminded of an episode that goes on, by
	// its level; 0: never.
	Repeat map[syncer.Level]time.Duration
	// Resolved says whether it is told that an episode ended.
	Resolved bool
	// Group is how long a message waits for more alerts of its event.
	Group time.Duration
	// Limit is how many alerts a message may have; 0 stands for 1000.
	Limit int
	// Fallback is the name of the receiver that is told in place of this one
	// when this one cannot be reached; "": all others are told that it cannot.
	Fallback string
	// Off says that nothing may be told at a moment; nil: always may.
	Off func(now time.Time) bool
}

// defaultLimit is how many alerts a message may have unless a receiver says.
const defaultLimit = 1000

// Maintenance is a window that comes again, in which nobody is told of some
// tables: Duration from each tick of Schedule on.
type Maintenance struct {
	// Tables are globs; none stands for all.
	Tables   []string
	Schedule interface{ Next(time.Time) time.Time }
	Duration time.Duration
}

// Observer counts what becomes of messages. It must not block.
type Observer interface {
	// Sent says that a receiver took a message.
	Sent(receiver string, e Event)
	// Failed says that an attempt failed or a message was given up. Reason is
	// one of Reasons.
	Failed(receiver, reason string)
}

// Why an attempt failed: the receiver takes nothing any more, or not this
// message; it wishes to be left alone; it did not answer in time; anything else
// that may pass. Expired messages were given up for their age, Overflow says
// that there was no room for one.
const (
	ReasonGone        = "gone"
	ReasonPermanent   = "permanent"
	ReasonRateLimited = "rate_limited"
	ReasonTimeout     = "timeout"
	ReasonTemporary   = "temporary"
	ReasonExpired     = "expired"
	ReasonOverflow    = "overflow"
)

// Reasons are all that an Observer is told of.
func Reasons() []string {
	return []string{ReasonGone, ReasonPermanent, ReasonRateLimited, ReasonTimeout, ReasonTemporary, ReasonExpired, ReasonOverflow}
}

// Matches reports whether one of the globs fits a table, by its whole name or
// by the part after the consumer's; no globs fit all. A * fits any number of
// characters but "/", a ? one, [a-z] one of a range.
func Matches(globs []string, table string) bool {
	if len(globs) == 0 {
		return true
	}
	_, bare, named := strings.Cut(table, ".")
	return matchesAny(globs, table) || named && matchesAny(globs, bare)
}

// matchesAny reports whether a glob fits a name; no globs fit all.
func matchesAny(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(g, name); ok && err == nil {
			return true
		}
	}
	return len(globs) == 0
}

// limit is how many alerts a message may have.
func (r *Receiver) limit() int {
	if r.Limit > 0 {
		return r.Limit
	}
	return defaultLimit
}

// event names a receiver and its kind in a log line.
func (r *Receiver) event(e *zerolog.Event) *zerolog.Event {
	return e.Str("receiver", r.Name).Str("kind", r.Kind)
}
