package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// readyMost is how long systemd waits for the leases to be asked for: a database
// that hangs delays the start only a little.
const readyMost = 30 * time.Second

// systemd tells the service manager how we are. It is fed by the judging of
// copies and by nothing else: where that stops, the watchdog is not fed.
type systemd struct {
	ready   func() error  // nil once every lease was asked for
	every   time.Duration // between two feedings; 0: there is no watchdog
	log     zerolog.Logger
	began   time.Time
	isReady bool

	mu     sync.Mutex
	status string
	judged chan struct{} // has a mark when copies were judged
}

// newSystemd returns nil where nobody manages us.
func newSystemd(ready func() error, log zerolog.Logger) *systemd {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	s := &systemd{ready: ready, log: log, began: time.Now(), judged: make(chan struct{}, 1)}
	limit, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("systemd's watchdog is not fed")
	}
	s.every = limit / 4
	return s
}

// Judged implements syncer.Watch.
func (s *systemd) Judged(_ time.Time, all []syncer.Judged) {
	status := countLevels(all)
	s.mu.Lock()
	s.status = status
	s.mu.Unlock()
	select {
	case s.judged <- struct{}{}:
	default:
	}
}

// Run tells until ctx ends.
func (s *systemd) Run(ctx context.Context) error {
	var fed time.Time
	said := ""
	for {
		select {
		case <-ctx.Done():
			s.tell(sd.SdNotifyStopping)
			return nil
		case <-s.judged:
		}
		var states []string
		if !s.isReady && (s.ready() == nil || time.Since(s.began) > readyMost) {
			s.isReady = true
			states = append(states, sd.SdNotifyReady)
		}
		if s.every > 0 && time.Since(fed) >= s.every {
			fed = time.Now()
			states = append(states, sd.SdNotifyWatchdog)
		}
		s.mu.Lock()
		status := s.status
		s.mu.Unlock()
		if status != said {
			said = status
			states = append(states, "STATUS="+status)
		}
		if len(states) > 0 {
			s.tell(strings.Join(states, "\n"))
		}
	}
}

func (s *systemd) tell(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		s.log.Warn().Err(err).Msg("systemd is not told")
	}
}

// countLevels says how many copies stand how: "12 fresh, 1 critical".
func countLevels(all []syncer.Judged) string {
	const paused, standby = "paused", "standing by"
	words := []string{string(syncer.Fresh), string(syncer.Warn), string(syncer.Critical), string(syncer.Never), string(syncer.Unknown), paused, standby}
	counts := make(map[string]int)
	for i := range all {
		switch j := &all[i]; {
		case j.Standby:
			counts[standby]++
		case j.Paused:
			counts[paused]++
		default:
			counts[string(j.Level)]++
		}
	}
	var parts []string
	for _, w := range words {
		if n := counts[w]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w))
		}
	}
	return strings.Join(parts, ", ")
}
