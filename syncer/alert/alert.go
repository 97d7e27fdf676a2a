// Package alert turns how copies stand into episodes, and episodes into
// messages that arrive: at least once, in order for each table, and not without
// need. It judges nothing itself and knows no database and no receiver: what it
// must not forget it keeps in a [Store], and what it says it gives to a
// [Notifier].
package alert

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Event is what an alert tells.
type Event string

// The events. Firing opens an episode for a receiver, Escalated says that it
// became critical, Reminder that it goes on, Resolved that it ended. Test is
// sent by a person; Undelivered says that another receiver cannot be reached.
const (
	Firing      Event = "firing"
	Escalated   Event = "escalated"
	Reminder    Event = "reminder"
	Resolved    Event = "resolved"
	Test        Event = "test"
	Undelivered Event = "undelivered"
)

// Ending is why an episode ended.
type Ending string

// The endings. Recovered is a complete poll; Changed that the table, its budget
// or its name is not what it was in the configuration; Paused that somebody
// paused it. Left is not told to anybody: another daemon holds the lease and
// tells from there on, and if the lease comes back the episode goes on, or ends.
const (
	Recovered Ending = "recovered"
	Changed   Ending = "config"
	Paused    Ending = "paused"
	Left      Ending = "standby"
)

// Episode is the time during which a copy is staler than its budget allows.
type Episode struct {
	// ID is unique; Key is the same for all episodes of a table: receivers that
	// know incidents find theirs by it.
	ID, Key                 string
	Table, Source, Consumer string
	// Digest is that of the budget it was opened by. See syncer.Judged.
	Digest string
	// Level is the worst it has reached: Warn or Critical.
	Level syncer.Level
	// Opened is when the budget was seen to be passed, StaleSince when it was,
	// Escalated when it became critical.
	Opened, StaleSince, Escalated time.Time
	// Recovering is since when the copy is within its budget again while the
	// hold goes on; zero: it is not.
	Recovering time.Time
	// Closed is when it ended, and Ending why; zero and "": it goes on. One that
	// Recovered ended when the copy was within its budget again, not when the
	// hold was over.
	Closed time.Time
	Ending Ending
	// Inherited says that another process may have told of it what this one does
	// not know: its end is told even to whom nothing else was.
	Inherited bool
	// Last is what was last known of the copy.
	Last Facts
}

// Facts are what a message says of a copy beside its level. See syncer.Judged.
type Facts struct {
	// At is when this was so.
	At        time.Time
	Level     syncer.Level
	Reason    string
	AsOf      time.Time
	Staleness time.Duration
	// Limit is the budget, Measure what it bounds, and Age how much of that
	// there is.
	Limit   time.Duration
	Measure syncer.Measure
	Age     time.Duration
	// Due and Grace say it by the schedule, where the budget does.
	Due     time.Time
	Grace   time.Duration
	Failure *syncer.Failure
	// Was is the failure that ended within the episode: what was wrong.
	Was      *syncer.Failure
	Since    time.Time // of an unbroken row of failures
	NextPoll time.Time
	// LastRows were written or deleted by the last complete poll, and
	// LastQuarantined records set aside by the last one; Held rows are absent at
	// the owner and kept by the guard.
	LastRows, LastQuarantined, Held int64
}

// Told is what one notifier was told of one episode.
type Told struct {
	Episode, Notifier string
	// Kind is what the notifier was: one of the same name and another kind was
	// told nothing.
	Kind  string
	Level syncer.Level
	// At is when the last firing, escalation or reminder was taken, or begun; for
	// a Mirror also that of the end.
	At        time.Time
	Reminders int
	// Sequence numbers what was said of the episode there, from 1.
	Sequence int
	// Resolved says that nothing is left to tell, Ended that the end was told: not
	// so where the receiver wants no ends, or another episode of the table took
	// this one's place.
	Resolved, Ended bool
	// Heard is what of all this was taken there.
	Heard Heard
}

// Alert is the news of one table in a message.
type Alert struct {
	// ID is the same each time it is sent: the receiver's idempotency key.
	ID       string
	Key      string
	Episode  string
	Sequence int
	Reminder int
	Event    Event
	Ending   Ending
	Level    syncer.Level
	Table    string
	Source   string
	Consumer string
	// Opened, StaleSince and Closed are the episode's.
	Opened, StaleSince, Closed time.Time
	Facts
}

