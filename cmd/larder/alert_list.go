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
  TOLD    each notifier with the level it was told last`,
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
	ID         string        `json:"id"`
	Table      string        `json:"table"`
	Level      syncer.Level  `json:"level"`
	Since      *time.Time    `json:"since"`
	StaleSince *time.Time    `json:"stale_since"`
	Ended      *time.Time    `json:"ended"`
	Ending     alert.Ending  `json:"ending,omitempty"`
	Seconds    float64       `json:"duration_seconds"`
	Reason     string        `json:"reason,omitempty"`
	Told       []toldLine    `json:"told"`
	lasted     time.Duration // Seconds, to print
}

// toldLine is what one notifier was told of an episode.
type toldLine struct {
	Notifier  string       `json:"notifier"`
	Level     syncer.Level `json:"level"`
	At        *time.Time   `json:"at"`
	Reminders int          `json:"reminders"`
	// Resolved says that it was told the end.
	Resolved bool `json:"resolved"`
	// Waiting says that news of it is not delivered, and Error why.
	Waiting bool   `json:"waiting"`
	Error   string `json:"error,omitempty"`
}

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
	for _, b := range read.Backlog(now) {
		a.say("%s", trouble(b))
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
			// Without a sequence it was taken back before it was sent.
			if t.Episode == e.ID && t.Sequence > 0 {
				l.Told = append(l.Told, newTold(t, m.Messages))
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

func newTold(t alert.Told, waiting []alert.Message) toldLine {
	l := toldLine{Notifier: t.Notifier, Level: t.Level, At: instant(t.At), Reminders: t.Reminders, Resolved: t.Ended}
	for _, m := range waiting {
		about := slices.ContainsFunc(m.Alerts, func(a alert.Alert) bool { return a.Episode == t.Episode })
		if about && (m.Notifier == t.Notifier || m.Via == t.Notifier) {
			l.Waiting, l.Error = true, m.Failed
		}
	}
	return l
}

func (l episodeLine) told() string {
	var all []string
	for _, t := range l.Told {
		text := fmt.Sprintf("%s %s", t.Notifier, t.Level)
		switch {
		case t.Reminders == 1:
			text += ", 1 reminder"
		case t.Reminders > 1:
			text += fmt.Sprintf(", %d reminders", t.Reminders)
		}
		if t.Resolved {
			text += ", resolved"
		}
		if t.Waiting {
			text += ", not delivered yet"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, "; ")
}
