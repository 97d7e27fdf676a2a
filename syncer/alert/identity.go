package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Key is what all episodes of a table are known by at receivers that know
// incidents. It says nothing of level, value or time.
func Key(instance, table string) string {
	return digest(instance, table, "staleness")
}

// digest is 32 hex digits that stand for some texts.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])[:32]
}

// episodeID is unique because a table has one episode at a time, and the next
// one is opened later.
func episodeID(key string, opened, staleSince time.Time, budget string) string {
	return digest(key, opened.UTC().Format(time.RFC3339Nano), staleSince.UTC().Format(time.RFC3339Nano), budget)
}

// alertID is the same whenever the same word of an episode is said to the same
// receiver, in whatever message.
func alertID(episode, receiver string, sequence int, e Event) string {
	return digest(episode, receiver, strconv.Itoa(sequence), string(e))
}

// Trial is a message by which a person tries out a receiver. For a Mirror its
// alerts are told as firing.
func Trial(instance, receiver string, now time.Time) Message {
	a := Alert{
		Key: Key(instance, "larder.test"), Episode: digest(instance, receiver, now.UTC().Format(time.RFC3339Nano)), Sequence: 1,
		Event: Test, Level: syncer.Warn, Table: "larder.test", Source: "test", Consumer: "larder",
		Opened: now, StaleSince: now,
		Facts: Facts{Level: syncer.Warn, Reason: "somebody tries this receiver out", AsOf: now.Add(-time.Minute), Staleness: time.Minute, Limit: time.Minute,
			Measure: syncer.MeasureStaleness, Age: time.Minute},
	}
	a.ID = alertID(a.Episode, receiver, 1, Test)
	return Message{ID: digest(a.ID, "message"), Notifier: receiver, Event: Test, Instance: instance, Begun: now, Due: now, Sealed: true, Alerts: []Alert{a}}
}
