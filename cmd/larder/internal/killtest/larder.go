package killtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Larder is the real program with a configuration of its own: one source over
// an Owner, one consumer, one table.
type Larder struct {
	Program string
	Config  string
}

// Build builds the program of the package in the working folder and returns
// its path. It lasts as long as the test.
func Build(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "larder")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		tb.Fatalf("build larder: %v\n%s", err, out)
	}
	return path
}

const config = `
larder.home = %q
larder.listen = ""
consumer.shop.database = %q
[owner.users]
url = %q
retry = { attempts = 1 }
[source.users]
schedule  = "@every 1s"
jitter    = "0s"
%s
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "bigint", name = "text", amount = "numeric", updated_at = "timestamptz"%s }
%s
`

// Configure writes a configuration for an owner and a consumer's database into
// a folder of its own, where home is too.
func Configure(tb testing.TB, program string, owner *Owner, database string) Larder {
	tb.Helper()
	dir := tb.TempDir()
	path := filepath.Join(dir, "larder.toml")
	s := owner.shape
	text := fmt.Sprintf(config, filepath.Join(dir, "home.db"), database, owner.URL(), s.Source, s.Columns, s.Table)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return Larder{Program: program, Config: path}
}

// Args is the command line of one of larder's commands, which may have words
// behind it.
func (l Larder) Args(command string, more ...string) []string {
	args := append([]string{l.Program}, strings.Fields(command)...)
	return append(append(args, "-c", l.Config), more...)
}

// Start starts one of larder's commands. The test kills it, if nobody did.
func (l Larder) Start(tb testing.TB, command string, more ...string) *Process {
	tb.Helper()
	p := &Process{log: newLog(), ended: make(chan struct{})}
	args := l.Args(command, more...)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start larder %s: %v", command, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	tb.Cleanup(p.Kill)
	return p
}

// Process is a running larder.
type Process struct {
	cmd   *exec.Cmd
	log   *log
	ended chan struct{}
	err   error
}

// Kill ends the process as kill -9 does and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// ID is the process's.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Wait waits for the end and returns what the process came to: nil for exit 0.
// What it printed is part of an error.
func (p *Process) Wait() error {
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%w:\n%s", p.err, tail(p.log.String()))
	}
	return nil
}

// Killed reports whether an ended process was killed.
func (p *Process) Killed() bool {
	<-p.ended
	var exit *exec.ExitError
	return errors.As(p.err, &exit) && !exit.Exited()
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Log is what the process printed so far.
func (p *Process) Log() string { return p.log.String() }

// Says waits until a line holds all of the words, and returns it.
func (p *Process) Says(ctx context.Context, words ...string) (string, error) {
	for {
		text, more := p.log.next()
		for line := range strings.Lines(text) {
			if holdsAll(line, words) {
				return line, nil
			}
		}
		select {
		case <-more:
		case <-p.ended:
			return "", fmt.Errorf("wait for a line with %q: process has ended:\n%s", words, tail(text))
		case <-ctx.Done():
			return "", fmt.Errorf("wait for a line with %q: %w:\n%s", words, ctx.Err(), tail(text))
		}
	}
}

func holdsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// tail is the end of a log, short enough to read.
func tail(text string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// Eventually asks again and again until ok, and returns how long that took.
func Eventually(ctx context.Context, every time.Duration, ok func() (bool, error)) (time.Duration, error) {
	started := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := ok()
		if done || err != nil {
			return time.Since(started), err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return time.Since(started), fmt.Errorf("waited %s: %w", time.Since(started).Round(time.Second), ctx.Err())
		}
	}
}

// log keeps what is written and tells those who wait for more.
type log struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newLog() *log { return &log{more: make(chan struct{})} }

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(b)
}

// next returns all there is and a channel that is closed when there is more.
func (l *log) next() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.more
}

func (l *log) String() string {
	text, _ := l.next()
	return text
}
