package killtest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// ErrNoTrace says that this machine does not let one process trace another.
var ErrNoTrace = errors.New("tracing is not possible here")

// Trace runs a program under ptrace, counts what its threads do to files that
// are written or synced, and strikes before the chosen call is carried out.
type Trace struct {
	// Files is what the paths of the files that count begin with.
	Files string
	// At is the call before which the process is killed, from 1; 0 is none.
	At int
	// Tamper says that Refuse and Shift will be used. It makes the program
	// slower.
	Tamper bool

	refuse   atomic.Pointer[refusal]
	refused  atomic.Int64
	shift    atomic.Int64
	tampered tamper

	freeze atomic.Pointer[string]
	args   []string
	output *os.File
	pid    int
	count  int
	hit    string
	still  bool
	frozen chan struct{}
	ended  chan struct{}
	status syscall.WaitStatus
	err    error
}

const (
	traceSysGood       = 0x1
	traceClone         = 0x8
	traceExitKill      = 0x100000
	waitAll            = 0x40000000
	getSyscallInfo     = 0x420e
	syscallStop        = syscall.SIGTRAP | 0x80
	entryOfSystemCall  = 1
	longestTracedPath  = 4096
	traceOptionsOfOurs = traceSysGood | traceClone | traceExitKill
)

// syscallInfo is the kernel's struct ptrace_syscall_info at the entry of a
// call.
type syscallInfo struct {
	Op     uint8
	_      [3]uint8
	Arch   uint32
	IP, SP uint64
	Number uint64
	Args   [6]uint64
}

// call is a system call that changes a file, named by a descriptor or a path
// in one of its arguments.
type call struct {
	name   string
	arg    int
	byPath bool
}

// calls returns those of this architecture by number; nil where they are not
// known.
func calls() map[uint64]call {
	switch runtime.GOARCH {
	case "amd64":
		return map[uint64]call{
			1: {name: "write"}, 18: {name: "pwrite64"}, 20: {name: "writev"}, 296: {name: "pwritev"},
			74: {name: "fsync"}, 75: {name: "fdatasync"}, 77: {name: "ftruncate"}, 285: {name: "fallocate"},
			87: {name: "unlink", byPath: true}, 263: {name: "unlinkat", arg: 1, byPath: true},
			82: {name: "rename", byPath: true}, 264: {name: "renameat", arg: 1, byPath: true}, 316: {name: "renameat2", arg: 1, byPath: true},
		}
	case "arm64":
		return map[uint64]call{
			64: {name: "write"}, 68: {name: "pwrite64"}, 66: {name: "writev"}, 70: {name: "pwritev"},
			82: {name: "fsync"}, 83: {name: "fdatasync"}, 46: {name: "ftruncate"}, 47: {name: "fallocate"},
			35: {name: "unlinkat", arg: 1, byPath: true}, 38: {name: "renameat", arg: 1, byPath: true}, 276: {name: "renameat2", arg: 1, byPath: true},
		}
	}
	return nil
}

// Start starts a program under the trace. What it prints goes to the file
// output. ErrNoTrace says that that is not possible on this machine.
func (t *Trace) Start(args []string, output *os.File) error {
	if calls() == nil {
		return fmt.Errorf("%w: the system calls of %s are not known", ErrNoTrace, runtime.GOARCH)
	}
	t.args, t.output = args, output
	t.frozen, t.ended = make(chan struct{}), make(chan struct{})
	started := make(chan error)
	go t.run(started)
	return <-started
}

// Hit is the call that was struck, "" if none was, and how many there were. It
// may be asked once the program has ended or is frozen.
func (t *Trace) Hit() (label string, count int) { return t.hit, t.count }

// ID is the process's.
func (t *Trace) ID() int { return t.pid }

// refusal is what calls are refused, and with which error.
type refusal struct {
	of    func(label string) bool
	errno syscall.Errno
}

// Refuse has the kernel refuse, from its next call on, what the program does to
// files whose labels of is true for, opening them to write among it; nil ends
// that.
func (t *Trace) Refuse(errno syscall.Errno, of func(label string) bool) {
	if of == nil {
		t.refuse.Store(nil)
		return
	}
	t.refuse.Store(&refusal{of: of, errno: errno})
}

// Refused is how many calls were.
func (t *Trace) Refused() int { return int(t.refused.Load()) }

// Shift sets the program's wall clock that far ahead of the machine's, in whole
// seconds, and leaves its monotonic clock alone.
func (t *Trace) Shift(by time.Duration) { t.shift.Store(int64(by)) }

// Freeze makes the process stand still before its next call whose label
// contains match, for good: every thread stops at its next system call.
func (t *Trace) Freeze(match string) { t.freeze.Store(&match) }

