//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// A poll is killed before the writes, syncs, truncations and removals of the
// consumer's file, its log and the side file, every one of them over many runs.
// Whatever was left, one more poll makes the copy equal to its owner.
func TestKilledAtEveryWriteToSQLite(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	for _, test := range []struct {
		name  string
		first bool // there is no file yet
	}{
		{"a first poll", true},
		{"a later poll", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, file := newSQLiteRig(t, program)
			if test.first {
				r.owner.Pages(2*killPageSize, killPageTime)
			} else {
				r.fill()
			}
			hits := make(killtest.Tally)
			writes := 0
			for n := range killtest.Points(t, share()) {
				changes := manyChanges
				if test.first {
					r.wipe()
					changes = fewChanges
				}
				r.change(changes)
				label, count := r.strikeWrite(&killtest.Trace{Files: file, At: n})
				hits.Add(label)
				if label == "" {
					writes = count
					break
				}
				r.recover(fmt.Sprintf("killed at write %d, %s", n, label))
			}
			if writes < 20 {
				t.Errorf("a poll of only %d writes", writes)
			}
			t.Logf("killed at %d of %d writes:\n%s", hits.Total(), writes, hits)
		})
	}
}

// strikeWrite polls under a trace and returns the call at which the poll was
// killed, "" if it came to its end, and how many there were.
func (r *rig) strikeWrite(trace *killtest.Trace) (label string, count int) {
	r.Helper()
	r.trace(trace, "poll")
	err := trace.Wait()
	label, count = trace.Hit()
	switch {
	case label == "" && err != nil:
		r.Fatalf("poll of %d writes that nobody killed: %v", count, err)
	case label == "":
		r.equal("a poll that nobody killed")
	case err == nil:
		r.Fatalf("poll ended by itself at write %d, %s", count, label)
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