// Message is what is sent to one notifier at one time: alerts of one event.
type Message struct {
	// ID is the same for each attempt.
	ID       string
	Notifier string
	Event    Event
	// Instance is the name of this larder.
	Instance string
	// Begun is when the first alert came in. Alerts are added until Due, when
	// the group's wait is over, or until it is Sealed: from then on the message
	// has the alerts that it has.
	Begun, Due time.Time
	Sealed     bool
	Alerts     []Alert
	// Cause is what all alerts of the message have in common; "" if nothing.
	Cause string
	// Via names the notifier that this was meant for and that could not be
	// reached; "" if it is this one.
	Via string
	// Text says what an Undelivered message is about.
	Text string
	// Attempts were made, the last one at Tried, which failed by Failed. Unsure
	// says that one of them may have arrived: the message stays as it is then, and
	// is not taken back.
	Attempts int
	Unsure   bool
	Tried    time.Time
	Failed   string
}

// Notifier sends messages to one receiver. Notify returns what the receiver
// answered, without secrets, once it has taken the message. An error may say
// more by methods: Permanent() bool, that the same message will never be taken;
// Gone() bool, that no message will be; RetryAfter() time.Duration, how long
// the receiver wishes not to be asked; NotTaken() bool, that the message has
// certainly not arrived. Its text has no secrets in it. Messages
// of a receiver come one at a time.
type Notifier interface {
	Notify(ctx context.Context, m Message) (answer string, err error)
}

// Mirror is told all that fires, again and again, and keeps nothing: a receiver
// with a memory of its own, as Alertmanager is. Resolved are the alerts that
// ended not long ago. What is not told again before until is taken as resolved
// by the receiver. Where the receiver has several peers, and some were told and
// some were not, the error is a *PeersError beside an answer.
type Mirror interface {
	Mirror(ctx context.Context, firing, resolved []Alert, until time.Time) (answer string, err error)
}

// PeersError says which peers of a Mirror could not be told, by names that hold
// no secret, and why. Others were: what is to be told is told.
type PeersError struct{ Failed map[string]error }

func (e *PeersError) Error() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(e.Failed)) {
		all = append(all, name+": "+e.Failed[name].Error())
	}
	return strings.Join(all, "; ")
}

// Silence keeps tables from being told of, not from being judged.
type Silence struct {
	ID string
	// Tables are globs over the names of tables.
	Tables         []string
	From, Until    time.Time
	Reason, Author string
}

// Store is what must survive this process. Its calls come one at a time, but
// while one is under way that has outlived its context by more than a second,
// none comes. Save is one transaction. Where it fails, or tells by a method Anew() bool of its error that nothing is left of
// what it had, everything is saved again later.
type Store interface {
	Load(ctx context.Context) (Memory, error)
	Save(ctx context.Context, c Change) error
	// Silences are those that are not over. Its error may say Anew, too, as long
	// as Save has not.
	Silences(ctx context.Context) ([]Silence, error)
}

// Memory is what a Store has: episodes that are open, that not every notifier
// has been told the end of, or that ended less than an hour ago; what was told
// of these; and messages that are not delivered.
type Memory struct {
	Episodes []Episode
	Told     []Told
	Messages []Message
	// Reaches are the receivers that took nothing when they were last sent
	// something.
	Reaches []Reach
	// New says that nothing was loaded before this process: nothing is known of
	// what another one told.
	New bool
	// Unreadable are messages that are lost: the desk says so, and they are Done.
	Unreadable []Unreadable
}

// Unreadable is a message, by its ID, that is there and cannot be read.
type Unreadable struct{ Message, Notifier, Reason string }

// Change is what becomes true together: episodes, what was told, and messages
// are put in place of those of the same name; Done are the messages, by ID,
// that are delivered or given up.
type Change struct {
	Episodes []Episode
	Told     []Told
	Messages []Message
	Done     []string
	// Reaches are put in place of those of the same receiver; one without a Trouble
	// takes it away.
	Reaches []Reach
}
