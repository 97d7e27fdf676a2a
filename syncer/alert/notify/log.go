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
// is a warning or a test, and at info else.
type Log struct{ log zerolog.Logger }

// NewLog makes a notifier that never fails.
func NewLog(o LogOptions) (*Log, error) { return &Log{o.Log}, nil }

// Notify implements [alert.Notifier].
func (l *Log) Notify(_ context.Context, m alert.Message) (string, error) {
	if len(m.Alerts) == 0 || m.Event == alert.Test {
		l.line(m).Str("alert", m.Title()).Msg("alert")
		return "logged", nil
	}
	for _, a := range m.Alerts {
		one := m
		one.Alerts = []alert.Alert{a}
		l.line(one).Str("table", alert.Plain(a.Table, mostName)).Str("episode", a.Episode).Str("alert", a.Title()).Strs("details", a.Lines()).Msg("alert")
	}
	return "logged", nil
}

// line begins a line that is as loud as a message is grave.
func (l *Log) line(m alert.Message) *zerolog.Event {
	level := zerolog.InfoLevel
	switch g := gravityOf(m); {
	case g == bad:
		level = zerolog.ErrorLevel
	case g == worrying, m.Event == alert.Test:
		level = zerolog.WarnLevel
	}
	return l.log.WithLevel(level).Str("event", string(m.Event)).Str("message_id", m.ID)
}
