package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

func (a *app) alertCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "alert", Short: "try a receiver out, and see who was told of which copy", Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.alertTestCommand(), a.alertListCommand())
	return cmd
}

func (a *app) alertListCommand() *cobra.Command {
	asJSON, limit := false, 50
	cmd := &cobra.Command{Use: "list", Short: "episodes in which a copy was too stale, and who was told", Args: none,
		Long: `list shows the times during which a copy was staler than its budget, those that
go on first and then the latest, with what each notifier was told of it and what
could not be delivered yet. It reads home and needs no daemon. Episodes are kept
as long as larder.history says.

  LEVEL   the worst level that was reached
  SINCE   when the budget was seen to be passed, STALE SINCE when it was
  LASTED  how long the episode lasted, or lasts already
  END     recovered by a complete poll; config, when the table or its budget was
          changed; paused; standby, when another daemon took over
  TOLD    each notifier with the level that it took last; what it was not told,
          by whom it was refused and why; and until when nobody, or one of them,
          is told of the table: by a silence, a maintenance window or hours off`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("alert list: --limit is 1 at least")
			}
			return a.listAlerts(cmd.Context(), limit, asJSON)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many, at most")
	return cmd
}

// episodeLine is an episode as list shows it.
type episodeLine struct {
	ID         string       `json:"id"`
	Table      string       `json:"table"`
	Level      syncer.Level `json:"level"`
	Since      *time.Time   `json:"since"`
	StaleSince *time.Time   `json:"stale_since"`
	Ended      *time.Time   `json:"ended"`
	Ending     alert.Ending `json:"ending,omitempty"`
	Seconds    float64      `json:"duration_seconds"`
	Reason     string       `json:"reason,omitempty"`
	Told       []toldLine   `json:"told"`
	// Muted says what keeps news of it from being told now.
	Muted  []string      `json:"muted,omitempty"`
	lasted time.Duration // Seconds, to print
}

// toldLine is what one notifier was told of an episode.
type toldLine struct {
	Notifier string `json:"notifier"`
	// Level is the worst that it took, "" if it took none yet.
	Level     syncer.Level `json:"level,omitempty"`
	At        *time.Time   `json:"at"`
	Reminders int          `json:"reminders"`
	// Resolved says that it took the end.
	Resolved bool `json:"resolved"`
	// State is what became of the last news: told, gathering, waiting, failing or
	// given_up. Error is why, Due until when it gathers, Instead who was told in
	// its place.
	State   string     `json:"state"`
	Due     *time.Time `json:"due,omitempty"`
	Error   string     `json:"error,omitempty"`
	Instead string     `json:"told_instead,omitempty"`
	// Waiting says that news of it is not delivered.
	Waiting bool `json:"waiting"`
	lost    alert.Event
	reason  string
}

// The states of the last news.
const (
	stateTold      = "told"
	stateGathering = "gathering"
	stateWaiting   = "waiting"
	stateFailing   = "failing"
	stateGivenUp   = "given_up"
)

