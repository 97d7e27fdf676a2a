//go:build unix

package notify_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert/notify"
)

// script runs a few lines of sh.
func script(t testing.TB, lines string, args ...string) *notify.Exec {
	t.Helper()
	return must[*notify.Exec](t)(notify.NewExec(notify.ExecOptions{Command: append([]string{"/bin/sh", "-c", lines, "sh"}, args...)}))
}

func TestExecIsToldByInputAndVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "told")
	t.Setenv("USERS_TOKEN", canary)
	answer, err := script(t, `{ cat; env; echo "$1"; } >"$1.tmp" 2>&1; mv "$1.tmp" "$1"; echo done`, file).Notify(t.Context(), firing())
	if err != nil || answer != "exit code 0: done" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	told, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"type":"larder.staleness.firing",`, `"table":"shop.users"`, "\nLARDER_TYPE=larder.staleness.firing\n", "LARDER_TABLE=shop.users\n",
		"LARDER_SEVERITY=critical\n", "LARDER_STATUS=firing\n", "LARDER_KEY=k-shop.users\n", "LARDER_ID=m1\n", "LARDER_INSTANCE=eu\n",
		"LARDER_TITLE=CRITICAL shop.users is 23m stale, budget 15m\n", "PATH=",
	} {
		if !strings.Contains(string(told), want) {
			t.Errorf("%q is not in what the command was told: %s", want, told)
		}
	}
	shows(t, "environment", string(told))
}

func TestExecFailsByItsExitCode(t *testing.T) {
	for name, test := range map[string]struct{ lines, want string }{
		"exit code":       {"echo out of paper >&2; exit 3", "command ended with exit code 3: out of paper"},
		"endless output":  {"yes | head -c 10000000; exit 1", "command ended with exit code 1: y y y"},
		"odd output":      {`printf 'a\033[31m\r\nb'; exit 1`, "command ended with exit code 1: a [31m b"},
		"killed by other": {"kill -9 $$", "run command: signal: killed"},
	} {
		_, err := script(t, test.lines).Notify(t.Context(), firing())
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		} else if behaviourOf(t, err) != (behaviour{}) {
			t.Errorf("%s: %v is not tried again", name, err)
		}
	}
	x := must[*notify.Exec](t)(notify.NewExec(notify.ExecOptions{Command: []string{filepath.Join(t.TempDir(), "missing")}}))
	if _, err := x.Notify(t.Context(), firing()); err == nil || behaviourOf(t, err) != (behaviour{}) {
		t.Errorf("a command that is not there: %v", err)
	}
}

// TestExecEndsWithItsChildren stops a command that waits for a child.
func TestExecEndsWithItsChildren(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		// The child holds the pipe open for as long as it lives.
		_, err := script(t, `sleep 600 >"$1" & wait`, pipe).Notify(ctx, firing())
		ended <- err
	}()
	alive, err := os.Open(pipe) // waits until the child has opened it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alive.Close() }()
	cancel()
	if err := <-ended; err == nil || err.Error() != "run command: stopped" {
		t.Errorf("error %v", err)
	}
	if err := alive.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := alive.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the child lives on: read %d, %v", n, err)
	}
}

// TestExecLeavesABackgroundAlone: a command may hand its work to another process
// that keeps its output open.
func TestExecLeavesABackgroundAlone(t *testing.T) {
	begin := time.Now()
	answer, err := script(t, "sleep 8 & echo handed over").Notify(t.Context(), firing())
	if err != nil || answer != "exit code 0: handed over" || time.Since(begin) > 5*time.Second {
		t.Errorf("answer %q, error %v after %v", answer, err, time.Since(begin))
	}
}
