// Package web is what of larder can be reached over HTTP: it shows how larder is, and it takes nudges.
// It touches one listener. It decides nothing, reads no database and writes no
// row: what it shows it is told, and all that a stranger can cause is that an
// ordinary poll runs earlier.
package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// The bounds on what a client may take of us. A request's headers have to be
// there in headerTime, all of it in readTime.
const (
	headerTime  = 5 * time.Second
	readTime    = 15 * time.Second
	writeTime   = 30 * time.Second
	idleTime    = time.Minute
	stopTime    = 5 * time.Second
	headerBytes = 16 << 10
	// mostConnections leaves file descriptors for polls, whatever comes in.
	mostConnections = 1024
)

// Options say where to listen, and what there is to be seen.
type Options struct {
	// Listen is HOST:PORT. Where HOST is not loopback, Tokens.Read is needed.
	Listen string
	// Listener takes the place of Listen; nil: Run opens one.
	Listener net.Listener
	Tokens   Tokens
	Nudges   []Nudge
	// Nudged is told what became of each nudge; nil: nobody is. It must not block.
	Nudged func(name string, what Outcome, at time.Time)
	// Ready says why larder is not ready to work; nil if it is. It must not
	// block.
	Ready func() error
	// Metrics answers /metrics; nil: there is no such page.
	Metrics http.Handler
	Log     zerolog.Logger
}

// Server answers. It is a syncer.Watch, because that it is told of judgements is
// what shows that they go on.
type Server struct {
	options Options
	nudges  map[string]*nudge
	read    token
	// local says that only this machine reaches us.
	local  bool
	judged atomic.Pointer[time.Time]
}

// New makes a server. Errors say what is wrong with the options, and no secret.
func New(o Options) (*Server, error) {
	s := &Server{options: o, nudges: make(map[string]*nudge), read: tokenOf(o.Tokens.Read, o.Tokens.Write)}
	listen := o.Listen
	if o.Listener != nil {
		listen = o.Listener.Addr().String()
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("read listen address: %w", err)
	}
	if s.local = isLoopback(host); !s.local && o.Tokens.Read == "" {
		return nil, fmt.Errorf("listen on %q: other than loopback needs a token for reading", listen)
	}
	for _, one := range o.Nudges {
		if s.nudges[one.Name] != nil {
			return nil, fmt.Errorf("nudge %q is there twice", one.Name)
		}
		if s.nudges[one.Name], err = newNudge(one, o.Nudged, o.Log); err != nil {
			return nil, fmt.Errorf("nudge %q: %w", one.Name, err)
		}
	}
	began := time.Now()
	s.judged.Store(&began)
	return s, nil
}

// Judged implements syncer.Watch.
func (s *Server) Judged(now time.Time, _ []syncer.Judged) { s.judged.Store(&now) }

// Run answers until ctx ends, and returns when all that it started has ended:
// nil then, or why it cannot listen.
func (s *Server) Run(ctx context.Context) error {
	listener := s.options.Listener
	if listener == nil {
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Listen); err != nil {
			return fmt.Errorf("listen on %q: %w", s.options.Listen, err)
		}
	}
	places := &bounded{Listener: listener, most: mostConnections}
	server := &http.Server{
		Handler: s.Handler(), ConnState: places.state, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime,
		IdleTimeout: idleTime, MaxHeaderBytes: headerBytes, ErrorLog: log.New(complaints{s.options.Log}, "", 0),
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for _, n := range s.nudges {
		all.Go(func() { n.run(ctx) })
	}
	all.Go(func() {
		<-ctx.Done()
		ending, done := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer done()
		if server.Shutdown(ending) != nil {
			_ = server.Close()
		}
	})
	s.options.Log.Info().Str("address", listener.Addr().String()).Msg("web listens")
	err := server.Serve(places)
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %q: %w", listener.Addr(), err)
}

// complaints is where the HTTP server tells of clients that misbehave and of
// handlers that panic.
type complaints struct{ log zerolog.Logger }

func (c complaints) Write(p []byte) (int, error) {
	text, level := p[:min(len(p), 2000)], zerolog.DebugLevel
	if bytes.Contains(text, []byte("panic serving")) {
		level = zerolog.ErrorLevel
	}
	c.log.WithLevel(level).Bytes("complaint", text).Msg("web server complains")
	return len(p), nil
}
