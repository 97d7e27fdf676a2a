package main

import "github.com/spf13/cobra"

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "tell all mistakes of the configuration at once; connects to nothing", Args: none,
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
