package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	flags := planFlags{}
	cmd := &cobra.Command{
		Use: "plan [SOURCE…]", Short: "what a poll would ask and change, with a page previewed as rows; writes nothing",
		Long: `plan says of each source, before any of it happens:

  - the first request for what changed, and for everything
  - the tables that would be created, and the columns added, as SQL
  - where polls stand, and what the configuration as it is now does to that: a
    request that shapes another answer voids the position, and the source is
    asked for everything; a column that was added is filled by a resync, beside
    which changes go on
  - the deletions that the configuration itself causes: partitions that it has
    no more, with their rows, and whether the guard max_delete would hold them
  - one page of records, as the rows that it would become

No database, file or lease is touched. The owner is asked for one page, by what
is asked first; with --offline it is not asked at all. A token that has to be
renewed for that is kept, because the owner may take the old one no more.

It exits 0 if nothing stands in the way.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			load := a.load
			if flags.offline {
				load = a.loadForDatabases
			}
			p, err := load()
			if err != nil {
				return err
			}
			defer p.close()
			feeds, err := p.choose(args)
			if err != nil {
				return err
			}
			return a.plan(cmd.Context(), feeds, flags)
		},
	}
	cmd.Flags().BoolVar(&flags.offline, "offline", false, "ask no owner: leave the preview out")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print JSON")
	return cmd
}

type planFlags struct{ offline, json bool }

// How much a plan shows of what there may be much of.
const (
	mostShownParts = 10
	mostShownRows  = 3
	mostShownText  = 1000
	// previewTime bounds the one page that is asked for.
	previewTime = time.Minute
)

// planned is what would become of a source.
type planned struct {
	Source string `json:"source"`
	// Changes and Everything are the first requests for either.
	Changes    *plannedRequest `json:"changes,omitempty"`
	Everything *plannedRequest `json:"everything,omitempty"`
	// Partitions is how many there are.
	Partitions int            `json:"partitions"`
	Tables     []plannedTable `json:"tables"`
	// OneAnswer says that no paging is configured, so that one answer is taken
	// for everything. More is where the page says that it is not.
	OneAnswer bool   `json:"one_answer,omitempty"`
	More      string `json:"more_at,omitempty"`
	// Page is how many records the page that was asked for has.
	Page  *int   `json:"page,omitempty"`
	Error string `json:"error,omitempty"`
}

type plannedRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body,omitempty"`
}

func (r plannedRequest) String() string {
	if r.Body == "" {
		return r.Method + " " + r.URL
	}
	return r.Method + " " + r.URL + " " + r.Body
}

// bad reports whether anything stands in the way.
func (p *planned) bad() bool {
	bad := p.Error != ""
	for _, t := range p.Tables {
		bad = bad || t.Error != "" || t.Unfit != ""
	}
	return bad
}

// plan plans the feeds one after the other and prints what came of it.
func (a *app) plan(ctx context.Context, feeds []*feed, flags planFlags) error {
	results := []*planned{}
	bad := 0
	for _, f := range feeds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := f.plan(ctx, flags.offline)
		if p.bad() {
			bad++
		}
		results = append(results, p)
		if !flags.json {
			a.sayPlan(p)
		}
	}
	if flags.json {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("something stands in the way of %d of %d sources", bad, len(results))
	}
	return nil
}

// sayPlan prints what would become of a source.
func (a *app) sayPlan(p *planned) {
	a.say("%s:", p.Source)
	if p.Error != "" {
		a.say("  FAILED: %s", p.Error)
	}
	if p.Changes != nil {
		a.say("  what changed: %s", p.Changes)
	}
	if p.Everything != nil {
		a.say("  everything:   %s", p.Everything)
	}
	if p.OneAnswer {
		a.say("  no paging: one answer is taken for everything")
	}
	for _, t := range p.Tables {
		a.sayTable(t)
	}
	if p.Page != nil {
		a.say("  the page has %d records", *p.Page)
	}
	if p.More != "" {
		a.say("  the answer names more at %q: is paging missing? If the rest is not wanted, write paging = { by = \"none\" }", p.More)
	}
}

func (a *app) sayTable(t plannedTable) {
	a.say("  %s:", t.Table)
	for _, problem := range []string{t.Error, t.Unfit} {
		if problem != "" {
			a.say("    FAILED: %s", problem)
		}
	}
	for _, ddl := range t.DDL {
		a.say("    %s", strings.ReplaceAll(ddl, "\n", "\n    "))
	}
	for _, p := range t.Partitions {
		where := ""
		if p.Partition != "" {
			where = p.Partition + ": "
		}
		a.say("    %s%s", where, p.Does)
	}
	if t.More > 0 {
		a.say("    … and %d more partitions", t.More)
	}
	for _, r := range t.Rows {
		a.say("    row %s", r)
	}
	if t.Goes > 0 {
		a.say("    %d records of the page are deletions", t.Goes)
	}
	for _, m := range t.SetAside {
		a.say("    set aside: %s", m)
	}
}
