package owners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// farewell is how long requests in hand may take when the service ends.
const farewell = time.Second

// ErrEnded is returned by [Service.Down] once the fleet's Run is over.
var ErrEnded = errors.New("the fleet has ended")

// Service is one owner: its data and the HTTP API in front of them. Its
// methods may be called at any time from any goroutine.
type Service struct {
	name        string
	credentials Credentials
	data        world
	every       time.Duration // between two changes; none if negative
	handler     http.Handler
	courier     *courier

	requests atomic.Int64

	doors chan *door // the open door that serve has not taken yet

	mu    sync.Mutex
	addr  string // host:port, kept while the service is down
	door  *door  // nil while down
	ended bool
}

// world is the data behind a service.
type world interface {
	change(n int)
	drift() bool // one change, unless frozen
	freeze()
	truth() []Row
}

// plan is what tells one service from another.
type plan struct {
	name        string
	credentials Credentials
	data        world
	every       time.Duration
	path        string
	answer      http.HandlerFunc // of a GET of path with good credentials
}

func newService(p plan) *Service {
	s := &Service{
		name:        p.name,
		credentials: p.credentials,
		data:        p.data,
		every:       p.every,
		courier:     newCourier(p.name),
		doors:       make(chan *door, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+p.path, func(w http.ResponseWriter, r *http.Request) {
		if !p.credentials.admit(r) {
			p.credentials.challenge(w)
			return
		}
		p.answer(w, r)
	})
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		mux.ServeHTTP(w, r)
	})
	return s
}

// Name is one of the names in this package's constants.
func (s *Service) Name() string { return s.name }

// Credentials are what the service asks of its callers.
func (s *Service) Credentials() Credentials { return s.credentials }

// URL is the origin of the service, without a path. It stays the same while
// the service is down.
func (s *Service) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.addr
}

// Requests counts the requests answered so far, refused ones included.
func (s *Service) Requests() int64 { return s.requests.Load() }

// Change makes n changes at once, also when frozen: updates, inserts and soft
// deletes, or revised forecasts. They make one event.
func (s *Service) Change(n int) {
	s.data.change(n)
	s.announce()
}

// announce sends an event of what has just become visible. A service that is
// down sends none.
func (s *Service) announce() {
	s.mu.Lock()
	up := s.door != nil
	s.mu.Unlock()
	if up {
		s.courier.tell()
	}
}

// Truth is the rows that a perfect copy holds at this instant, tombstones
// left out, in the order of their keys. See [Row].
func (s *Service) Truth() []Row { return s.data.truth() }

// Down takes the service off its port, or puts it back on. While it is down,
// connections are refused; those open are cut, as in a crash. The data go on
// changing. Down returns when it is done. To go where one is already does
// nothing. Coming back fails if another program has taken the port meanwhile;
// it may be tried again.
func (s *Service) Down(down bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case down && s.door != nil:
		s.door.cut()
		s.door = nil
	case !down && s.ended:
		return fmt.Errorf("reopen %s: %w", s.name, ErrEnded)
	case !down && s.door == nil:
		if err := s.openLocked(context.Background(), s.addr); err != nil {
			return fmt.Errorf("reopen %s: %w", s.name, err)
		}
	}
	return nil
}

func (s *Service) open(ctx context.Context, addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openLocked(ctx, addr)
}

func (s *Service) openLocked(ctx context.Context, addr string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	s.door = &door{listener: listener, server: &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // the terminal is the demo's
	}}
	select { // a door that was cut before anybody took it
	case <-s.doors:
	default:
	}
	s.doors <- s.door
	return nil
}

// serve answers at one door after the other until ctx ends.
func (s *Service) serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-s.doors:
			if err := d.serve(ctx); err != nil {
				return err
			}
		}
	}
}

// retire closes the service for good.
func (s *Service) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.door != nil {
		s.door.cut()
		s.door = nil
	}
}

// pace makes one change after the other until ctx ends.
func (s *Service) pace(ctx context.Context) {
	if s.every < 0 {
		return
	}
	ticks := time.NewTicker(s.every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if s.data.drift() {
				s.announce()
			}
		}
	}
}

// door is one opening of a service's port.
type door struct {
	listener net.Listener
	server   *http.Server
}

// serve answers until the door is cut, or until ctx ends and the requests in
// hand have had their time.
func (d *door) serve(ctx context.Context) error {
	left := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(left)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		if d.server.Shutdown(last) != nil {
			d.cut()
		}
	})
	err := d.server.Serve(d.listener)
	if !release() {
		<-left
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// cut closes the port and all connections. The server comes first: it then
// takes the listener's end for its own. What closing a closed port tells is
// of no use.
func (d *door) cut() {
	_ = d.server.Close()
	_ = d.listener.Close()
}
