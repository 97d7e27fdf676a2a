package killtest

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// tamper is what a trace makes of system calls that it lets pass: the answers
// of some are not the kernel's.
type tamper struct {
	// answers are what threads that are inside a call will be answered.
	answers map[int]answerOf
}

// answerOf is an error in place of a call that was not carried out, or the
// place of the time of day that a call has written.
type answerOf struct {
	errno syscall.Errno
	clock uint64
}

const (
	sysClockGettime = 228
	clockRealtime   = 0
	// The kernel tells a program by its auxiliary vector where it finds a clock
	// that needs no system call.
	auxVDSO, auxIgnore = 33, 1
)

// opens are the calls that open a file, and which argument its path and its
// flags are.
var opens = map[uint64]struct{ path, flags int }{2: {0, 1}, 257: {1, 2}}

// blind makes a program that has not begun to run ask the kernel for the time.
func blind(pid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	at := int64(regs.Rsp)
	word := func() (uint64, error) {
		var b [8]byte
		_, err := memory.ReadAt(b[:], at)
		at += 8
		return binary.LittleEndian.Uint64(b[:]), err
	}
	if _, err := word(); err != nil { // the number of arguments
		return err
	}
	for nulls := 0; nulls < 2; { // arguments, then environment
		w, err := word()
		if err != nil {
			return err
		}
		if w == 0 {
			nulls++
		}
	}
	for {
		kind, err := word()
		if err != nil || kind == 0 {
			return err
		}
		if kind == auxVDSO {
			_, err := memory.WriteAt([]byte{auxIgnore, 0, 0, 0, 0, 0, 0, 0}, at-8)
			return err
		}
		at += 8
	}
}

// enters decides at the entry of a call what it will be answered.
func (t *Trace) enters(thread int, info *syscallInfo, known map[uint64]call) {
	if t.tampered.answers == nil {
		t.tampered.answers = make(map[int]answerOf)
	}
	if info.Number == sysClockGettime {
		if info.Args[0] == clockRealtime {
			t.tampered.answers[thread] = answerOf{clock: info.Args[1]}
		}
		return
	}
	refusal := t.refuse.Load()
	if refusal == nil {
		return
	}
	label := ""
	if o, ok := opens[info.Number]; ok {
		if flags := info.Args[o.flags]; flags&(syscall.O_WRONLY|syscall.O_RDWR|syscall.O_CREAT) != 0 {
			label = t.label(call{name: "open", byPath: true}, info.Args[o.path])
		}
	} else if c, ok := known[info.Number]; ok {
		label = t.label(c, info.Args[c.arg])
	}
	if label == "" || !refusal.of(label) {
		return
	}
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(thread, &regs) != nil {
		return
	}
	regs.Orig_rax = ^uint64(0) // no call at all
	if syscall.PtraceSetRegs(thread, &regs) != nil {
		return
	}
	t.tampered.answers[thread] = answerOf{errno: refusal.errno}
	t.refused.Add(1)
}

// leaves puts the answer of a call in place.
func (t *Trace) leaves(thread int) {
	a, ok := t.tampered.answers[thread]
	if !ok {
		return
	}
	delete(t.tampered.answers, thread)
	if a.errno == 0 {
		t.shiftClock(a.clock)
		return
	}
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(thread, &regs) == nil {
		regs.Rax = uint64(-int64(a.errno))
		_ = syscall.PtraceSetRegs(thread, &regs)
	}
}

// shiftClock moves the seconds at a place of the program's memory.
func (t *Trace) shiftClock(place uint64) {
	seconds := t.shift.Load() / int64(time.Second)
	if seconds == 0 {
		return
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", t.pid), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer memory.Close()
	var b [8]byte
	if _, err := memory.ReadAt(b[:], int64(place)); err != nil {
		return
	}
	binary.LittleEndian.PutUint64(b[:], binary.LittleEndian.Uint64(b[:])+uint64(seconds))
	_, _ = memory.WriteAt(b[:], int64(place)) // the program may be gone
}

// label names a call on one of the files that count; "" on any other.
func (t *Trace) label(c call, arg uint64) string {
	suffix, ours := strings.CutPrefix(t.path(c, arg), t.Files)
	if !ours {
		return ""
	}
	return c.name + " FILE" + suffix
}
