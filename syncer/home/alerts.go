package home

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

const (
	// endedFor is how long an episode that everybody was told the end of is
	// still part of what is loaded.
	endedFor = time.Hour
	// episodesKept bounds the episodes that have ended, or were left to another
	// daemon: also those that somebody has still to be told of, which no time
	// ends.
	episodesKept = 50_000
)

// AnewError is what Silences say, and once Save, after the file was deleted or
// replaced: nothing is left of what was saved before.
type AnewError struct{ File string }

func (e *AnewError) Error() string {
	return fmt.Sprintf("%q was deleted or replaced, and is made anew", e.File)
}

// Anew is true. See alert.Store.
func (e *AnewError) Anew() bool { return true }

// Save implements alert.Store. What it has saved survives that the machine
// loses its power.
func (h *Home) Save(ctx context.Context, c alert.Change) error {
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		if h.anew {
			h.anew = false
			return &AnewError{h.file}
		}
		if len(c.Episodes)+len(c.Told)+len(c.Messages)+len(c.Done)+len(c.Reaches) == 0 {
			return nil
		}
		if err := durably(conn, func() error { return save(conn, c) }); err != nil {
			return err
		}
		return h.trim(conn)
	})
	if err != nil {
		return fmt.Errorf("save alerts: %w", err)
	}
	return nil
}

func save(conn *sqlite.Conn, c alert.Change) (err error) {
	commit, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer commit(&err)
	for _, e := range c.Episodes {
		if err := saveEpisode(conn, e); err != nil {
			return fmt.Errorf("episode %s: %w", e.ID, err)
		}
	}
	for _, t := range c.Told {
		if err := saveTold(conn, t); err != nil {
			return fmt.Errorf("what %q was told: %w", t.Notifier, err)
		}
	}
	for _, m := range c.Messages {
		if err := saveMessage(conn, m); err != nil {
			return fmt.Errorf("message %s: %w", m.ID, err)
		}
	}
	for _, id := range c.Done {
		err := sqlitex.Execute(conn, `DELETE FROM message WHERE id = ?`, &sqlitex.ExecOptions{Args: []any{id}})
		if err != nil {
			return fmt.Errorf("message %s: %w", id, err)
		}
	}
	for _, r := range c.Reaches {
		if err := saveReach(conn, r); err != nil {
			return fmt.Errorf("how %q is reached: %w", r.Receiver, err)
		}
	}
	return nil
}

func saveReach(conn *sqlite.Conn, r alert.Reach) error {
	if r.Trouble == "" {
		return sqlitex.Execute(conn, `DELETE FROM reach WHERE notifier = ?`, &sqlitex.ExecOptions{Args: []any{r.Receiver}})
	}
	return sqlitex.Execute(conn, `INSERT INTO reach (notifier, trouble, since, error) VALUES (?, ?, ?, ?)
		ON CONFLICT (notifier) DO UPDATE SET trouble = excluded.trouble, since = excluded.since, error = excluded.error`,
		&sqlitex.ExecOptions{Args: []any{r.Receiver, string(r.Trouble), micros(r.Since), r.Error}})
}

func saveEpisode(conn *sqlite.Conn, e alert.Episode) error {
	last, err := json.Marshal(e.Last)
	if err != nil {
		return err
	}
	return sqlitex.Execute(conn, `INSERT INTO episode (id, key, table_name, source, consumer, digest, level,
			opened, stale_since, escalated, recovering, closed, ending, inherited, last)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET key = excluded.key, table_name = excluded.table_name, source = excluded.source,
			consumer = excluded.consumer, digest = excluded.digest, level = excluded.level, opened = excluded.opened,
			stale_since = excluded.stale_since, escalated = excluded.escalated, recovering = excluded.recovering,
			closed = excluded.closed, ending = excluded.ending, inherited = excluded.inherited, last = excluded.last`,
		&sqlitex.ExecOptions{Args: []any{e.ID, e.Key, e.Table, e.Source, e.Consumer, e.Digest, string(e.Level),
			e.Opened.UnixMicro(), micros(e.StaleSince), micros(e.Escalated), micros(e.Recovering), micros(e.Closed),
			string(e.Ending), e.Inherited, string(last)}})
}

func saveTold(conn *sqlite.Conn, t alert.Told) error {
	heard, err := json.Marshal(t.Heard)
	if err != nil {
		return err
	}
	return sqlitex.Execute(conn, `INSERT INTO told (episode, notifier, kind, level, at, reminders, sequence, resolved, ended, heard)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (episode, notifier) DO UPDATE SET kind = excluded.kind, level = excluded.level, at = excluded.at,
			reminders = excluded.reminders, sequence = excluded.sequence, resolved = excluded.resolved, ended = excluded.ended, heard = excluded.heard`,
		&sqlitex.ExecOptions{Args: []any{t.Episode, t.Notifier, t.Kind, string(t.Level), micros(t.At), t.Reminders, t.Sequence, t.Resolved, t.Ended, string(heard)}})
}

