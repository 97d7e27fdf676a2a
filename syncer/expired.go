package syncer

import (
	"errors"
	"fmt"
	"time"
)

// ErrExpired says that the owner cannot tell any more what changed since the
// watermark: everything has to be asked for.
var ErrExpired = errors.New("owner cannot tell what changed since the watermark")

// repair walks again after a walk that could not go on: from the watermark if
// only its place is gone, from zero if the watermark itself is. Each is tried
// once a poll, because an owner that refuses twice would refuse for ever.
func (g *group) repair(err error, walk func() error) error {
	if errors.Is(err, ErrNotResumable) {
		g.forgetResume()
		err = walk()
	}
	if !errors.Is(err, ErrExpired) {
		return err
	}
	g.startOver()
	if err = walk(); errors.Is(err, ErrExpired) {
		return fmt.Errorf("watermark is refused even without one: %w", err)
	}
	return err
}

// startOver makes every member ask for everything. Their copies stay as they
// are, and their positions, until that walk settles. A snapshot asks for
// everything anyway: it only begins again.
func (g *group) startOver() {
	g.forgetResume()
	for _, m := range g.members {
		m.standing.Resync = m.standing.Resync || !g.snapshot
	}
}

// outlive makes those members ask for everything that stand further back than
// the owner can tell. An unfinished walk that began before that is of no use
// either: the watermark that it would leave is as old as its start.
func (g *group) outlive(retention time.Duration, now time.Time) {
	if retention <= 0 || g.snapshot {
		return
	}
	for _, m := range g.members {
		st := &m.standing
		if r := st.Position.Resume; r != nil && Age(r.Sent, now) > retention {
			st.Position.Resume = nil
		}
		if !st.AsOf.IsZero() && Age(st.AsOf, now) > retention {
			st.Resync = true
		}
	}
}
