package simulation

import (
	"context"
	"os"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// sqliteTable asks at the steps of each write.
type sqliteTable struct {
	syncertest.Table
	db *sqliteDatabase
}

// Apply implements syncer.Table.
func (t *sqliteTable) Apply(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (out syncer.Applied, err error) {
	err = t.db.write(func() error {
		out, err = t.Table.Apply(ctx, w, b)
		return err
	})
	return out, err
}

// Settle implements syncer.Table.
func (t *sqliteTable) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (out syncer.Settled, err error) {
	err = t.db.write(func() error {
		out, err = t.Table.Settle(ctx, w, s)
		return err
	})
	return out, err
}

// sqliteWrite is how far a write has come.
type sqliteWrite struct {
	// writes are those to the log so far; at is the one that is asked about, in
	// half of it or not.
	writes, at int
	half       bool
	// apart asks about the commit's end before the side file has it.
	apart            bool
	asked, committed bool
	err              error
}

// ask asks whether a write ends at a step.
func (d *sqliteDatabase) ask(step string) error {
	d.mu.Lock()
	strike := d.strike
	d.mu.Unlock()
	if strike == nil {
		return nil
	}
	return strike(step)
}

// write does a write that may be struck.
func (d *sqliteDatabase) write(do func() error) error {
	if err := d.ask("begin"); err != nil {
		d.hits.hit(refused)
		return err
	}
	d.mu.Lock()
	d.turns++
	w := &sqliteWrite{at: 1 + d.turns%2, half: d.turns%4 > 1, apart: d.turns%3 == 0}
	d.under = w
	if d.left != "" {
		_ = os.RemoveAll(d.left)
		d.left = ""
	}
	d.mu.Unlock()
	err := do()
	d.mu.Lock()
	d.under = nil
	d.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err != nil {
		return err
	}
	if !w.asked {
		if err := d.ask("commit"); err != nil { // nothing was written
			return err
		}
	}
	if w.committed {
		return nil
	}
	if err := d.ask("committed"); err != nil {
		d.hits.hit(unanswered)
		return err
	}
	return nil
}

// logging is told of writes to the log.
func (d *sqliteDatabase) logging() (half bool, err error) {
	d.mu.Lock()
	w := d.under
	d.mu.Unlock()
	if w == nil {
		return false, nil
	}
	if w.writes++; w.asked || w.writes < w.at {
		return false, w.err
	}
	w.asked = true
	if w.err = d.ask("commit"); w.err == nil {
		return false, nil
	}
	knob := logCut
	if w.half {
		knob = logTorn
	}
	d.hits.hit(knob)
	d.leave()
	return w.half, w.err
}

// noting is told of writes to the log of the side file, which come when the
// other one is complete.
func (d *sqliteDatabase) noting() (half bool, err error) {
	d.mu.Lock()
	w := d.under
	d.mu.Unlock()
	if w == nil || w.writes == 0 {
		return false, nil
	}
	if w.committed || !w.apart {
		return false, w.err
	}
	w.committed = true
	if w.err = d.ask("committed"); w.err != nil {
		d.hits.hit(apart)
		d.leave()
	}
	return false, w.err
}

// leave copies what the files hold right now.
func (d *sqliteDatabase) leave() {
	left := d.copied(d.dir)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = left
}
