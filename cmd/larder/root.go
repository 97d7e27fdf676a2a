package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

const longHelp = `larder keeps local copies of other services' data.

It polls the owners' changed-since APIs on a schedule, writes the rows into
your own tables (Postgres or SQLite), and always knows how stale each copy is.

Start here:
  larder demo                  five services and their copies on this machine
  larder validate              what is wrong with larder.toml, all at once
  larder poll                  poll every source once, now
  larder run                   the daemon
  larder status                is my copy fresh, why not, since when?

Data goes to stdout, logs go to stderr.
Exit codes: 0 ok, 1 failed, 2 usage, 78 bad config, 130 interrupted.
check alone has those of monitoring plugins: 0 ok, 1 warning, 2 critical,
3 unknown.`

// newRoot builds the command tree.
func newRoot(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:           "larder",
		Short:         "keeps local copies of other services' data",
		Long:          longHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s: %w", cmd.CommandPath(), err)
	})
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "larder.toml", "the configuration file")
	root.AddCommand(
		a.runCommand(), a.pollCommand(), a.statusCommand(), a.checkCommand(), a.validateCommand(),
		a.resyncCommand(), a.acceptCommand(), a.pauseCommand(), a.resumeCommand(), a.quarantineCommand(),
		a.demoCommand(), a.versionCommand(),
	)
	return root
}

// exactly wants n arguments, named for the error.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usagef("%s: want %d arguments %v, have %d", cmd.CommandPath(), len(names), names, len(args))
		}
		return nil
	}
}

// none wants no arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// say writes a line of data.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
