package home

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer/alert"
)

// Alerts are what a home says of alerts.
type Alerts struct {
	// Memory has the episodes that are open or that ended not long ago, the one
	// that was opened first first, what was told of these, and the messages that
	// are not delivered.
	alert.Memory
	// Silences are those that are not over.
	Silences []alert.Silence
}

// Read reads what stands in a file of alerts, of episodes those that are open
// or ended after since, at most limit, the latest. It changes nothing, needs no
// daemon and disturbs none. A file that is not there is an error; one from
// before there were alerts has none.
func Read(ctx context.Context, file string, since time.Time, limit int) (Alerts, error) {
	a, err := read(ctx, file, since, limit)
	if err != nil {
		return a, fmt.Errorf("read home %q: %w", file, err)
	}
	return a, nil
}

func read(ctx context.Context, file string, since time.Time, limit int) (a Alerts, err error) {
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		return a, unopened(file, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	conn.SetBusyTimeout(lockWait)
	conn.SetInterrupt(ctx.Done())
	defer sqlitex.Transaction(conn)(&err)
	held, err := versionOf(conn)
	if err != nil || held < version {
		return a, err
	}
	if a.Memory, err = load(conn, fmt.Sprintf(recent, limit), since.UnixMicro()); err != nil {
		return a, err
	}
	a.Silences, err = readSilences(conn)
	return a, err
}

// unopened asks the system why a file cannot be opened, which SQLite does not
// tell. Nobody in this process has the file open: closing it would end the
// locks of whoever has.
func unopened(file string, err error) error {
	f, reason := os.Open(file)
	if reason != nil {
		return reason
	}
	return errors.Join(err, f.Close())
}

// recent are the episodes that Read returns.
const recent = `number IN (SELECT number FROM episode WHERE closed IS NULL OR closed > ?1
	ORDER BY closed IS NULL DESC, number DESC LIMIT %d)`

// Backlog is what one notifier could not deliver.
type Backlog struct {
	Notifier string
	Messages int
	// Since is when the oldest of them was due.
	Since time.Time
	// Failed is why the last attempt failed; "" if none was made.
	Failed string
	// Tables are those that the messages are about.
	Tables []string
}

// late is how long after it was due a message counts as not delivered though no
// attempt has failed: nobody makes one.
const late = time.Minute

// Backlog returns the notifiers that have not delivered what is due at now, in
// the order of their names.
func (a Alerts) Backlog(now time.Time) []Backlog {
	byName := make(map[string]*Backlog)
	tried := make(map[string]time.Time)
	for _, m := range a.Messages {
		if m.Failed == "" && now.Sub(m.Due) < late {
			continue
		}
		b := byName[m.Notifier]
		if b == nil {
			b = &Backlog{Notifier: m.Notifier, Since: m.Due}
			byName[m.Notifier] = b
		}
		b.Messages++
		if m.Due.Before(b.Since) {
			b.Since = m.Due
		}
		if m.Failed != "" && !m.Tried.Before(tried[m.Notifier]) {
			b.Failed, tried[m.Notifier] = m.Failed, m.Tried
		}
		for _, one := range m.Alerts {
			b.Tables = append(b.Tables, one.Table)
		}
	}
	return sortedBacklog(byName)
}

func sortedBacklog(byName map[string]*Backlog) []Backlog {
	var all []Backlog
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		b := byName[name]
		slices.Sort(b.Tables)
		b.Tables = slices.Compact(b.Tables)
		all = append(all, *b)
	}
	return all
}
