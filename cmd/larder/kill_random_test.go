//go:build unix

package main_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// A poll is killed, 200 times where all kills are asked for, at an instant drawn
// from its length: no boundary that somebody thought of, and no place that is
// left out.
func TestKilledAtRandomInstants(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	rounds := killtest.Rounds(200, share())
	for name, newRig := range map[string]func(*testing.T, string) (*rig, string){
		"Postgres": newPostgresRig, "SQLite": newSQLiteRig,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t, program)
			r.fill()
			length := r.length()
			killed := 0
			for round := range rounds {
				r.change(manyChanges)
				at := time.Duration(rand.Int64N(int64(length)))
				if r.killAfter(at) {
					killed++
				}
				r.recover(fmt.Sprintf("round %d, killed after %s of %s", round, at, length))
			}
			if killed < rounds/4 {
				t.Errorf("only %d of %d polls were still running when they were to be killed", killed, rounds)
			}
			t.Logf("killed %d polls of about %s, %d had ended before", killed, length.Round(time.Millisecond), rounds-killed)
		})
	}
}

// length is how long a poll takes: the median of a few.
func (r *rig) length() time.Duration {
	r.Helper()
	var took []time.Duration
	for range 9 {
		r.change(manyChanges)
		started := time.Now()
		if err := r.larder.Start(r.T, "poll").Wait(); err != nil {
			r.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// killAfter polls and kills the poll, and reports whether it was still running.
func (r *rig) killAfter(d time.Duration) bool {
	r.Helper()
	p := r.larder.Start(r.T, "poll")
	timer := time.AfterFunc(d, p.Kill)
	err := p.Wait()
	timer.Stop()
	if err != nil && !p.Killed() {
		r.Fatalf("poll that nobody killed: %v", err)
	}
	return err != nil
}
