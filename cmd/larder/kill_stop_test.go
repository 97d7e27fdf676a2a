//go:build unix

package main_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// SIGTERM in the middle of a walk: the batch in hand commits, the daemon exits
// with 0, and the next poll goes on where the walk stood. As-of is then the
// start of the walk's first part.
func TestStoppedInMidWalkTheNextPollGoesOn(t *testing.T) {
	t.Parallel()
	const pages, stopAt = 12, 8
	program := killtest.Build(t)
	for name, newRig := range map[string]func(*testing.T, string) (*rig, string){
		"Postgres": newPostgresRig, "SQLite": newSQLiteRig,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t, program)
			r.owner.Pages(killRecords/pages, 2*killPageTime)
			asked, ended := r.holdPage(stopAt)
			daemon := r.larder.Start(t, "run")
			r.await(asked, "page is asked for")
			signalled := time.Now()
			if err := daemon.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := daemon.Wait(); err != nil {
				t.Fatalf("stopped daemon: %v", err)
			}
			close(ended)

			half := r.state("stopped in mid walk")
			if half.Listed == "" || len(half.Rows) < killRecords/pages || len(half.Rows) >= killRecords {
				t.Fatalf("stopped before page %d, the table has %d rows and resumes at %q", stopAt, len(half.Rows), half.Listed)
			}
			before := r.owner.Requests()
			r.owner.OnPage(nil)
			if err := r.larder.Start(t, "poll").Wait(); err != nil {
				t.Fatal(err) // the daemon gave its lease back
			}
			r.equal("poll after the stop")
			if n := r.owner.Requests() - before; n > pages-len(half.Rows)*pages/killRecords {
				t.Errorf("next poll asked for %d pages of %d, though %d rows were there", n, pages, len(half.Rows))
			}
			if whole := r.state("poll after the stop"); !whole.AsOf.Before(signalled) {
				t.Errorf("as-of is %s, but the walk began before %s", whole.AsOf, signalled)
			}
		})
	}
}

// holdPage makes the owner sit on the answer to one page. asked is closed when
// it has been asked for, and closing ended lets the answer go.
func (r *rig) holdPage(number int) (asked <-chan struct{}, ended chan<- struct{}) {
	in, out := make(chan struct{}), make(chan struct{})
	r.owner.OnPage(func(page int) {
		if page != number {
			return
		}
		r.owner.OnPage(nil)
		close(in)
		<-out
	})
	return in, out
}
