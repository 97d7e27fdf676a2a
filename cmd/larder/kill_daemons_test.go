//go:build unix

package main_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// takeover is how long a standby may take, from the instant at which the
// holder of the lease was last alive.
const takeover = 20 * time.Second

// Two daemons run on one configuration: one writes, the other stands by. Most
// of it is waiting, so all stories run at once, however few processors there
// are.
func TestTwoDaemons(t *testing.T) {
	if testing.Short() {
		t.Skip("leases take their time, and the race detector does not see the daemons")
	}
	t.Parallel()
	program := killtest.Build(t)
	stories := map[string]func(*testing.T){
		"a standby takes over from a killed daemon, Postgres": func(t *testing.T) {
			r, _ := newPostgresRig(t, program)
			r.standbyTakesOver()
		},
		"a standby takes over from a killed daemon, SQLite": func(t *testing.T) {
			r, _ := newSQLiteRig(t, program)
			r.standbyTakesOver()
		},
		"a daemon that was stopped and wakes up cannot commit, Postgres": func(t *testing.T) {
			r, dsn := newPostgresRig(t, program)
			proxy := killtest.NewProxy(t, dsn)
			r.sleeperIsFenced(killtest.Configure(t, program, r.owner, proxy.URL()), func() {
				// It must not hear from its renewal that the lease is lost: the
				// commit itself has to find out.
				proxy.Mute(`UPDATE "larder"."lease" SET expires_at`)
			})
		},
		"a daemon that was stopped and wakes up cannot commit, SQLite": func(t *testing.T) {
			r, _ := newSQLiteRig(t, program)
			r.sleeperIsFenced(r.larder, func() {})
		},
		"a daemon that was stopped in a transaction loses it, Postgres": func(t *testing.T) {
			r, dsn := newPostgresRig(t, program)
			r.sleeperLosesItsTransaction(killtest.NewProxy(t, dsn))
		},
		"a daemon that was stopped with the write lock is named, SQLite": func(t *testing.T) {
			r, file := newSQLiteRig(t, program)
			r.sleeperKeepsTheFile(file)
		},
	}
	var all sync.WaitGroup
	for name, story := range stories {
		all.Go(func() { t.Run(name, story) })
	}
	all.Wait()
}

func (r *rig) standbyTakesOver() {
	first := r.writer(r.larder)
	second := r.standby(first.ID())
	first.Kill()
	r.owner.Mutate(manyChanges)
	r.Logf("taken over %s after the kill", r.follows(takeover))
	r.says(second, "lease is taken")
}

func (r *rig) sleeperIsFenced(l killtest.Larder, beforeItWakes func()) {
	sleeper := r.writer(l)
	asked, answer := r.holdPage(1)
	r.await(asked, "page is asked for")
	r.signal(sleeper, syscall.SIGSTOP)
	second := r.standby(sleeper.ID())
	r.owner.Mutate(manyChanges)
	r.Logf("taken over %s after the stop", r.follows(takeover))

	// What the sleeper asked for comes, and is old news.
	beforeItWakes()
	close(answer)
	r.signal(sleeper, syscall.SIGCONT)
	r.says(sleeper, `"class":"fenced"`)
	r.says(sleeper, "standing by", process(second.ID()))
	r.state("sleeper is awake")
	r.owner.Mutate(manyChanges)
	r.follows(patience)
}

func (r *rig) sleeperLosesItsTransaction(proxy *killtest.Proxy) {
	sleeper := r.writer(killtest.Configure(r.T, r.larder.Program, r.owner, proxy.URL()))
	stopped := make(chan struct{})
	proxy.Rearm(killtest.Strike{Match: `Execute SELECT 1 FROM "larder"."lease"`, GoOn: true, Do: func() {
		r.signal(sleeper, syscall.SIGSTOP)
		close(stopped)
	}})
	r.await(stopped, "daemon is in a transaction")
	second := r.standby(sleeper.ID())
	r.owner.Mutate(manyChanges)
	r.Logf("taken over %s after the stop", r.follows(takeover))
	r.signal(sleeper, syscall.SIGCONT)
	r.says(sleeper, "standing by", process(second.ID()))
	r.owner.Mutate(manyChanges)
	r.follows(patience)
}

func (r *rig) sleeperKeepsTheFile(file string) {
	sleeper := &killtest.Trace{Files: file}
	r.trace(sleeper, "run")
	r.holds(sleeper.ID())
	r.follows(patience)
	sleeper.Freeze("pwrite64 FILE-wal")
	r.owner.Mutate(manyChanges)
	r.await(sleeper.Frozen(), "daemon stands still in a write")
	second := r.standby(sleeper.ID())
	r.says(second, "lease cannot be taken", "write lock is held by another process", process(sleeper.ID()))
	r.state("the file is blocked")
	sleeper.Kill()
	r.Logf("taken over %s after the kill", r.follows(takeover))
}

// writer starts a daemon that takes the lease and makes the copy.
func (r *rig) writer(l killtest.Larder) *killtest.Process {
	r.Helper()
	p := l.Start(r.T, "run")
	r.holds(p.ID())
	r.follows(patience)
	return p
}

// standby starts a daemon that must stand by and name the holder.
func (r *rig) standby(holder int) *killtest.Process {
	r.Helper()
	p := r.larder.Start(r.T, "run")
	r.says(p, "standing by", process(holder))
	return p
}

// holds waits until the lease names a process.
func (r *rig) holds(id int) {
	r.Helper()
	_, err := killtest.Eventually(r.within(patience), 50*time.Millisecond, func() (bool, error) {
		holder, err := r.consumer.Holder(r.Context())
		return err == nil && strings.Contains(holder, process(id)), nil
	})
	if err != nil {
		r.Fatalf("lease does not name %s: %v", process(id), err)
	}
}

// follows waits until the copy is what its owner holds, and returns how long
// that took. The position must be sound all the while.
func (r *rig) follows(within time.Duration) time.Duration {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	var differs error
	took, err := killtest.Eventually(ctx, 100*time.Millisecond, func() (bool, error) {
		differs = r.owner.Equal(r.state("while a daemon runs"))
		return differs == nil, nil
	})
	if err != nil {
		r.Fatalf("copy does not follow: %v: %v", err, differs)
	}
	return took.Round(10 * time.Millisecond)
}

func (r *rig) says(p *killtest.Process, words ...string) {
	r.Helper()
	if _, err := p.Says(r.within(patience), words...); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) signal(p *killtest.Process, s syscall.Signal) {
	r.Helper()
	if err := p.Signal(s); err != nil {
		r.Errorf("signal %v: %v", s, err)
	}
}

// process is how a holder's process is named.
func process(id int) string { return fmt.Sprintf("process %d,", id) }
