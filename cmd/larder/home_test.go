package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/home"
)

// hungHome is a home whose disk hangs until free is closed; opened counts the
// tries.
func hungHome(t *testing.T) (a *atHome, free chan struct{}, opened *int) {
	t.Helper()
	a, free, opened = newAtHome(home.Options{File: filepath.Join(t.TempDir(), "larder.db")}), make(chan struct{}), new(int)
	a.opens = func(ctx context.Context, o home.Options) (*home.Home, error) {
		*opened++
		<-free
		return home.Open(ctx, o)
	}
	return a, free, opened
}

// Whoever needs home while it is opened on a disk that hangs waits as long as his
// context lasts, and has it when the disk is back.
func TestNobodyWaitsLongerThanHeWillForAHomeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, free, opened := hungHome(t)
		for range 3 {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			err := a.Record(ctx, syncer.Report{})
			cancel()
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 200*time.Millisecond {
				t.Errorf("a call with 200ms is back after %s: %v", took, err)
			}
		}
		close(free)
		if err := a.Record(t.Context(), syncer.Report{Source: "users"}); err != nil {
			t.Errorf("after the disk is back: %v", err)
		}
		if *opened != 1 {
			t.Errorf("opened %d times", *opened)
		}
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
}

// A home that cannot be opened is tried again by the next call.
func TestHomeIsTriedAgain(t *testing.T) {
	a := newAtHome(home.Options{File: filepath.Join(t.TempDir(), "larder.db")})
	missing := errors.New("not there")
	a.opens = func(context.Context, home.Options) (*home.Home, error) { return nil, missing }
	if err := a.Record(t.Context(), syncer.Report{}); !errors.Is(err, missing) {
		t.Errorf("first: %v", err)
	}
	a.opens = home.Open
	if err := a.Record(t.Context(), syncer.Report{}); err != nil {
		t.Errorf("second: %v", err)
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
}

// What is closed stays so, whether a call comes late or the disk does.
func TestHomeThatIsClosedIsNotOpenedAgain(t *testing.T) {
	for name, hangs := range map[string]time.Duration{"at once": 0, "while it is opened": time.Second, "while its disk hangs": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, free, opened := hungHome(t)
				waits := make(chan error, 1)
				go func() { waits <- a.Record(t.Context(), syncer.Report{}) }()
				time.AfterFunc(hangs, func() { close(free) })
				synctest.Wait()
				began := time.Now()
				if err := a.close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > openAtEnd {
					t.Errorf("closing took %s", took)
				}
				time.Sleep(hangs)
				if err := <-waits; hangs > 0 && !errors.Is(err, errHomeClosed) {
					t.Errorf("a call that waited: %v", err)
				}
				if err := a.Record(t.Context(), syncer.Report{}); !errors.Is(err, errHomeClosed) {
					t.Errorf("a late call: %v", err)
				}
				if *opened != 1 || a.open != nil {
					t.Errorf("opened %d times, left open: %t", *opened, a.open != nil)
				}
			})
		})
	}
}

// A daemon whose home hangs from its start on polls, judges, and stops.
func TestDaemonStartsWithoutAHomeThatHangs(t *testing.T) {
	owner, polled := ownerOfOne(t)
	p := partsOf(t, fmt.Sprintf(oneSource, "", "sqlite:"+filepath.Join(t.TempDir(), "shop.db"), owner))
	free := make(chan struct{})
	p.home.opens = func(context.Context, home.Options) (*home.Home, error) {
		<-free
		return nil, errors.New("disk is gone")
	}
	t.Cleanup(func() { close(free) })
	d, err := p.daemon(t.Context(), p.home)
	if err != nil {
		t.Fatal(err)
	}
	fresh := d.judges(func(j syncer.Judged) bool { return j.Level == syncer.Fresh && !j.Polled.IsZero() })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	late := time.After(30 * time.Second)
	for _, what := range []struct {
		name string
		seen <-chan struct{}
	}{{"first poll", polled}, {"second poll", polled}, {"third poll", polled}, {"judgement", fresh}} {
		select {
		case <-what.seen:
		case err := <-ended:
			t.Fatalf("ended before the %s: %v", what.name, err)
		case <-late:
			t.Fatalf("no %s in 30s", what.name)
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-late:
		t.Error("not stopped in 30s")
	}
}
