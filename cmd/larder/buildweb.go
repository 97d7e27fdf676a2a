package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/web"
	"github.com/larder-sync/larder/syncer/web/metrics"
)

// newMetrics makes what counts. It is asked for while the other parts are made,
// because these tell it what they do.
func (p *parts) newMetrics(plans map[*config.Source]plan) *metrics.Metrics {
	o := metrics.Options{Version: version(), Revision: revision(), Backlog: p.backlog, Pools: p.pools,
		Silenced: p.silenced, Heartbeat: p.config.Larder.Heartbeat != nil}
	for _, t := range p.config.Tables {
		if !t.Source.Enabled {
			continue
		}
		of := plans[t.Source]
		o.Tables = append(o.Tables, metrics.Table{Name: t.Consumer.Name + "." + t.Name, Source: t.Source.Name,
			Schedule: of.String(), Timezone: p.config.Larder.Timezone, Budget: budgetOf(t, of), Moment: momentOf(t.Source.Watermark)})
	}
	for _, a := range p.config.Alerts {
		o.Notifiers = append(o.Notifiers, metrics.Notifier{Name: a.Name, Kind: string(a.Kind)})
	}
	for _, n := range p.config.Nudges {
		o.Nudges = append(o.Nudges, n.Name)
	}
	return metrics.New(o)
}

// momentOf reads a watermark that is a time; nil where it is none.
func momentOf(w *config.Watermark) func(string) (time.Time, bool) {
	if w == nil || !w.Format.IsTime() || w.Opaque != "" {
		return nil
	}
	format, err := formatOf(w.Format)
	if err != nil || format == nil {
		return nil
	}
	return func(text string) (time.Time, bool) {
		stamp, err := format.ParseText(text)
		if err != nil {
			return time.Time{}, false
		}
		return stamp.Time()
	}
}

// backlog is what waits for each receiver that is sent messages: a mirror is told
// what is so, again and again, and nothing waits for it.
func (p *parts) backlog() []alert.Backlog {
	d := p.told.Load()
	if d == nil {
		return nil
	}
	return slices.DeleteFunc(d.Backlog(), func(b alert.Backlog) bool {
		return slices.ContainsFunc(d.Receivers, func(r *alert.Receiver) bool { return r.Name == b.Receiver && r.Mirror != nil })
	})
}

// silenced says which tables nobody is told of.
func (p *parts) silenced(now time.Time) func(table string) bool {
	if d := p.told.Load(); d != nil {
		return d.Silenced(now)
	}
	return func(string) bool { return false }
}

// pools are the connections to the consumers' Postgres databases.
func (p *parts) pools() metrics.Pools {
	var all metrics.Pools
	for _, c := range p.consumers {
		if db, ok := c.db.(interface{ Pool() postgres.Pool }); ok {
			one := db.Pool()
			all.Acquired += one.Acquired
			all.Idle += one.Idle
			all.Constructing += one.Constructing
			all.Waited += one.Waited
		}
	}
	return all
}

// countedLines counts lines of the log by their level.
type countedLines struct{ *metrics.Metrics }

// Run implements zerolog.Hook.
func (c countedLines) Run(_ *zerolog.Event, level zerolog.Level, _ string) { c.Logged(level.String()) }

// web makes the server of metrics and nudges. It is nil where nothing is listened
// to, and where another program has the port that nobody chose: but nudges, which
// would be lost unseen, somebody did choose.
func (p *parts) web(ctx context.Context, ready func() error) (*web.Server, error) {
	l := p.config.Larder
	if l.Listen == "" {
		return nil, nil
	}
	listen := p.listen
	if listen == nil {
		listen = func(ctx context.Context, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		}
	}
	listener, err := listen(ctx, l.Listen)
	switch {
	case err != nil && !l.ListenSaid && len(p.config.Nudges) == 0:
		p.log.Warn().Err(err).Str("address", l.Listen).Msg("metrics are not listened for; choose another larder.listen")
		return nil, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %q: another program has this address; choose another larder.listen, or \"\" for none", l.Listen)
	case err != nil:
		return nil, fmt.Errorf("listen on %q: %w; choose another larder.listen, or \"\" for none", l.Listen, err)
	}
	server, err := web.New(web.Options{Listen: l.Listen, Listener: listener, Tokens: web.Tokens{Read: l.ReadToken.Reveal()}, Nudges: p.nudges(), Nudged: p.nudged,
		Ready: ready, Metrics: p.metrics.Handler(), Log: p.log})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return server, nil
}

// nudged counts what became of a nudge.
func (p *parts) nudged(name string, what web.Outcome, at time.Time) {
	p.metrics.Nudged(name, string(what), at)
}

// nudges are the names under which somebody outside asks for polls.
func (p *parts) nudges() []web.Nudge {
	var all []web.Nudge
	for _, n := range p.config.Nudges {
		i := slices.IndexFunc(p.feeds, func(f *feed) bool { return f.source == n.Source })
		if i < 0 {
			p.log.Warn().Str("nudge", n.Name).Str("source", n.Source.Name).Msg("nudge is not heard: its source is not polled")
			continue
		}
		all = append(all, web.Nudge{Name: n.Name, Kind: web.Kind(n.Kind), Secrets: revealed(n.Secrets), Debounce: n.Debounce, Target: p.feeds[i].Scheduled})
	}
	return all
}
