package main_test

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// No file can be written, as on a full disk: the copy grows stale, and home can
// note nothing. The alert goes out from memory, and so does its end.
func TestAlertsWithoutADisk(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	s := r.begin("disk full")
	r.down.Store(false)
	r.start()
	s.until("that it is fresh", r.settled)
	limitFiles(t, r.now.Load().ID(), 0)
	s.until("firing", func() bool { return s.count("firing") == 1 })
	limitFiles(t, r.now.Load().ID(), ^uint64(0))
	s.until("resolved", func() bool { return s.count("resolved") == 1 })
	s.until("that all is told", func() bool {
		return r.settled() && r.asked("SELECT count(*) FROM episode WHERE ending = 'recovered'") == 1
	})
	s.stop()
	s.judge()
	if s.kills > 0 {
		t.Error("the daemon ended by itself")
	}
}

// limitFiles bounds the files that a process can write to, as a disk with so
// much room left would.
func limitFiles(t *testing.T, process int, bytes uint64) {
	t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(process), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Fatalf("limit files of process %d: %v", process, errno)
	}
}
