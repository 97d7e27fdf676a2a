package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// daemon is all that runs together until it is told to stop.
type daemon struct {
	runner *syncer.Runner
	lives  []life
}

// life is a part that runs.
type life struct {
	name string
	run  func(context.Context) error
}

// watches are several that hear how the copies stand, one after the other.
type watches []syncer.Watch

// Judged implements syncer.Watch.
func (ws watches) Judged(now time.Time, all []syncer.Judged) {
	for _, w := range ws {
		w.Judged(now, all)
	}
}

// watchFunc is a syncer.Watch that is a function.
type watchFunc func(time.Time, []syncer.Judged)

// Judged implements syncer.Watch.
func (f watchFunc) Judged(now time.Time, all []syncer.Judged) { f(now, all) }

// daemon puts everything together that runs: the Runner, which polls and judges;
// and what hears its judgements: the desk, metrics, the server, the heartbeat
// and systemd. Polls are remembered by history.
func (p *parts) daemon(ctx context.Context, history syncer.History) (*daemon, error) {
	d := &daemon{runner: p.runner(history)}
	desk, err := p.desk(p.metrics)
	if err != nil {
		return nil, err
	}
	p.told.Store(desk)
	d.add("alerts", desk.Run)
	d.add("home", p.openHome)
	heard := watches{desk, p.metrics}
	if h := p.config.Larder.Heartbeat; h != nil {
		beat, err := p.heartbeat(h)
		if err != nil {
			return nil, err
		}
		heard = append(heard, beat, watchFunc(func(time.Time, []syncer.Judged) {
			if last := beat.Last(); !last.IsZero() {
				p.metrics.HeartbeatSent(last)
			}
		}))
		d.add("heartbeat", beat.Run)
	}
	if s := newSystemd(d.runner.Ready, p.log); s != nil {
		heard = append(heard, s)
		d.add("systemd", s.Run)
	}
	server, err := p.web(ctx, d.runner.Ready)
	if err != nil {
		return nil, err
	}
	if server != nil {
		heard = append(heard, server)
		d.add("web", server.Run)
	}
	d.runner.Watch = heard
	d.add("runner", d.runner.Run)
	return d, nil
}

func (d *daemon) add(name string, run func(context.Context) error) {
	d.lives = append(d.lives, life{name, run})
}

// heartbeat makes what tells somebody elsewhere that we are alive.
func (p *parts) heartbeat(h *config.Heartbeat) (*notify.Heartbeat, error) {
	beat, err := notify.NewHeartbeat(notify.HeartbeatOptions{URL: h.URL.Reveal(), Every: h.Every, AllFresh: h.When == config.HeartbeatAllFresh,
		Writable: p.home.writable, Transport: p.carrier, Log: p.log})
	if err != nil {
		return nil, config.Mistakes{optionMistake(p.config, "larder.heartbeat", err)}
	}
	return beat, nil
}

// Run runs all parts until ctx ends, or until one of them cannot go on, and
// returns when all have ended: a daemon that polls and cannot tell, or tells and
// does not poll, must not go on as if it were well.
func (d *daemon) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(d.lives))
	var all sync.WaitGroup
	for i, l := range d.lives {
		all.Go(func() {
			defer stop()
			if err := l.run(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", l.name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
