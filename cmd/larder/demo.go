package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/cmd/larder/internal/demo"
	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

func (a *app) demoCommand() *cobra.Command {
	o := demo.Options{Out: a.stdout, Engine: newDemoEngine}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "five services and their copies on this machine; nothing to install",
		Long: `demo shows what larder is for: five owning services with data that keeps
changing, four consumers that read their own copies, and larder between them.
The users service tells of its changes by events, all of which are lost for a
while. Now and then it goes down: the consumers do not notice, and somebody on
call is told of the one copy whose budget is tight.

It runs until Ctrl-C. With --for it ends by itself, compares every copy with its
owner, and exits 0 only if all are equal, the alerts came and were resolved, and
nothing failed that should not.
Only loopback ports and a temporary folder are used; --dir keeps the folder,
with the configuration in it.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("for") && o.For < demo.Shortest {
				return usagef("demo: --for %s is too short for a story; give it %s or more", o.For, demo.Shortest)
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 0, "about how long, such as 20s; left out: until Ctrl-C")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "keep all files in this folder, which must be new or empty")
	cmd.Flags().StringVar(&o.Postgres, "postgres", "", "URL of a server where the consumers' databases larder_demo_… are made anew")
	return cmd
}

// demoEngine is larder, as the demo sees it.
type demoEngine struct{ *parts }

// newDemoEngine makes the parts of the demo's configuration as every other
// command makes them.
func newDemoEngine(s demo.Setup) (demo.Engine, error) {
	c, err := config.Parse(s.ConfigPath, s.Config, s.Env)
	if err != nil {
		return nil, err
	}
	p, err := build(c, newLog(s.Log, c.Larder.Log))
	if err != nil {
		return nil, err
	}
	return demoEngine{p}, nil
}

// Run is the daemon.
func (e demoEngine) Run(ctx context.Context, told func(demo.Poll)) error {
	d, err := e.daemon(ctx, toldHistory{e.home, told})
	if err != nil {
		return err
	}
	e.tellWarnings()
	return d.Run(ctx)
}

// Poll polls every source once, as the command poll does.
func (e demoEngine) Poll(ctx context.Context) error {
	_, err := hold(ctx, e.consumers, func(ctx context.Context) error {
		var errs []error
		for _, f := range e.feeds {
			if _, err := syncer.Outcome(f.Poll(ctx, time.Time{})); err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
	return err
}

// Status is what the consumers' databases say.
func (e demoEngine) Status(ctx context.Context) ([]demo.Copy, error) {
	var out []demo.Copy
	for _, l := range e.lines(ctx) {
		c := demo.Copy{Name: l.Table, Rows: l.Rows, Staleness: l.staleness, Warn: l.budget.Warn,
			Critical: l.budget.Critical, Level: string(l.Level), Why: l.Reason}
		if l.Class != "" {
			c.Why = "last poll failed: " + string(l.Class)
		}
		if l.AsOf != nil {
			c.AsOf = *l.AsOf
		}
		out = append(out, c)
	}
	return out, nil
}

func (e demoEngine) Close() error {
	e.close()
	return nil
}

// toldHistory is poll history that somebody listens to.
type toldHistory struct {
	kept syncer.History // nil: not kept
	told func(demo.Poll)
}

func (h toldHistory) Record(ctx context.Context, r syncer.Report) error {
	p := demo.Poll{Source: r.Source, Started: r.Started, Took: r.Took}
	if !r.OK() {
		_, err := syncer.Outcome([]syncer.Report{r})
		p.Failure = err.Error()
	}
	h.told(p)
	if h.kept == nil {
		return nil
	}
	return h.kept.Record(ctx, r)
}