func (a *app) listAlerts(ctx context.Context, limit int, asJSON bool) error {
	p, err := a.loadForDatabases()
	if err != nil {
		return err
	}
	defer p.close()
	now := time.Now()
	read, err := home.Read(ctx, p.config.Larder.Home, time.Time{}, limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines := episodeLines(read.Memory, now)
	told := p.alerting(ctx)
	for i := range lines {
		if lines[i].Ended == nil {
			lines[i].Muted = told.muted(p, lines[i].Table)
		}
	}
	if asJSON {
		return a.printJSON(lines)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tLEVEL\tSINCE\tSTALE SINCE\tLASTED\tEND\tTOLD")
	for _, l := range lines {
		end := "goes on"
		if l.Ended != nil {
			end = string(l.Ending)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Table, l.Level, clock(l.Since), clock(l.StaleSince), syncer.Span(l.lasted), end, l.told())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range told.troubles(now) {
		a.say("%s", text)
	}
	return nil
}

// episodeLines are those that go on and then those that ended, the latest
// first.
func episodeLines(m alert.Memory, now time.Time) []episodeLine {
	lines := make([]episodeLine, 0, len(m.Episodes))
	for _, e := range m.Episodes {
		end := now
		if !e.Closed.IsZero() {
			end = e.Closed
		}
		lasted := max(end.Sub(e.Opened), 0)
		l := episodeLine{ID: e.ID, Table: e.Table, Level: e.Level, Since: instant(e.Opened), StaleSince: instant(e.StaleSince),
			Ended: instant(e.Closed), Ending: e.Ending, Seconds: lasted.Round(time.Millisecond).Seconds(), Reason: e.Last.Reason,
			Told: []toldLine{}, lasted: lasted}
		for _, t := range m.Told {
			if t.Episode != e.ID {
				continue
			}
			if told, any := newTold(t, m.Messages, now); any {
				l.Told = append(l.Told, told)
			}
		}
		lines = append(lines, l)
	}
	slices.Reverse(lines)
	slices.SortStableFunc(lines, func(a, b episodeLine) int {
		switch {
		case (a.Ended == nil) == (b.Ended == nil):
			return 0
		case a.Ended == nil:
			return -1
		}
		return 1
	})
	return lines
}

// newTold is what a notifier heard of an episode; false if that is nothing, and
// nothing waits.
func newTold(t alert.Told, waiting []alert.Message, now time.Time) (toldLine, bool) {
	h := t.Heard
	l := toldLine{Notifier: t.Notifier, Level: h.Level, At: instant(t.At), Reminders: h.Reminders, Resolved: h.End, State: stateTold}
	if h.Lost != "" {
		l.State, l.Error, l.Instead, l.lost, l.reason = stateGivenUp, h.Error, h.To, h.Lost, h.Reason
	}
	for _, m := range waiting {
		about := slices.ContainsFunc(m.Alerts, func(a alert.Alert) bool { return a.Episode == t.Episode })
		if !about || m.Notifier != t.Notifier {
			continue
		}
		l.Waiting, l.Error = true, m.Failed
		switch {
		case m.Failed != "":
			l.State = stateFailing
		case m.Due.After(now):
			l.State, l.Due = stateGathering, instant(m.Due)
		default:
			l.State = stateWaiting
		}
	}
	return l, h.Level != "" || h.End || h.Lost != "" || l.Waiting
}

func (l toldLine) String() string {
	text := l.Notifier
	if l.Level != "" {
		text += " " + string(l.Level)
	}
	switch {
	case l.Reminders == 1:
		text += ", 1 reminder"
	case l.Reminders > 1:
		text += fmt.Sprintf(", %d reminders", l.Reminders)
	}
	if l.Resolved {
		text += ", resolved"
	}
	news := l.news()
	if news == "" {
		return text
	}
	if text != l.Notifier {
		return text + ", " + news
	}
	return text + " " + news
}

// news is what became of the last news, unless it was taken.
func (l toldLine) news() string {
	switch l.State {
	case stateGathering:
		return "is told at " + clock(l.Due)
	case stateWaiting:
		return "not told yet"
	case stateFailing:
		return "not told yet: " + l.Error
	case stateGivenUp:
	default:
		return ""
	}
	text := map[alert.Event]string{alert.Resolved: "not told of the end", alert.Reminder: "not reminded", alert.Escalated: "not told of the rise"}[l.lost]
	if text == "" {
		text = "not told"
	}
	switch l.reason {
	case alert.ReasonGone:
		text += ": takes nothing any more"
	case alert.ReasonExpired:
		text += ": given up as too old"
	default:
		text += ": refused"
	}
	if l.Error != "" {
		text += " (" + l.Error + ")"
	}
	if l.Instead != "" {
		text += ", told " + l.Instead + " instead"
	}
	return text
}

// told is what each notifier was told, and what keeps those who were not from it.
func (l episodeLine) told() string {
	var all []string
	for _, t := range l.Told {
		all = append(all, t.String())
	}
	if all = append(all, l.Muted...); len(all) == 0 {
		return "-"
	}
	return strings.Join(all, "; ")
}