// Frozen is closed when the process stands still.
func (t *Trace) Frozen() <-chan struct{} { return t.frozen }

// Wait waits for the end of the program; nil for exit 0.
func (t *Trace) Wait() error {
	<-t.ended
	switch {
	case t.err != nil:
		return t.err
	case t.status.Signaled():
		return fmt.Errorf("ended by %v", t.status.Signal())
	case t.status.ExitStatus() != 0:
		return fmt.Errorf("exit %d", t.status.ExitStatus())
	}
	return nil
}

// Running reports whether the program has not ended.
func (t *Trace) Running() bool {
	select {
	case <-t.ended:
		return false
	default:
		return true
	}
}

// Kill ends the program, frozen or not, and waits until it is gone.
func (t *Trace) Kill() {
	select {
	case <-t.ended:
		return
	default:
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
	}
	<-t.ended
}

// run traces from the start to the end of the program. Only the thread that
// started it may do so, and that thread is given up afterwards.
func (t *Trace) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(t.ended)
	p, err := os.StartProcess(t.args[0], t.args, &os.ProcAttr{
		Files: []*os.File{nil, t.output, t.output},
		// A process group of its own is how its threads are told from all other
		// children of this process.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		started <- fmt.Errorf("%w: %w", ErrNoTrace, err)
		return
	}
	defer p.Release() //nolint:errcheck // it has been waited for
	t.pid = p.Pid
	if _, err = wait(t.pid, &t.status); err == nil {
		err = syscall.PtraceSetOptions(t.pid, traceOptionsOfOurs)
	}
	if err == nil && t.Tamper {
		err = blind(t.pid)
	}
	if err != nil {
		_ = p.Kill()
		_, _ = wait(t.pid, &t.status)
		started <- fmt.Errorf("%w: %w", ErrNoTrace, err)
		return
	}
	started <- nil
	t.err = t.follow()
}

// follow lets the threads run from stop to stop until the process has ended.
func (t *Trace) follow() error {
	known := calls()
	at := t.pid
	var signal syscall.Signal
	for {
		if !t.still {
			// A thread that was killed meanwhile cannot go on; its end is told.
			if err := syscall.PtraceSyscall(at, int(signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("go on with thread %d: %w", at, err)
			}
		}
		var status syscall.WaitStatus
		for {
			var err error
			if at, err = wait(-t.pid, &status); err != nil {
				return fmt.Errorf("wait for a thread: %w", err)
			}
			if status.Stopped() {
				break
			}
			if at == t.pid {
				t.status = status
				return nil
			}
		}
		signal = t.stopped(at, status, known)
	}
}

// stopped looks at a thread that stands, strikes if it is time, and returns
// the signal with which the thread goes on.
func (t *Trace) stopped(thread int, status syscall.WaitStatus, known map[uint64]call) syscall.Signal {
	switch signal := status.StopSignal(); signal {
	case syscallStop:
		t.look(thread, known)
		return 0
	case syscall.SIGTRAP, syscall.SIGSTOP: // an event, or the first stop of a thread
		return 0
	default:
		return signal
	}
}

// look counts a call that changes one of the files, and strikes.
func (t *Trace) look(thread int, known map[uint64]call) {
	var info syscallInfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return
	}
	if t.Tamper {
		if info.Op != entryOfSystemCall {
			t.leaves(thread)
			return
		}
		t.enters(thread, &info, known)
	}
	if info.Op != entryOfSystemCall || t.hit != "" {
		return
	}
	c, ok := known[info.Number]
	if !ok {
		return
	}
	path := t.path(c, info.Args[c.arg])
	suffix, ours := strings.CutPrefix(path, t.Files)
	if !ours {
		return
	}
	t.count++
	label := c.name + " FILE" + suffix
	match := t.freeze.Load()
	switch {
	case match != nil && strings.Contains(label, *match):
		t.hit, t.still = label, true
		close(t.frozen)
	case t.count == t.At:
		t.hit = label
		// A thread that is killed at the entry of a call does not carry it out.
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
	}
}

// path is the file that an argument of a call means; "" if it is none.
func (t *Trace) path(c call, arg uint64) string {
	if !c.byPath {
		path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(arg)))
		return path
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.pid))
	if err != nil {
		return ""
	}
	defer memory.Close()
	text := make([]byte, longestTracedPath)
	n, _ := memory.ReadAt(text, int64(arg)) // the page after the text may not be there
	path, _, _ := strings.Cut(string(text[:n]), "\x00")
	return path
}

func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		thread, err := syscall.Wait4(pid, status, waitAll, nil)
		if !errors.Is(err, syscall.EINTR) {
			return thread, err
		}
	}
}
