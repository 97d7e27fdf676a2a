package syncer_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

var errTable = errors.New("table cannot be used")

// refusing is a keeper that gets its table ready until it is told otherwise.
type refusing struct {
	syncer.Keeper
	now atomic.Bool
}

func (r *refusing) Prepare(ctx context.Context) error {
	if r.now.Load() {
		return errTable
	}
	return r.Keeper.Prepare(ctx)
}

// A table that is not ready is no failure of the audits of the others: each
// sample has its turn, once a tick.
func TestSamplesRotateBesideATableThatIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		k := newAudited(&syncertest.Memory{}, r)
		k.feed.Audit.Compare, k.feed.Audit.Samples = syncer.CompareSample, 4
		c := k.add("b")
		keeper := &refusing{Keeper: c.Keeper}
		c.Keeper = keeper
		k.start(t)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		keeper.now.Store(true)
		c.SetReady(errTable)
		before := len(r.audits())
		time.Sleep(8 * time.Hour)
		of := make(map[int]int)
		for _, w := range r.audits()[before:] {
			of[w.Audit.Sample]++
		}
		for sample := range 4 {
			if of[sample] != 2 {
				t.Errorf("in 8 hours compares %v, want each of 4 samples twice", of)
				break
			}
		}
		k.close()
	})
}

// counted counts the audits that came to their end in a table.
type counted struct {
	syncer.Table
	audits atomic.Int64
	fails  atomic.Bool
}

func (c *counted) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	if w.Kind == syncer.Audit && s.End != nil {
		if c.fails.Load() {
			return syncer.Settled{}, errTable
		}
		c.audits.Add(1)
	}
	return c.Table.Settle(ctx, w, s)
}

// While one table fails in every audit, it is tried again and again; the others
// are compared at their ticks, with their second looks.
func TestATableThatFailsInAuditsIsTriedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		k := newAudited(&syncertest.Memory{}, r)
		well := &counted{Table: k.table.Table}
		k.table.Table = well
		c := k.add("b")
		ill := &counted{Table: c.Table}
		ill.fails.Store(true)
		c.Table = ill
		k.start(t)
		time.Sleep(5*time.Hour + 30*time.Minute)
		synctest.Wait()
		if well.audits.Load() != 5 {
			t.Errorf("in five and a half hours the table that is well is audited %d times", well.audits.Load())
		}
		if n := len(r.audits()); n < 8 {
			t.Errorf("%d audits: the table that fails is not tried again", n)
		}
		r.change(func(items map[int]int) { items[7] = 1 })
		time.Sleep(time.Hour)
		synctest.Wait()
		if well.audits.Load() != 7 || len(k.daemon.Rows("a", []string{"id"})) != 6 {
			t.Errorf("of a difference %d audits have %d rows", well.audits.Load(), len(k.daemon.Rows("a", []string{"id"})))
		}
		ill.fails.Store(false)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if ill.audits.Load() == 0 || len(k.daemon.Rows("b", []string{"id"})) != 6 {
			t.Errorf("the table that failed is audited %d times", ill.audits.Load())
		}
		k.close()
	})
}