// storedAlert keeps the level of the facts apart from the alert's own, which
// has the same name.
type storedAlert struct {
	alert.Alert
	Facts alert.Facts
}

func saveMessage(conn *sqlite.Conn, m alert.Message) error {
	alerts := make([]storedAlert, 0, len(m.Alerts))
	for _, a := range m.Alerts {
		alerts = append(alerts, storedAlert{a, a.Facts})
	}
	text, err := json.Marshal(alerts)
	if err != nil {
		return err
	}
	return sqlitex.Execute(conn, `INSERT INTO message (id, notifier, event, instance, begun, due, sealed, alerts,
			cause, via, text, attempts, tried, failed, unsure)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET notifier = excluded.notifier, event = excluded.event, instance = excluded.instance,
			begun = excluded.begun, due = excluded.due, sealed = excluded.sealed, alerts = excluded.alerts,
			cause = excluded.cause, via = excluded.via, text = excluded.text, attempts = excluded.attempts,
			tried = excluded.tried, failed = excluded.failed, unsure = excluded.unsure`,
		&sqlitex.ExecOptions{Args: []any{m.ID, m.Notifier, string(m.Event), m.Instance, micros(m.Begun), micros(m.Due), m.Sealed,
			string(text), m.Cause, m.Via, m.Text, m.Attempts, micros(m.Tried), m.Failed, m.Unsure}})
}

// Load implements alert.Store.
func (h *Home) Load(ctx context.Context) (alert.Memory, error) {
	var m alert.Memory
	err := h.use(ctx, func(conn *sqlite.Conn) (err error) {
		if m, err = loadAll(conn); err != nil {
			return err
		}
		h.loaded, h.first = true, h.first || m.New
		m.New = h.first
		_ = noteLoad(conn) // where it cannot be noted, the next process takes it for new, too
		return nil
	})
	if err != nil {
		return m, fmt.Errorf("load alerts: %w", err)
	}
	return m, nil
}

func loadAll(conn *sqlite.Conn) (m alert.Memory, err error) {
	defer sqlitex.Transaction(conn)(&err)
	m, err = load(conn, loaded, time.Now().Add(-endedFor).UnixMicro())
	if err != nil {
		return m, err
	}
	loads, err := sqlitex.ResultInt(conn.Prep("SELECT count(*) FROM first_load"))
	m.New = loads == 0
	return m, err
}

func noteLoad(conn *sqlite.Conn) error {
	return sqlitex.Execute(conn, `INSERT INTO first_load SELECT ? WHERE NOT EXISTS (SELECT * FROM first_load)`,
		&sqlitex.ExecOptions{Args: []any{time.Now().UnixMicro()}})
}

// loaded are the episodes that Load returns; its parameter is since when an
// episode must have ended to count for that alone.
const loaded = `closed IS NULL OR closed > ?1 OR id IN (SELECT episode FROM told WHERE NOT resolved)`

// load reads the episodes of a condition, what was told of them, and all
// messages.
func load(conn *sqlite.Conn, condition string, since int64) (alert.Memory, error) {
	var m alert.Memory
	bound := &sqlitex.ExecOptions{Args: []any{since}}
	bound.ResultFunc = func(s *sqlite.Stmt) error { m.Episodes = append(m.Episodes, scanEpisode(s)); return nil }
	err := sqlitex.Execute(conn, `SELECT id, key, table_name, source, consumer, digest, level, opened, stale_since,
		escalated, recovering, closed, ending, inherited, last FROM episode WHERE `+condition+` ORDER BY number`, bound)
	if err == nil {
		bound.ResultFunc = func(s *sqlite.Stmt) error { m.Told = append(m.Told, scanTold(s)); return nil }
		err = sqlitex.Execute(conn, `SELECT episode, notifier, kind, level, at, reminders, sequence, resolved, ended, heard FROM told
			WHERE episode IN (SELECT id FROM episode WHERE `+condition+`) ORDER BY episode, notifier`, bound)
	}
	if err == nil {
		err = sqlitex.Execute(conn, `SELECT id, notifier, event, instance, begun, due, sealed, alerts, cause, via, text,
			attempts, tried, failed, unsure FROM message ORDER BY number`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			msg, err := scanMessage(s)
			if err != nil {
				m.Unreadable = append(m.Unreadable, alert.Unreadable{Message: msg.ID, Notifier: msg.Notifier, Reason: err.Error()})
				return nil
			}
			m.Messages = append(m.Messages, msg)
			return nil
		}})
	}
	if err == nil {
		err = sqlitex.Execute(conn, `SELECT notifier, trouble, since, error FROM reach ORDER BY notifier`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			m.Reaches = append(m.Reaches, alert.Reach{Receiver: s.ColumnText(0), Trouble: alert.Trouble(s.ColumnText(1)), Since: instant(s, 2), Error: s.ColumnText(3)})
			return nil
		}})
	}
	return m, err
}

