package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// manager is systemd's end of the socket.
func manager(t *testing.T, watchdogUsec string) *net.UnixConn {
	t.Helper()
	file := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: file, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", file)
	t.Setenv("WATCHDOG_USEC", watchdogUsec)
	t.Setenv("WATCHDOG_PID", "")
	return conn
}

// hears returns the next message.
func hears(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buffer := make([]byte, 4096)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func TestWhatSystemdIsTold(t *testing.T) {
	conn := manager(t, "4") // it is fed each microsecond
	var tried atomic.Bool
	s := newSystemd(func() error {
		if tried.Load() {
			return nil
		}
		return errors.New("a lease is not asked for yet")
	}, zerolog.Nop())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	judge := func(levels ...syncer.Level) string {
		all := make([]syncer.Judged, len(levels))
		for i, l := range levels {
			all[i].Level = l
		}
		s.Judged(time.Now(), all)
		return hears(t, conn)
	}
	if got := judge(syncer.Fresh, syncer.Critical, syncer.Fresh); got != "WATCHDOG=1\nSTATUS=2 fresh, 1 critical" {
		t.Errorf("first it hears %q", got)
	}
	tried.Store(true)
	if got := judge(syncer.Fresh, syncer.Critical, syncer.Never); !strings.HasPrefix(got, "READY=1\n") || !strings.HasSuffix(got, "\nSTATUS=1 fresh, 1 critical, 1 never") {
		t.Errorf("when the leases were asked for it hears %q", got)
	}
	if got := judge(syncer.Fresh, syncer.Critical, syncer.Never); got != "WATCHDOG=1" {
		t.Errorf("then it hears %q", got)
	}
	stop()
	if got := hears(t, conn); got != "STOPPING=1" {
		t.Errorf("at last it hears %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Nothing but judgements feeds the watchdog.
func TestNobodyElseFeedsTheWatchdog(t *testing.T) {
	conn := manager(t, "4")
	s := newSystemd(func() error { return nil }, zerolog.Nop())
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, conn); got != "STOPPING=1" {
		t.Errorf("without a judgement it hears %q", got)
	}
}

// It is fed four times in its span, not at each judgement.
func TestWatchdogIsNotFlooded(t *testing.T) {
	conn := manager(t, "60000000")
	s := newSystemd(func() error { return nil }, zerolog.Nop())
	if s.every != 15*time.Second {
		t.Errorf("it is fed every %s, want 15 s", s.every)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	fresh := []syncer.Judged{{Freshness: syncer.Freshness{Level: syncer.Fresh}}}
	s.Judged(time.Now(), fresh)
	if got := hears(t, conn); got != "READY=1\nWATCHDOG=1\nSTATUS=1 fresh" {
		t.Errorf("first it hears %q", got)
	}
	s.Judged(time.Now(), append(fresh, fresh...))
	if got := hears(t, conn); got != "STATUS=2 fresh" {
		t.Errorf("then it hears %q", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNoSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if newSystemd(nil, zerolog.Nop()) != nil {
		t.Error("somebody is told where there is nobody")
	}
}

func TestCountLevels(t *testing.T) {
	all := []syncer.Judged{{Standby: true}, {Paused: true}}
	for _, l := range []syncer.Level{syncer.Warn, syncer.Unknown, syncer.Fresh, syncer.Warn} {
		all = append(all, syncer.Judged{Freshness: syncer.Freshness{Level: l}})
	}
	if got, want := countLevels(all), "1 fresh, 2 warn, 1 unknown, 1 paused, 1 standing by"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
