package home

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer/alert"
)

const (
	// silencesAtOnce, globsPerSilence and silenceText, in bytes, bound what is
	// gone through each time somebody is to be told.
	silencesAtOnce  = 1000
	globsPerSilence = 100
	silenceText     = 1000
	// silenceTime is the longest silence: one that nobody sees the end of is
	// forgotten, and then keeps the alert back that it should not.
	silenceTime = 366 * 24 * time.Hour
)

// ErrNoSilence says that no silence of that name goes on.
var ErrNoSilence = errors.New("no such silence goes on")

// silences are those that were read last, and at which state of the file.
type silences struct {
	read  bool
	state int64
	all   []alert.Silence
}

// Silences implements alert.Store: those that are not over, the first to begin
// first. It reads the file only when another process changed it, so it may be
// asked at each round. Until somebody saves, it fails where the file was made
// anew.
func (h *Home) Silences(ctx context.Context) ([]alert.Silence, error) {
	var all []alert.Silence
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		if h.anew && h.loaded {
			return &AnewError{h.file}
		}
		state, err := sqlitex.ResultInt64(conn.Prep("PRAGMA data_version"))
		if err != nil {
			return err
		}
		if !h.silences.read || h.silences.state != state {
			found, err := readSilences(conn)
			if err != nil {
				return err
			}
			h.silences = silences{read: true, state: state, all: found}
		}
		all = notOver(h.silences.all, time.Now())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	return all, nil
}

// notOver returns a copy of those that are not over.
func notOver(all []alert.Silence, now time.Time) []alert.Silence {
	return slices.DeleteFunc(slices.Clone(all), func(s alert.Silence) bool { return !s.Until.After(now) })
}

func readSilences(conn *sqlite.Conn) ([]alert.Silence, error) {
	var all []alert.Silence
	err := sqlitex.Execute(conn, `SELECT id, tables, starts, ends, reason, author FROM silence WHERE ends > ?
		ORDER BY starts, id LIMIT ?`, &sqlitex.ExecOptions{Args: []any{time.Now().UnixMicro(), silencesAtOnce},
		ResultFunc: func(s *sqlite.Stmt) error {
			one := alert.Silence{ID: s.ColumnText(0), From: instant(s, 2), Until: instant(s, 3), Reason: s.ColumnText(4), Author: s.ColumnText(5)}
			if err := json.Unmarshal([]byte(s.ColumnText(1)), &one.Tables); err != nil {
				return fmt.Errorf("read tables of silence %s: %w", one.ID, err)
			}
			all = append(all, one)
			return nil
		}})
	return all, err
}

// AddSilence keeps a silence and returns the name that it gave it.
func (h *Home) AddSilence(ctx context.Context, s alert.Silence) (id string, err error) {
	if err := sound(s); err != nil {
		return "", fmt.Errorf("add silence: %w", err)
	}
	tables, err := json.Marshal(s.Tables)
	if err != nil {
		return "", fmt.Errorf("add silence: %w", err)
	}
	id = strings.ToLower(rand.Text()[:8])
	err = h.use(ctx, func(conn *sqlite.Conn) error {
		h.silences = silences{} // the state of the file tells of other processes only
		return durably(conn, func() (err error) {
			commit, err := sqlitex.ImmediateTransaction(conn)
			if err != nil {
				return err
			}
			defer commit(&err)
			n, err := countSilences(conn)
			if err != nil || n >= silencesAtOnce {
				return errors.Join(err, fmt.Errorf("there are %d already, which is the most", n))
			}
			return sqlitex.Execute(conn, `INSERT INTO silence (id, tables, starts, ends, reason, author) VALUES (?, ?, ?, ?, ?, ?)`,
				&sqlitex.ExecOptions{Args: []any{id, string(tables), s.From.UnixMicro(), s.Until.UnixMicro(), s.Reason, s.Author}})
		})
	})
	if err != nil {
		return "", fmt.Errorf("add silence: %w", err)
	}
	return id, nil
}

// sound says what is wrong with a silence.
func sound(s alert.Silence) error {
	text := s.Reason + s.Author + strings.Join(s.Tables, "")
	switch {
	case len(s.Tables) == 0 || len(s.Tables) > globsPerSilence:
		return fmt.Errorf("it names %d tables, of 1 to %d", len(s.Tables), globsPerSilence)
	case s.Reason == "":
		return errors.New("it has no reason")
	case len(text) > silenceText || !utf8.ValidString(text):
		return fmt.Errorf("its texts are no UTF-8, or longer than %d bytes together", silenceText)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("its texts have a line break or another control character")
	case !s.Until.After(s.From) || !s.Until.After(time.Now()):
		return errors.New("it is over before it begins")
	case s.Until.Sub(s.From) > silenceTime:
		return errors.New("it lasts longer than a year")
	}
	return nil
}

func countSilences(conn *sqlite.Conn) (n int, err error) {
	err = sqlitex.Execute(conn, `SELECT count(*) FROM silence WHERE ends > ?`, &sqlitex.ExecOptions{
		Args: []any{time.Now().UnixMicro()}, ResultFunc: func(s *sqlite.Stmt) error { n = s.ColumnInt(0); return nil }})
	return n, err
}

// ExpireSilence ends a silence. ErrNoSilence says that none of that name goes
// on.
func (h *Home) ExpireSilence(ctx context.Context, id string) error {
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		h.silences = silences{}
		now := time.Now().UnixMicro()
		err := sqlitex.Execute(conn, `UPDATE silence SET starts = min(starts, ?1), ends = ?1 WHERE id = ?2 AND ends > ?1`,
			&sqlitex.ExecOptions{Args: []any{now, id}})
		if err == nil && conn.Changes() == 0 {
			err = ErrNoSilence
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("expire silence %q: %w", id, err)
	}
	return nil
}
