package notify

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/alert"
)

// LogOptions say where alerts are logged.
type LogOptions struct {
	Log zerolog.Logger
}

// Log writes each alert into the log, at error if it is critical, at warn if it
// is a warning, and at info else.
type Log struct{ log zerolog.Logger }

// NewLog makes a notifier that never fails.
func NewLog(o LogOptions) (*Log, error) { return &Log{o.Log}, nil }

// Notify implements [alert.Notifier].
func (l *Log) Notify(_ context.Context, m alert.Message) (string, error) {
	line := func(g gravity) *zerolog.Event {
		level := map[gravity]zerolog.Level{bad: zerolog.ErrorLevel, worrying: zerolog.WarnLevel}
		if at, loud := level[g]; loud {
			return l.log.WithLevel(at).Str("event", string(m.Event)).Str("message_id", m.ID)
		}
		return l.log.Info().Str("event", string(m.Event)).Str("message_id", m.ID)
	}
	if len(m.Alerts) == 0 {
		line(gravityOf(m)).Str("alert", m.Title()).Msg("alert")
	}
	for _, a := range m.Alerts {
		one := m
		one.Alerts = []alert.Alert{a}
		line(gravityOf(one)).Str("table", alert.Plain(a.Table, mostName)).Str("episode", a.Episode).Str("alert", a.Title()).Strs("details", a.Lines()).Msg("alert")
	}
	return "logged", nil
}
