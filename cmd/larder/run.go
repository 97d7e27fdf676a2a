package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
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

Once a second it judges how old the copies are, and tells the receivers of
[alert.NAME] of those beyond their budget. Metrics and nudges are at
larder.listen, 127.0.0.1:8420 unless said. If it was started by systemd it says
when it is ready and feeds the watchdog.

SIGTERM or Ctrl-C lets the transaction in hand commit; a second one does not.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.daemon = true
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			if len(p.feeds) == 0 {
				return errors.New("no source is enabled and has a table; there is nothing to do")
			}
			d, err := p.daemon(cmd.Context(), p.home)
			if err != nil {
				return err
			}
			p.log.Info().Str("version", version()).Int("sources", len(p.feeds)).Int("consumers", len(d.runner.Consumers)).Msg("larder starts")
			p.tellWarnings()
			if len(p.config.Alerts) == 0 {
				p.log.Info().Msg(nobodyIsTold)
			}
			err = d.Run(cmd.Context())
			p.log.Info().Msg("larder stops")
			return err
		},
	}
}

// tellWarnings logs what the configuration may say and rarely means.
func (p *parts) tellWarnings() {
	for _, w := range p.warnings {
		p.log.Warn().Str("at", config.Position{File: w.File, Line: w.Line, Column: w.Column}.String()).
			Str("subject", w.Subject).Str("warning", w.Text).Msg("configuration is allowed and rarely meant")
	}
}

// runner makes the Runner of all parts.
func (p *parts) runner(history syncer.History) *syncer.Runner {
	r := &syncer.Runner{Concurrency: p.config.Larder.Concurrency, History: history, Observer: p.metrics, Log: p.log}
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