func scanEpisode(s *sqlite.Stmt) alert.Episode {
	e := alert.Episode{
		ID: s.ColumnText(0), Key: s.ColumnText(1), Table: s.ColumnText(2), Source: s.ColumnText(3), Consumer: s.ColumnText(4),
		Digest: s.ColumnText(5), Level: syncer.Level(s.ColumnText(6)),
		Opened: instant(s, 7), StaleSince: instant(s, 8), Escalated: instant(s, 9), Recovering: instant(s, 10), Closed: instant(s, 11),
		Ending: alert.Ending(s.ColumnText(12)), Inherited: s.ColumnBool(13),
	}
	if err := json.Unmarshal([]byte(s.ColumnText(14)), &e.Last); err != nil {
		e.Last = alert.Facts{} // the next round knows more
	}
	return e
}

func scanTold(s *sqlite.Stmt) alert.Told {
	t := alert.Told{
		Episode: s.ColumnText(0), Notifier: s.ColumnText(1), Kind: s.ColumnText(2), Level: syncer.Level(s.ColumnText(3)),
		At: instant(s, 4), Reminders: s.ColumnInt(5), Sequence: s.ColumnInt(6), Resolved: s.ColumnBool(7), Ended: s.ColumnBool(8),
	}
	if err := json.Unmarshal([]byte(s.ColumnText(9)), &t.Heard); err != nil {
		t.Heard = alert.Heard{} // it is shown to people, and nothing depends on it
	}
	return t
}

func scanMessage(s *sqlite.Stmt) (alert.Message, error) {
	m := alert.Message{
		ID: s.ColumnText(0), Notifier: s.ColumnText(1), Event: alert.Event(s.ColumnText(2)), Instance: s.ColumnText(3),
		Begun: instant(s, 4), Due: instant(s, 5), Sealed: s.ColumnBool(6), Cause: s.ColumnText(8), Via: s.ColumnText(9),
		Text: s.ColumnText(10), Attempts: s.ColumnInt(11), Tried: instant(s, 12), Failed: s.ColumnText(13), Unsure: s.ColumnBool(14),
	}
	var alerts []storedAlert
	if err := json.Unmarshal([]byte(s.ColumnText(7)), &alerts); err != nil {
		return m, fmt.Errorf("read its alerts: %w", err)
	}
	for _, a := range alerts {
		a.Alert.Facts = a.Facts
		m.Alerts = append(m.Alerts, a.Alert)
	}
	return m, nil
}

// trim forgets, once an hour, episodes that ended too long ago. What somebody has
// still to be told, after a silence or when the lease comes back, is not among
// them.
func (h *Home) trim(conn *sqlite.Conn) (err error) {
	now := time.Now()
	if age := now.Sub(h.trimmed); age >= 0 && age < time.Hour {
		return nil
	}
	commit, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer commit(&err)
	before := int64(0)
	if h.keep > 0 {
		before = now.Add(-h.keep).UnixMicro()
	}
	for _, step := range []string{
		`DELETE FROM episode WHERE closed < ?1 AND id NOT IN (SELECT episode FROM told WHERE NOT resolved)
			OR closed IS NOT NULL AND number <= (SELECT number FROM episode WHERE closed IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?2)`,
		`DELETE FROM told WHERE episode NOT IN (SELECT id FROM episode) AND ?1 = ?1 AND ?2 = ?2`,
		`DELETE FROM silence WHERE ends < ?1 AND ?2 = ?2`,
	} {
		if err := sqlitex.Execute(conn, step, &sqlitex.ExecOptions{Args: []any{before, episodesKept}}); err != nil {
			return err
		}
	}
	h.trimmed = now
	return nil
}

// forgetAlerts ends what is open in a file that was put in place of the one
// that this process wrote: nobody here knows of it, and it is told all there is.
func forgetAlerts(conn *sqlite.Conn) error {
	err := sqlitex.Execute(conn, `UPDATE episode SET closed = ?, ending = ? WHERE closed IS NULL`,
		&sqlitex.ExecOptions{Args: []any{time.Now().UnixMicro(), string(alert.Changed)}})
	if err != nil {
		return err
	}
	if err := sqlitex.Execute(conn, `UPDATE told SET resolved = 1`, nil); err != nil {
		return err
	}
	for _, table := range []string{"message", "reach"} {
		if err := sqlitex.Execute(conn, "DELETE FROM "+table, nil); err != nil {
			return err
		}
	}
	return noteLoad(conn)
}

// micros is an instant as it is stored; nil for none.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func instant(s *sqlite.Stmt, column int) time.Time {
	if s.ColumnIsNull(column) {
		return time.Time{}
	}
	return time.UnixMicro(s.ColumnInt64(column)).UTC()
}
