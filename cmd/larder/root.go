package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
)

const longHelp = `larder keeps local copies of other services' data.

It polls the owners' changed-since APIs on a schedule, writes the rows into
your own tables (Postgres or SQLite), and always knows how stale each copy is.

Start here:
  larder demo                  five services and their copies on this machine
  larder validate              what is wrong with larder.toml, all at once
  larder plan                  what that would ask and change; writes nothing
  larder poll                  poll every source once, now
  larder run                   the daemon
  larder status                is my copy fresh, why not, since when?
  larder alert test NAME       is whoever has to know told when it is not?

Every command but demo, schema and version reads one file, larder.toml unless
--config names another. A table is called CONSUMER.NAME, or NAME where that is
unique.
Where a daemon runs, a command that writes asks it and waits for the outcome.

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
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !cmd.HasParent() {
			return usageError{err}
		}
		return usagef("%s: %w", nameOf(cmd), err)
	})
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "larder.toml", "the configuration file")
	addGroup(root, "Day by day:", a.validateCommand(), a.planCommand(), a.pollCommand(), a.runCommand(), a.statusCommand(), a.checkCommand())
	addGroup(root, "When something is wrong:", a.auditCommand(), a.resyncCommand(), a.acceptCommand(), a.quarantineCommand(), a.pauseCommand(), a.resumeCommand(), a.silenceCommand(), a.alertCommand(), a.forgetCommand())
	root.AddCommand(a.demoCommand(), a.schemaCommand(), a.versionCommand())
	return root
}

// addGroup adds commands that help shows together.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
	}
	root.AddCommand(commands...)
}

// known refuses a word that is no command below this one.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	typed := strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "larder ")
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	near := config.Nearest(args[0], names)
	if cmd.SuggestionsMinimumDistance = 2; near == "" { // letters that may be wrong
		near = strings.Join(cmd.SuggestionsFor(args[0]), `" or "`)
	}
	if near != "" {
		return usagef("unknown command %q; did you mean \"%s\"?", typed, near)
	}
	return usagef("unknown command %q", typed)
}

// nameOf is what is typed behind larder to run the command.
func nameOf(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "larder ") }

// one wants one argument, which is called what.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s wants one %s, not %d", nameOf(cmd), what, len(args))
		}
		return nil
	}
}

// atMostOne takes one argument or none.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one argument at most, not also %q", nameOf(cmd), args[1])
	}
	return nil
}

// none wants no arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q", nameOf(cmd), args[0])
	}
	return nil
}

// say writes a line of data.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
