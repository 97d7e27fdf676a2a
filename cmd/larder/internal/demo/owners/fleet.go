// Package owners is the five owning services of the demo's ride game: each a
// real HTTP API with a feed shape of its own over data in memory that keeps
// changing; it touches nothing but loopback ports, and the address of a [Hook]
// where somebody has subscribed to a service's events.
//
// The services, their feeds and what guards them:
//
//	users       GET /v1/users?updated_since=RFC3339&cursor=…&limit=…     bearer
//	            {"data":[…],"meta":{"next_cursor":"…"|null}}, oldest change first
//	drivers     GET /drivers?since=RFC3339&page=N&per_page=…             open
//	            a bare array and a Link header, newest change first
//	passengers  GET /api/passengers?changed_after=UNIX_MS&offset=…&limit=…  basic
//	            {"items":[…],"total":N}, newest change first
//	products    GET /catalog/products?modified_since=RFC3339&limit=…     X-Api-Key
//	            {"products":[…],"next":"/catalog/products?…"|null}, oldest change first
//	weather     GET /v1/forecast?latitude=…&longitude=…                  open
//	            {"hours":[…]}, the whole forecast of one city, with an ETag
//
// The contract of the four changed-since feeds: the lower bound is inclusive;
// the stamps of a service rise strictly with every commit; a commit and its
// visibility are one step; a deleted record stays in the feed as a tombstone
// for ever. A page holds 100 records unless asked otherwise, and never more
// than 200.
//
// A change moves its record to the newest end. A walk that goes oldest first
// therefore meets every record that was there when it began. One that goes
// newest first meets some twice, and misses those that change before it comes
// to them: their stamp then lies behind the walk's beginning, and the next
// walk meets them.
package owners

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Names of the services, in the order of [Fleet.Services].
const (
	Users      = "users"
	Drivers    = "drivers"
	Passengers = "passengers"
	Products   = "products"
	Weather    = "weather"
)

// mostRecords bounds each size in Options: a change costs time in proportion
// to its table.
const mostRecords = 100_000

// Options say how large the game is and how fast it changes. The zero value
// is the demo's game.
type Options struct {
	// Seed decides all data and the sequence of each service's changes, but
	// for stamps, which come from the clock, and credentials, which are random.
	Seed int64

	// Records at the start, none of them deleted: 500 users, 120 drivers,
	// 800 passengers and 300 products where the size is 0.
	Users, Drivers, Passengers, Products int

	// Every is the time between two changes of one service other than
	// weather: 200 ms where it is 0, no changes by themselves where negative.
	Every time.Duration

	// WeatherEvery is the time between two revised forecasts: 15 s where it
	// is 0, none by themselves where negative.
	WeatherEvery time.Duration
}

// filled is o with its defaults.
func (o Options) filled() (Options, error) {
	for _, size := range []struct {
		name     string
		value    *int
		standard int
	}{
		{Users, &o.Users, 500},
		{Drivers, &o.Drivers, 120},
		{Passengers, &o.Passengers, 800},
		{Products, &o.Products, 300},
	} {
		*size.value = cmp.Or(*size.value, size.standard)
		if *size.value < 1 || *size.value > mostRecords {
			return o, fmt.Errorf("size %s: want 1 to %d records, got %d", size.name, mostRecords, *size.value)
		}
	}
	o.Every = cmp.Or(o.Every, 200*time.Millisecond)
	o.WeatherEvery = cmp.Or(o.WeatherEvery, 15*time.Second)
	return o, nil
}

// rng is the source of chance of one service: apart from the others', so that
// the pace of one does not change the data of another.
func (o Options) rng(service uint64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(o.Seed), service))
}

// Fleet is the five services. Its methods may be called at any time from any
// goroutine.
type Fleet struct {
	services []*Service
}

// Start makes the data and opens a loopback port for each service. Requests
// wait there until [Fleet.Run], which must follow: it also closes the ports.
// ctx bounds Start alone.
func Start(ctx context.Context, o Options) (*Fleet, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	f := &Fleet{services: []*Service{
		newUsers(o), newDrivers(o), newPassengers(o), newProducts(o), newWeather(o),
	}}
	for _, s := range f.services {
		if err := s.open(ctx, "127.0.0.1:0"); err != nil {
			f.retire()
			return nil, fmt.Errorf("start %s: %w", s.name, err)
		}
	}
	return f, nil
}

// Run serves and changes until ctx ends, which is no error. When it returns,
// the ports are closed and all that it started has ended. It runs once.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var (
		parts sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	for _, s := range f.services {
		parts.Go(func() { s.pace(ctx) })
		parts.Go(func() { s.courier.run(ctx) })
		parts.Go(func() {
			if err := s.serve(ctx); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("serve %s: %w", s.name, err))
				mu.Unlock()
				stop(err)
			}
		})
	}
	parts.Wait()
	f.retire()
	return errors.Join(errs...)
}

// retire closes all ports for good.
func (f *Fleet) retire() {
	for _, s := range f.services {
		s.retire()
	}
}

// Service is the service of that name, nil if there is none.
func (f *Fleet) Service(name string) *Service {
	for _, s := range f.services {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Services are all services, always in the same order.
func (f *Fleet) Services() []*Service {
	return append([]*Service(nil), f.services...)
}

// Change makes n changes in each service at once.
func (f *Fleet) Change(n int) {
	for _, s := range f.services {
		s.Change(n)
	}
}

// Freeze ends the changes that Run makes. Once it has returned, only Change
// moves any data.
func (f *Fleet) Freeze() {
	for _, s := range f.services {
		s.data.freeze()
	}
}
