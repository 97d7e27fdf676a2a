// Command larder keeps local copies of other services' data. This package
// turns a configuration into parts, one file a command; what the parts do is
// theirs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // cron specs name zones, and a scratch container has none

	"github.com/larder-sync/larder/config"
)

// The exit codes. check has its own: those of Nagios plugins.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 78 // EX_CONFIG of sysexits.h
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to stop, and lets the transaction in hand commit;
	// with the handler gone, the second one ends the process.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and says how the process should exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitCode
	var usage usageError
	var mistakes config.Mistakes
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "larder: %v\nRun 'larder help' to see what there is.\n", err)
		return exitUsage
	case errors.As(err, &mistakes):
		fmt.Fprintln(stderr, mistakes)
		return exitConfig
	case errors.Is(err, errNoConfig):
		fmt.Fprintf(stderr, "larder: %v\n", err)
		return exitConfig
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "larder: interrupted: %v\n", err)
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "larder: %v\n", err)
	return exitFailed
}

// exitCode ends the process with a code and says nothing: the command has
// already said what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
