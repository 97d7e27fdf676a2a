package main_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// disk is what a disk refuses of what SQLite does to its files.
type disk struct {
	name  string
	errno syscall.Errno
	says  string
	// label tells which calls; "" all of them.
	label string
	// lists says that a resync is ordered, which writes down what it saw.
	lists bool
}

func disks() []disk {
	return []disk{
		{name: "full", errno: syscall.ENOSPC, says: "disk is full"},
		{name: "full for the log alone", errno: syscall.ENOSPC, says: "disk is full", label: "write64 FILE-wal"},
		{name: "full for the notes of lists", errno: syscall.ENOSPC, says: "disk is full", label: "FILE-larder-seen", lists: true},
		{name: "over its quota", errno: syscall.EDQUOT, says: "I/O error"},
		{name: "read-only", errno: syscall.EROFS, says: "I/O error"},
		{name: "broken", errno: syscall.EIO, says: "I/O error", label: "write64 FILE-wal"},
	}
}

// diskRefuses is a disk that takes nothing more from a walk on, in one of the
// ways in which disks do so, and then does again. The kernel's answers are the
// trace's, which needs neither a disk nor rights.
func diskRefuses(t *testing.T, program string) {
	r, file := newSQLiteRig(t, program)
	f, trace := r.runTraced(&killtest.Trace{Files: file, Tamper: true})
	for _, disk := range faults(t, disks()...) {
		for _, page := range faults(t, 1, 2, 3) {
			when := fmt.Sprintf("the disk is %s from page %d on", disk.name, page)
			before := trace.Refused()
			f.at(page, func() {
				trace.Refuse(disk.errno, func(label string) bool { return strings.Contains(label, disk.label) })
			})
			if disk.lists {
				f.larder.Start(t, "resync", "users")
			}
			f.endures(when, `"class":"db"`, file, disk.says)
			trace.Refuse(0, nil)
			f.recovers(when)
			if n := trace.Refused() - before; n == 0 {
				t.Errorf("%s: nothing was refused", when)
			}
		}
	}
}

// startsReadOnly is a daemon that starts over a file, or in a folder, that it may
// not write to. It says so and takes the lease once it may.
func startsReadOnly(filled bool) faultStory {
	return func(t *testing.T, program string) {
		r, file := newSQLiteRig(t, program)
		if filled {
			r.fill()
		}
		trace := &killtest.Trace{Files: file, Tamper: true}
		trace.Refuse(syscall.EROFS, func(string) bool { return true })
		f := &faulty{rig: r, daemon: traced{trace, r.trace(trace, "run")}}
		f.says("lease cannot be taken", file, "file cannot be opened")
		if s := f.state("the disk is read-only"); filled == s.AsOf.IsZero() {
			t.Errorf("the copy stands at %+v", s)
		}
		trace.Refuse(0, nil)
		r.holds(trace.ID())
		r.follows(patience)
		f.rest = r.busy()
		f.recovers("the disk is writable")
	}
}

// underTrace are the stories that need Linux.
func underTrace() map[string]faultStory {
	return map[string]faultStory{
		"the disk refuses, SQLite":                      diskRefuses,
		"a daemon starts over a read-only file, SQLite": startsReadOnly(true),
		"a daemon starts in a read-only folder, SQLite": startsReadOnly(false),
		"the wall clock is set, SQLite":                 machineClock,
		"the clock of the server is set, Postgres":      serverClock,
	}
}
