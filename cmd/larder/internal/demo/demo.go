// Package demo is the weather-cache story on one machine: five owners whose
// data keep changing, four consumers that read their own tables, somebody on
// call for them, and larder between them; it touches loopback ports, one
// folder, and the Postgres server it is given.
//
// The parts of larder come in from outside, behind [Engine], so that the demo
// runs the same as any other command does. What the consumers do and what is
// compared in the end goes through the plain drivers: larder's own reading
// proves nothing about its writing.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Shortest is the shortest demo that has room for an outage which is longer
// than the tightest budget, and for what comes before and after it.
const Shortest = 10 * time.Second

// Options say how the demo runs.
type Options struct {
	// Out is told the story.
	Out io.Writer
	// For is about how long it lasts, at least Shortest: alerts are waited for. 0:
	// until the context ends.
	For time.Duration
	// Dir is where all files go, and stay; it is made, or is empty. "": a
	// temporary folder that is removed at the end.
	Dir string
	// Postgres is the URL of a server on which databases may be created, one
	// for each consumer. What an earlier demo left there is dropped. "": the
	// consumers use SQLite.
	Postgres string
	// Engine makes larder of a configuration.
	Engine func(Setup) (Engine, error)
}

// Setup is what an Engine is made of.
type Setup struct {
	// ConfigPath names the file that holds Config; relative paths start there.
	ConfigPath string
	Config     []byte
	// Env looks up the environment variables that Config names.
	Env func(string) (string, bool)
	// Log takes the daemon's log.
	Log io.Writer
}

// Engine is larder, as the demo needs it. Poll is not called while Run runs;
// Status may be.
type Engine interface {
	// Run keeps the copies fresh until ctx ends. told hears of every walk when
	// it has ended, from any goroutine.
	Run(ctx context.Context, told func(Poll)) error
	// Poll polls every source once. It fails unless all polls completed.
	Poll(ctx context.Context) error
	// Status is what is known of every copy, in any order.
	Status(ctx context.Context) ([]Copy, error)
	Close() error
}

// Poll is what came of one walk of a source.
type Poll struct {
	Source  string
	Started time.Time
	Took    time.Duration
	// Failure says why it did not complete; "" if it did.
	Failure string
}

// Copy is the standing of one table.
type Copy struct {
	// Name is CONSUMER.table.
	Name string
	Rows int64
	// AsOf is zero for a copy that was never complete; Staleness means nothing
	// then.
	AsOf           time.Time
	Staleness      time.Duration
	Warn, Critical time.Duration
	Level, Why     string
}

// Run plays the demo. With For it returns nil only if in the end every copy
// equals its owner, no read of a consumer failed, no poll failed but those of
// the owner that was down, and the one on call was told of the copy with the
// tight budget that it was stale and fresh again, and of no other. Without For
// it returns the cause of ctx's end. When it returns, everything it started has
// ended.
func Run(ctx context.Context, o Options) (err error) {
	if o.For != 0 && o.For < Shortest {
		return fmt.Errorf("run for %s: want at least %s", o.For, Shortest)
	}
	s, err := raise(ctx, o, &narrator{w: o.Out, began: time.Now()})
	if err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	defer func() { err = errors.Join(err, s.strike(ctx)) }()
	s.introduce()
	return s.play(ctx)
}
