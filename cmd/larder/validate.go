package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "tell all mistakes of the configuration at once; connects to nothing", Args: none,
		Long: `validate reads the configuration as run would. It tells all mistakes at once,
each with its file, line and column and what to write instead, and exits 78.

Schedules are judged too: a budget that would be broken even if every poll
succeeded is a mistake. What is allowed and rarely meant is a warning, in a
line that begins so, and does not change the exit code: a budget that a single
failed poll breaks, for one.
Of a good file it says when each source is polled, and into which tables, so
you see what a schedule that was left out comes to; and of how many tables each
receiver of alerts is told.

Nothing is connected to, but the variables and files that hold values must be
there.`,
		RunE: func(*cobra.Command, []string) error {
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			for _, s := range p.config.Sources {
				a.say("%s: %s", s.Name, p.describe(s))
			}
			for _, alert := range p.config.Alerts {
				a.say("alert %s: %s", alert.Name, p.whatOf(alert))
			}
			if len(p.config.Alerts) == 0 {
				a.say("%s", nobodyIsTold)
			}
			for _, w := range p.warnings {
				a.say("warning: %v", w)
			}
			a.say("%s is good%s", a.configPath, countedWarnings(len(p.warnings)))
			return nil
		},
	}
}

// countedWarnings is the end of a line that says that all is well.
func countedWarnings(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", with 1 warning"
	}
	return fmt.Sprintf(", with %d warnings", n)
}

// nobodyIsTold is what there is to know of a configuration without alerts.
const nobodyIsTold = "nobody is told when a copy is too old: there is no [alert.NAME]"

// whatOf says what a receiver is told, of how many tables.
func (p *parts) whatOf(a *config.Alert) string {
	var levels []string
	for _, l := range a.Levels {
		levels = append(levels, string(l))
	}
	tables := 0
	for _, t := range p.config.Tables {
		if a.Watches(t) {
			tables++
		}
	}
	said := fmt.Sprintf("%s, %s, of %d tables", a.Kind, strings.Join(levels, " and "), tables)
	if tables == 1 {
		said = strings.TrimSuffix(said, "s")
	}
	return said
}

// describe says when a source is polled and into which tables, or why it is not.
func (p *parts) describe(s *config.Source) string {
	i := slices.IndexFunc(p.feeds, func(f *feed) bool { return f.Name == s.Name })
	switch {
	case !s.Enabled:
		return "not polled, it is not enabled"
	case i < 0:
		return "not polled, no table copies it"
	}
	var tables []string
	for _, c := range p.feeds[i].copies {
		tables = append(tables, c.Name)
	}
	said := fmt.Sprintf("polled %s into %s", p.feeds[i].Schedule, strings.Join(tables, ", "))
	if oneAnswer(s) {
		said += "; no paging: one answer is taken for everything"
	}
	return said
}

// oneAnswer reports whether a source is taken to have one page because nothing
// says otherwise. CSV and NDJSON have one by nature.
func oneAnswer(s *config.Source) bool {
	return s.Paging.Assumed && s.Records.Format != config.CSV && s.Records.Format != config.NDJSON
}
