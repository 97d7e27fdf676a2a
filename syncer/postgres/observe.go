package postgres

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-sync/larder/syncer"
)

// Pool is how the connections to the database are: in use, idle, and being made;
// and how long was waited for one altogether.
type Pool struct {
	Acquired, Idle, Constructing int
	Waited                       time.Duration
}

// Pool tells of the connections for work and for the lease together.
func (d *Database) Pool() Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all Pool
	for _, p := range []*pgxpool.Pool{d.work, d.lease} {
		if p == nil {
			continue
		}
		s := p.Stat()
		all.Acquired += int(s.AcquiredConns())
		all.Idle += int(s.IdleConns())
		all.Constructing += int(s.ConstructingConns())
		all.Waited += s.EmptyAcquireWaitTime()
	}
	return all
}

// observed tells of a transaction and returns its error.
func (d *Database) observed(began time.Time, err error) error {
	if d.options.Observe != nil {
		d.options.Observe(time.Since(began), err)
	}
	return err
}

// observedFailure tells of a call for the lease that failed, and returns its
// error. A standby makes one each second, of which nothing is to be told.
func (d *Database) observedFailure(began time.Time, err error) error {
	if err == nil || errors.Is(err, syncer.ErrFenced) {
		return err
	}
	return d.observed(began, err)
}
