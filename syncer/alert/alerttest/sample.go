package alerttest

import (
	"fmt"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// Sample is a change of n open episodes, each told to two receivers, in one
// message, with every field set.
func Sample(now time.Time, n int) alert.Change {
	var c alert.Change
	m := alert.Message{ID: "m", Notifier: "oncall", Event: alert.Firing, Instance: "larder",
		Begun: now, Due: now.Add(30 * time.Second), Sealed: true, Cause: "connect: refused", Via: "pager", Text: "text",
		Attempts: 2, Tried: now.Add(time.Minute), Failed: "HTTP 503", Unsure: true}
	for i := range n {
		id, table := fmt.Sprintf("e%d", i), fmt.Sprintf("shop.t%d", i)
		facts := alert.Facts{Level: syncer.Warn, Reason: "last poll: connect: refused", AsOf: now.Add(-time.Hour),
			Staleness: time.Hour, Limit: 30 * time.Minute, Failure: &syncer.Failure{Class: syncer.ClassConnect, Text: "refused"},
			Since: now.Add(-50 * time.Minute), NextPoll: now.Add(time.Minute), LastRows: 1<<53 + 1, LastQuarantined: 3, Held: 5,
			Measure: syncer.MeasureDeletes, Age: 2 * time.Hour}
		e := alert.Episode{ID: id, Key: alert.Key("larder", table), Table: table, Source: "users", Consumer: "shop", Digest: "30m/1h",
			Level: syncer.Warn, Opened: now.Add(-10 * time.Minute), StaleSince: now.Add(-30 * time.Minute),
			Escalated: now.Add(-5 * time.Minute), Recovering: now.Add(-time.Second), Inherited: true, Last: facts}
		c.Episodes = append(c.Episodes, e)
		for _, to := range []string{"oncall", "mail"} {
			c.Told = append(c.Told, alert.Told{Episode: id, Notifier: to, Kind: "webhook", Level: syncer.Warn, At: now, Reminders: 2, Sequence: 3, Ended: true,
				Heard: alert.Heard{Level: syncer.Warn, Reminders: 1, End: true, Lost: alert.Reminder, Reason: alert.ReasonPermanent, Error: "HTTP 400", To: "mail"}})
		}
		m.Alerts = append(m.Alerts, alert.Alert{ID: "a" + id, Key: e.Key, Episode: id, Sequence: 3, Reminder: 2, Event: alert.Firing,
			Ending: alert.Recovered, Level: syncer.Warn, Table: table, Source: "users", Consumer: "shop",
			Opened: e.Opened, StaleSince: e.StaleSince, Closed: now, Facts: facts})
	}
	c.Messages = []alert.Message{m}
	c.Reaches = []alert.Reach{{Receiver: "oncall", Trouble: alert.Gone, Since: now, Error: "HTTP 410"}}
	return c
}
