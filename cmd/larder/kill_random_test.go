//go:build unix

package main_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// instants strikes at an instant drawn from the length of a command: no
// boundary that somebody thought of, and no place that is left out.
type instants struct {
	*rig
	length time.Duration
}

// mostInstants is how many points there are said to be.
const mostInstants = 200

// strike runs the command and kills it after a time that is drawn. It may have
// ended before.
func (i *instants) strike(n int) (label string, count int) {
	i.Helper()
	if i.length == 0 {
		i.length = i.measure()
	}
	if n > mostInstants {
		i.redo("a command that nobody killed")
		return "", mostInstants
	}
	at := time.Duration(rand.Int64N(int64(i.length)))
	label = fmt.Sprintf("after %s of %s", at, i.length)
	if i.killAfter(at) {
		i.tally.kills++
	}
	return label, mostInstants
}

// measure is how long a command takes: the median of a few.
func (r *rig) measure() time.Duration {
	r.Helper()
	var took []time.Duration
	for range 5 {
		r.owner.Mutate(manyChanges)
		started := time.Now()
		if err := r.larder.Start(r.T, r.command).Wait(); err != nil {
			r.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// killAfter runs the command and kills it, and reports whether it was still
// running.
func (r *rig) killAfter(d time.Duration) bool {
	r.Helper()
	p := r.larder.Start(r.T, r.command)
	timer := time.AfterFunc(d, p.Kill)
	err := p.Wait()
	timer.Stop()
	if err != nil && !p.Killed() {
		r.Fatalf("%s that nobody killed: %v", r.command, err)
	}
	return err != nil
}
