//go:build unix

package main_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer"
)

// A daemon that has to tell of a stale copy, and then of its recovery, is killed
// before the writes, syncs, truncations and removals of home, every one of them
// over many runs: between every two steps of open, enqueue, deliver and mark.
// The receiver has the firing and the resolve, and what it has twice bears the
// same ID.
func TestKilledAtEveryWriteToHome(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	hits := make(killtest.Tally)
	writes, again := 0, 0
	for n := range killtest.Points(t, 2*share()) {
		trace := &killtest.Trace{Files: r.home, At: n}
		s := r.begin(fmt.Sprintf("killed at write %d", n))
		r.startTraced(trace)
		s.tell()
		label, count := trace.Hit()
		again += s.count("firing") + s.count("resolved") - 2
		if label == "" {
			if s.kills > 0 {
				t.Fatalf("daemon ended by itself after %d writes", count)
			}
			writes = count
			break
		}
		hits.Add(label)
	}
	if writes < 20 {
		t.Errorf("an episode of only %d writes", writes)
	}
	t.Logf("killed at %d of %d writes; %d messages came twice:\n%s", hits.Total(), writes, again, hits)
}

// The daemon is killed by its receiver: before it answers, and after it has
// answered, be the mark made or not.
func TestKilledAroundADelivery(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	for _, event := range []string{"firing", "resolved"} {
		for _, moment := range []killtest.Moment{killtest.Asked, killtest.Answered} {
			label := fmt.Sprintf("killed when %s was %s", event, moment)
			s := r.begin(label)
			const kills = 2
			var struck atomic.Int32
			r.receiver.On(func(at killtest.Moment, d killtest.Delivery) {
				if at == moment && d.Event == event && struck.Add(1) <= kills {
					r.now.Load().Kill()
				}
			})
			r.start()
			s.tell()
			r.receiver.On(nil)
			if n := s.count(event); moment == killtest.Asked && n != kills+1 {
				t.Errorf("%s: told %d times, want %d: nothing was answered to the others", label, n, kills+1)
			}
			if s.kills == 0 {
				t.Errorf("%s: it was not", label)
			}
			t.Logf("%s: %d kills, told %d times", label, s.kills, s.count(event))
		}
	}
}

// Home is deleted while the daemon runs, before the copy is stale and while it
// is; then the daemon is killed. Both are told all the same.
func TestHomeDeletedUnderADaemon(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	s := r.begin("home deleted")
	r.down.Store(false)
	r.start()
	s.until("that it is fresh", r.settled)
	r.deleteHome()
	r.down.Store(true)
	s.until("firing", func() bool { return s.count("firing") == 1 })
	s.until("that it is noted", func() bool { return !r.settled() })
	r.deleteHome()
	s.until("that it is noted anew", func() bool { return r.asked("SELECT count(*) FROM episode WHERE closed IS NULL") == 1 })
	r.now.Load().Kill()
	r.down.Store(false)
	s.until("resolved", func() bool { return s.count("resolved") == 1 })
	s.until("that all is told", r.settled)
	s.stop()
	s.judge()
}

// A daemon is stopped while a message of its waits for its group. Another one
// takes over, and the copy is well again. When the first one goes on it tells
// nobody what has long not been so: it could not tell the end of it.
func TestASleeperDoesNotTell(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	other := r.besides("8s")
	r.begin("sleeper")
	sleeper := r.larder.Start(t, "run")
	r.counts(r.home, "SELECT count(*) FROM message")
	stopped := time.Now()
	if err := sleeper.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.down.Store(false)
	second := other.Start(t, "run")
	r.logged(second, "lease is taken")
	r.counts(r.copied.File, fmt.Sprintf("SELECT count(*) FROM larder_watermark WHERE as_of > %d", stopped.Unix()))
	<-time.After(time.Until(stopped.Add(syncer.LeaseTime + time.Second)))
	if err := sleeper.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.logged(sleeper, `"ending":"standby"`)
	if taken, wrong := r.receiver.Taken(); len(taken)+len(wrong) > 0 {
		t.Errorf("the sleeper told %+v %q; it says:\n%s", taken, wrong, sleeper.Log())
	}
}

// besides has messages wait for so long, and makes another larder of the same
// copy, with a home and a receiver of its own.
func (r *alertRig) besides(group string) killtest.Larder {
	r.Helper()
	text, err := os.ReadFile(r.larder.Config)
	if err != nil {
		r.Fatal(err)
	}
	config := strings.Replace(string(text), `group  = "0s"`, fmt.Sprintf("group = %q", group), 1)
	other := killtest.Larder{Program: r.larder.Program, Config: r.larder.Config + ".other"}
	for file, text := range map[string]string{
		r.larder.Config: config,
		other.Config:    strings.NewReplacer(r.home, r.home+".other", r.receiver.URL(), killtest.NewReceiver(r.T).URL()).Replace(config),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			r.Fatal(err)
		}
	}
	return other
}

// counts waits until a file counts one of something.
func (r *alertRig) counts(file, query string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if _, err := killtest.Eventually(ctx, 20*time.Millisecond, func() (bool, error) { return number(file, query) == 1, nil }); err != nil {
		r.Fatalf("%s: %v", query, err)
	}
}

func (r *alertRig) logged(p *killtest.Process, words ...string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if _, err := p.Says(ctx, words...); err != nil {
		r.Fatal(err)
	}
}

func (r *alertRig) deleteHome() {
	r.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(r.home + suffix); err != nil {
			r.Fatal(err)
		}
	}
}
