package syncer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// tardy is a lease whose database does not answer for a while.
type tardy struct {
	syncer.Lease
	wait time.Duration
}

func (l tardy) Acquire(ctx context.Context) error {
	time.Sleep(l.wait)
	return l.Lease.Acquire(ctx)
}

// A Runner is ready when each lease was asked for, and no more once it stops.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKitchen("us", &syncertest.Memory{}, numbered(1, nil), every(time.Minute))
		k.Consumers[0].Lease = tardy{k.lease, 5 * time.Second}
		k.start(t)
		time.Sleep(4 * time.Second)
		if err := k.Ready(); err == nil || !strings.Contains(err.Error(), `consumer "c"`) {
			t.Errorf("before the database has answered: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := k.Ready(); err != nil {
			t.Errorf("after: %v", err)
		}
		k.close()
		if k.Ready() == nil {
			t.Error("a Runner that has stopped is ready")
		}
	})
}

// One that stands by is ready: it waits for nothing of its own.
func TestReadyToTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		other := newKitchen("other", m, numbered(1, nil), every(time.Minute))
		other.start(t)
		defer other.close()
		time.Sleep(time.Second)
		k := newKitchen("us", m, numbered(1, nil), every(time.Minute))
		k.start(t)
		defer k.close()
		time.Sleep(time.Second)
		if err := k.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// Judgements tell what was asked from last, and how new the newest record is.
func TestJudgedTellsWatermarkAndNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newest := time.Now().Add(-time.Hour)
		k, w := watched(t, &script{walk: func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			yield(&syncer.Batch{End: &syncer.End{Watermark: "2026-11-23T10:00:00Z", Listed: w.Kind.Listing(), Newest: newest}}, nil)
		}}, every(time.Minute))
		defer k.close()
		time.Sleep(2 * time.Second)
		if j := w.last(); j.Watermark != "" || !j.Newest.Equal(newest) {
			t.Errorf("after a poll from the beginning: watermark %q, newest %v", j.Watermark, j.Newest)
		}
		time.Sleep(time.Minute)
		if j := w.last(); j.Watermark != "2026-11-23T10:00:00Z" || !j.Newest.Equal(newest) {
			t.Errorf("watermark %q, newest %v", j.Watermark, j.Newest)
		}
	})
}
