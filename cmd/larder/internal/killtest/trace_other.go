//go:build !linux

package killtest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// ErrNoTrace says that this machine does not let one process trace another.
var ErrNoTrace = errors.New("tracing is not possible here")

// Trace runs a program and strikes at its writes, which needs Linux.
type Trace struct {
	Files string
	At    int
	// Tamper changes nothing here.
	Tamper bool
}

// Refuse does nothing.
func (t *Trace) Refuse(syscall.Errno, func(string) bool) {}

// Refused is 0.
func (t *Trace) Refused() int { return 0 }

// Shift does nothing.
func (t *Trace) Shift(time.Duration) {}

// Start returns ErrNoTrace.
func (t *Trace) Start([]string, *os.File) error {
	return fmt.Errorf("%w: it is not written for %s", ErrNoTrace, runtime.GOOS)
}

// Hit is nothing.
func (t *Trace) Hit() (label string, count int) { return "", 0 }

// ID is that of no process.
func (t *Trace) ID() int { return 0 }

// Freeze does nothing.
func (t *Trace) Freeze(string) {}

// Frozen is never closed.
func (t *Trace) Frozen() <-chan struct{} { return nil }

// Running is false.
func (t *Trace) Running() bool { return false }

// Wait returns ErrNoTrace.
func (t *Trace) Wait() error { return ErrNoTrace }

// Kill does nothing.
func (t *Trace) Kill() {}
