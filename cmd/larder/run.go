package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "the daemon: poll every source on its schedule until told to stop",
		Long: `run polls every source on its schedule and keeps the copies fresh. It stays in
the foreground and logs to stderr; see status for how the copies are.

It takes a lease in each consumer's database. Where another daemon holds it,
this one stands by, says who holds it, and takes over when the lease runs out.
SIGTERM or Ctrl-C lets the transaction in hand commit; a second one does not.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.daemon = true
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			history := p.history(cmd.Context())
			runner := p.runner(history)
			if len(runner.Feeds) == 0 {
				return errors.New("no source is enabled and has a table; there is nothing to do")
			}
			p.log.Info().Str("version", version()).Int("sources", len(runner.Feeds)).Int("consumers", len(runner.Consumers)).Msg("larder starts")
			err = runner.Run(cmd.Context())
			p.log.Info().Msg("larder stops")
			return err
		},
	}
}

// runner makes the Runner of all parts.
func (p *parts) runner(history syncer.History) *syncer.Runner {
	r := &syncer.Runner{Concurrency: p.config.Larder.Concurrency, History: history, Log: p.log}
	for _, f := range p.feeds {
		r.Feeds = append(r.Feeds, f.Scheduled)
	}
	for _, c := range p.consumers {
		if len(c.Copies) > 0 {
			r.Consumers = append(r.Consumers, c.Consumer)
		}
	}
	return r
}
