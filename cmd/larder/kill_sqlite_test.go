//go:build unix

package main_test

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// writes strikes before the writes, syncs, truncations and removals of the
// consumer's file, its log and the side file.
type writes struct {
	*rig
	file string
}

// strike runs the command, kills it before the n-th call, and returns which one
// that was, "" if it came to its end, and how many there were.
func (w writes) strike(n int) (label string, count int) {
	w.Helper()
	trace := &killtest.Trace{Files: w.file, At: n}
	w.trace(trace, w.command)
	err := trace.Wait()
	label, count = trace.Hit()
	switch {
	case label == "" && err != nil:
		w.Fatalf("%s of %d writes that nobody killed: %v", w.command, count, err)
	case label == "":
		w.redo("a command that nobody killed")
	case err == nil:
		w.Fatalf("%s ended by itself at write %d, %s", w.command, count, label)
	default:
		w.tally.kills++
	}
	return label, count
}

// trace starts one of larder's commands under a trace and returns the file
// that it prints to.
func (r *rig) trace(trace *killtest.Trace, command string) string {
	r.Helper()
	output, err := os.Create(filepath.Join(r.TempDir(), "output"))
	if err != nil {
		r.Fatal(err)
	}
	defer output.Close()
	err = trace.Start(r.larder.Args(command), output)
	switch {
	case errors.Is(err, killtest.ErrNoTrace):
		mustTrace(r.T, err)
	case err != nil:
		r.Fatal(err)
	}
	r.Cleanup(trace.Kill)
	return output.Name()
}
