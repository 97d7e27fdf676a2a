package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// stage is everything the story is played with.
type stage struct {
	span      time.Duration // Options.For
	postgres  bool
	folder    *folder
	fleet     *owners.Fleet
	onCall    *onCall
	store     store
	consumers []*consumer
	log       *os.File
	engine    Engine
	out       *narrator
	reads     tally
	polls     ledger
	emails    sightings
	late      error // a change that was read later than the budget allows
	// stopFleet ends the owners and waits for them.
	stopFleet func() error
}

const (
	configFile   = "larder.toml"
	settingsFile = "larder.env"
	logFile      = "larder.log"
)

// raise sets the stage. If it fails, nothing is left behind.
func raise(ctx context.Context, o Options, out *narrator) (*stage, error) {
	s := &stage{span: o.For, postgres: o.Postgres != "", consumers: cast(), out: out, stopFleet: func() error { return nil }}
	if err := s.raise(ctx, o); err != nil {
		return nil, errors.Join(err, s.strike(ctx))
	}
	return s, nil
}

func (s *stage) raise(ctx context.Context, o Options) (err error) {
	if s.folder, err = openFolder(o.Dir); err != nil {
		s.folder = nil
		return err
	}
	if s.store, err = newStore(o, s.folder); err != nil {
		return err
	}
	if s.fleet, err = owners.Start(ctx, owners.Options{Seed: time.Now().UnixNano(), Every: -1, WeatherEvery: 5 * time.Second}); err != nil {
		return err
	}
	s.runFleet(ctx)
	if s.onCall, err = answerCalls(ctx, s.out.message); err != nil {
		return fmt.Errorf("open a port for the one on call: %w", err)
	}
	config, env, err := s.configure(ctx)
	if err != nil {
		return err
	}
	if s.log, err = os.OpenFile(s.folder.file(logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	s.engine, err = o.Engine(Setup{ConfigPath: s.folder.file(configFile), Config: config, Env: env.lookup, Log: s.log})
	return err
}

// configure makes the consumers' databases and writes the configuration of all,
// with its settings where the folder stays.
func (s *stage) configure(ctx context.Context) (config []byte, env settings, err error) {
	listen, err := freePort(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("find a port for larder: %w", err)
	}
	hook := owners.Hook{URL: "http://" + listen + "/nudge/" + owners.Users, Secret: newSecret()}
	if err := s.fleet.Service(owners.Users).Subscribe(hook); err != nil {
		return nil, nil, err
	}
	env = append(credentials(s.fleet), setting{"USERS_EVENTS_SECRET", hook.Secret}, setting{"ON_CALL_SECRET", s.onCall.secret})
	var texts []string
	for _, c := range s.consumers {
		db, text, more, err := s.store.make(ctx, c.name)
		if err != nil {
			return nil, nil, fmt.Errorf("make the database of %s: %w", c.name, err)
		}
		c.db = db
		texts, env = append(texts, text), append(env, more...)
	}
	if config, err = s.config(listen, texts); err != nil {
		return nil, nil, err
	}
	if err := s.folder.write(configFile, config); err != nil {
		return nil, nil, err
	}
	if s.folder.stays {
		err = s.folder.write(settingsFile, []byte(env.script()))
	}
	return config, env, err
}

// runFleet serves the owners until stopFleet. They outlive ctx, so that
// nothing fails for want of them while everything else is stopping.
func (s *stage) runFleet(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.fleet.Run(ctx) }()
	s.stopFleet = sync.OnceValue(func() error {
		stop()
		return <-ended
	})
}

// strike clears the stage: it ends, closes and removes what raise made.
func (s *stage) strike(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var errs []error
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	for _, c := range s.consumers {
		if c.db != nil {
			errs = append(errs, c.db.close())
		}
	}
	errs = append(errs, s.stopFleet())
	if s.onCall != nil {
		errs = append(errs, s.onCall.close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.remove(ctx))
	}
	if s.folder != nil {
		errs = append(errs, s.folder.remove())
	}
	return errors.Join(errs...)
}
