package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

func (a *app) silenceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "silence", Short: "tell nobody of some tables for a while", Args: known,
		Long: `A silence keeps alerts of the tables that it names from being sent. They are
judged as ever, and status, check, SQL and metrics stay true. A daemon that runs
takes notice within seconds. A silence holds back everything, that a copy is fresh
again, too: who was told before it that a table is stale hears no OK until it
ends. Then what is true is told, and what is still stale with the time since when
it is. Silences stand in home.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.silenceAddCommand(), a.silenceListCommand(), a.silenceExpireCommand())
	return cmd
}

// wantedSilence is what the flags of silence add say.
type wantedSilence struct {
	tables                    []string
	span, end, reason, author string
	any                       bool
}

func (a *app) silenceAddCommand() *cobra.Command {
	var w wantedSilence
	cmd := &cobra.Command{Use: "add", Short: "begin a silence", Args: none,
		Long: `add begins a silence at once and prints its name, by which expire ends it before
its time:

  larder silence add --table 'shop.*' --for 2h --reason 'the database moves'

--table, --reason, and one of --for and --until are required. A glob fits the
names of tables, with or without their consumer: in it, * stands for anything
and ? for one character. One that fits no table is refused, because it is most
likely misspelt, unless you say --any.

--until takes RFC 3339, or "2006-01-02 15:04" in the configuration's time zone.
No silence lasts longer than a year.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.addSilence(cmd.Context(), w) }}
	cmd.Flags().StringSliceVar(&w.tables, "table", nil, "which tables, as a glob; may be given several times")
	cmd.Flags().StringVar(&w.span, "for", "", "how long, such as 30m, 2h or 1d")
	cmd.Flags().StringVar(&w.end, "until", "", "until when")
	cmd.Flags().StringVar(&w.reason, "reason", "", "why; required")
	cmd.Flags().StringVar(&w.author, "author", "", "who asks for it (default the user's name)")
	cmd.Flags().BoolVar(&w.any, "any", false, "take globs that fit no table")
	return cmd
}

func (a *app) addSilence(ctx context.Context, w wantedSilence) error {
	p, err := a.loadForDatabases()
	if err != nil {
		return err
	}
	defer p.close()
	now := time.Now()
	s := alert.Silence{Tables: w.tables, From: now, Reason: strings.TrimSpace(w.reason)}
	covered, err := p.covered(w.tables, w.any)
	if err != nil {
		return err
	}
	if s.Until, err = w.until(now, p.config.Larder.Timezone); err != nil {
		return err
	}
	if s.Author, err = w.by(); err != nil {
		return err
	}
	if s.Reason == "" {
		return usagef("silence add: --reason says why, for whoever finds it")
	}
	h, err := p.existingHome(ctx)
	if err != nil {
		return err
	}
	id, err := h.AddSilence(ctx, s)
	if err != nil {
		return err
	}
	until := s.Until.UTC()
	a.say("%s: silent until %s: %s", id, clock(&until), strings.Join(covered, ", "))
	return nil
}

// existingHome is home, if a daemon has made it: a silence in a file that no
// daemon reads would silence nothing.
func (p *parts) existingHome(ctx context.Context) (*home.Home, error) {
	file := p.config.Larder.Home
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("home %q is not there: either no daemon has run yet, or it has another home; set larder.home, so that commands mean the same", file)
	}
	return p.home.use(ctx)
}

// covered are the tables that globs fit. Unless anything goes, each must fit
// one.
func (p *parts) covered(globs []string, anything bool) ([]string, error) {
	if len(globs) == 0 {
		return nil, usagef("silence add: --table says which tables, as a glob")
	}
	var names, bare []string
	for _, t := range p.config.Tables {
		name := t.Consumer.Name + "." + t.Name
		names, bare = append(names, name), append(bare, t.Name)
	}
	for _, g := range globs {
		if _, err := path.Match(g, ""); err != nil || g == "" {
			return nil, usagef("silence add: %q is no glob", g)
		}
		if len(fitting([]string{g}, names)) > 0 || anything {
			continue
		}
		hint := "there are: " + strings.Join(names, ", ")
		if near := config.Nearest(g, append(names, bare...)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return nil, usagef("silence add: no table is called %q; %s", g, hint)
	}
	if all := fitting(globs, names); len(all) > 0 {
		return all, nil
	}
	return []string{"no table yet"}, nil
}

func fitting(globs, names []string) []string {
	var all []string
	for _, name := range names {
		if alert.Matches(globs, name) {
			all = append(all, name)
		}
	}
	return all
}

// until is when the silence ends.
func (w wantedSilence) until(now time.Time, zone string) (time.Time, error) {
	switch {
	case (w.span == "") == (w.end == ""):
		return time.Time{}, usagef("silence add: say either --for how long or --until when")
	case w.span != "":
		d, ok := config.ParseDuration(w.span)
		if !ok || d <= 0 {
			return time.Time{}, usagef("silence add: --for %q is no duration, such as 30m, 2h or 1d", w.span)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, w.end); err == nil {
		return t, nil
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("load time zone %q: %w", zone, err)
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", w.end, location)
	if err != nil {
		return t, usagef(`silence add: --until %q is no time, such as "2006-01-02 15:04" or 2006-01-02T15:04:05Z`, w.end)
	}
	return t, nil
}

// by is who asks for the silence.
func (w wantedSilence) by() (string, error) {
	if w.author != "" {
		return w.author, nil
	}
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "", usagef("silence add: the system does not know your name; say --author")
	}
	return u.Username, nil
}

// silenceLine is a silence as list shows it.
type silenceLine struct {
	ID     string    `json:"id"`
	Tables []string  `json:"tables"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Author string    `json:"author"`
	Reason string    `json:"reason"`
}

func (a *app) silenceListCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "list", Short: "show the silences that go on", Args: none,
		Long: `list shows the silences that are not over: which tables they keep from being
told of, since when and until when, who asked for them and why. It reads home
and needs no daemon.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.loadForDatabases()
			if err != nil {
				return err
			}
			defer p.close()
			all, err := home.Read(cmd.Context(), p.config.Larder.Home, time.Now(), 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return a.printSilences(all.Silences, asJSON)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printSilences(all []alert.Silence, asJSON bool) error {
	if asJSON {
		lines := make([]silenceLine, 0, len(all))
		for _, s := range all {
			lines = append(lines, silenceLine{s.ID, s.Tables, s.From.UTC(), s.Until.UTC(), s.Author, s.Reason})
		}
		return a.printJSON(lines)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTABLES\tSINCE\tUNTIL\tAUTHOR\tREASON")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, strings.Join(s.Tables, ","), clock(instant(s.From)), clock(instant(s.Until)), s.Author, s.Reason)
	}
	return w.Flush()
}

func (a *app) silenceExpireCommand() *cobra.Command {
	return &cobra.Command{Use: "expire ID", Short: "end a silence before its time", Args: one("ID"),
		Long: `expire ends the silence of that name, which add printed and list shows. A daemon
that runs takes notice within seconds, and tells at once of what is stale then.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.loadForDatabases()
			if err != nil {
				return err
			}
			defer p.close()
			h, err := p.existingHome(cmd.Context())
			if err == nil {
				err = h.ExpireSilence(cmd.Context(), args[0])
			}
			if err == nil {
				a.say("%s: over", args[0])
			}
			return err
		}}
}
