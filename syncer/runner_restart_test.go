package syncer_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// A daemon that restarts after a failed poll of a daily source tries again at
// once, and not on the next day; after a good one it waits for the tick.
func TestRestartTriesAFailedPollAgain(t *testing.T) {
	for name, fails := range map[string]bool{"after a failed poll": true, "after a good poll": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &syncertest.Memory{}
				var down atomic.Bool
				s := numbered(1, func(context.Context, int) error {
					if down.Load() {
						return errOwner
					}
					return nil
				})
				first := newKitchen("first", m, s, every(24*time.Hour))
				first.start(t)
				time.Sleep(time.Hour)
				down.Store(fails)
				time.Sleep(24*time.Hour - 30*time.Minute)
				first.close()
				down.Store(false)
				polls := len(s.walks())
				second := newKitchen("second", m, s, every(24*time.Hour))
				second.start(t)
				time.Sleep(time.Minute)
				if n := len(s.walks()) - polls; (n == 1) != fails || n > 1 {
					t.Errorf("%d polls in the first minute", n)
				}
				second.close()
			})
		})
	}
}

// slowKeeper takes long to get ready.
type slowKeeper struct {
	syncer.Keeper
	takes time.Duration
}

func (k slowKeeper) Prepare(ctx context.Context) error {
	time.Sleep(k.takes)
	return k.Keeper.Prepare(ctx)
}

// A table that takes longer to get ready than a lease lasts does not lose it.
func TestSlowPrepareKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, numbered(1, nil), every(time.Hour))
		c := k.feed.Copies[0]
		c.Keeper = slowKeeper{c.Keeper, 4 * syncer.LeaseTime}
		k.start(t)
		rival := m.NewDaemon("rival")
		for range 4 * int(syncer.LeaseTime/time.Second) {
			time.Sleep(time.Second)
			if err := rival.Acquire(t.Context()); err == nil {
				t.Fatal("the rival takes the lease")
			}
		}
		time.Sleep(5 * time.Second)
		if n := len(k.journal.of("poll completes")); n != 1 {
			t.Errorf("%d polls complete", n)
		}
		k.close()
	})
}

// unfitKeeper is that of a table that does not fit.
type unfitKeeper struct{ syncer.Keeper }

func (unfitKeeper) Prepare(context.Context) error { return errors.New("column is missing") }

// Why a table is not polled any more stands in its database, until it is.
func TestATableThatDoesNotFitSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		says := func(fits bool, want string) {
			t.Helper()
			k := newKitchen("us", m, numbered(1, nil), every(time.Minute))
			if c := k.feed.Copies[0]; !fits {
				c.Keeper = unfitKeeper{c.Keeper}
			}
			k.start(t)
			time.Sleep(2*time.Minute + time.Second)
			if st := statuses(t, m)[0]; !strings.Contains(st.Error, want) || want == "" && st.Error != "" {
				t.Errorf("the database says %q, want %q", st.Error, want)
			}
			k.close()
		}
		says(true, "")
		says(false, "column is missing")
		says(true, "")
	})
}

// A table that its consumer drops while the daemon runs is made again and filled.
func TestADroppedTableIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, numbered(3, nil), every(time.Minute))
		k.start(t)
		defer k.close()
		time.Sleep(90 * time.Second)
		for what, drop := range map[string]func(){
			"the table":  func() { m.Drop("a") },
			"its column": func() { m.DropColumn("a", "version") },
		} {
			drop()
			time.Sleep(5 * time.Minute)
			if rows := m.Rows("a", []string{"version"}); len(rows) != 3 || rows[0][0] == "NULL" {
				t.Errorf("without %s: rows %v", what, rows)
			}
			if all, _ := k.daemon.Status(t.Context()); all[0].Level != syncer.Fresh || all[0].Reason != "" {
				t.Errorf("without %s: the view tells %+v", what, all[0])
			}
		}
	})
}
