package main

import "github.com/spf13/cobra"

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "tell all mistakes of the configuration at once; connects to nothing", Args: none,
		Long: `validate reads the configuration as run would. It tells all mistakes at once,
each with its file, line and column and what to write instead, and exits 78.

Schedules are judged too: a budget that would be broken even if every poll
succeeded is a mistake. Of a good file it says when each source is polled, which
is how you see what a schedule that was left out comes to.

Nothing is connected to, but the variables and files that hold values must be
there.`,
		RunE: func(*cobra.Command, []string) error {
			p, err := a.load()
			if err != nil {
				return err
			}
			tables := 0
			for _, f := range p.feeds {
				tables += len(f.copies)
				a.say("%s: polled %s, kept in %d tables", f.Name, f.Schedule, len(f.copies))
			}
			a.say("%s is good: %d sources, %d tables, %d consumers", a.configPath, len(p.feeds), tables, len(p.consumers))
			return nil
		},
	}
}
