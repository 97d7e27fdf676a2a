package sqlite_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// all is everything that one transaction changes in the file, without times.
const all = `SELECT concat_ws(' | ', (SELECT group_concat(id || '=' || name, ',' ORDER BY id) FROM people), coalesce(w.list_resume, w.resume) ->> 'cursor', w.watermark,
	w.seen_walk || w.seen_count, w.rows, w.as_of, w.deletes_as_of, (SELECT group_concat(k0 || 'x' || walks, ',' ORDER BY k0) FROM larder_missing_people),
	(SELECT group_concat(key || reason, ',' ORDER BY key) FROM larder_quarantine), (SELECT group_concat(key || version, ',' ORDER BY key) FROM larder_gone))
	FROM larder_watermark w`

// noted is the same of the file beside it.
const noted = `SELECT concat_ws(' | ', (SELECT group_concat(k0 || 'v' || version || touched, ',' ORDER BY k0) FROM larder_seen_people),
	(SELECT group_concat(walk || notes, ',') FROM larder_list_people))`

// failing is a table whose statements fail where a test says so.
type failing struct {
	db        *sqlite.Database
	table     *sqlite.Table
	own, side *sql.DB
}

func newFailing(t *testing.T) failing {
	t.Helper()
	file, own, db, _ := prepared(t)
	spec := people()
	spec.Guard = syncer.Guard{Share: 1, Floor: 100}
	return failing{db, db.Table(spec), own, plain(t, file+"-larder-seen")}
}

func (f failing) state(t *testing.T) string {
	return one(t, f.own, all) + " | " + one(t, f.side, noted)
}

// each makes do fail at the first, second, … step that its statements are
// judged by, until it runs to its end. Whatever fails, nothing is changed, and
// the same done again succeeds. mark is what the state shows then.
func (f failing) each(t *testing.T, prepare func(step int) (mark string, do func() error)) {
	t.Helper()
	for step := 1; ; step++ {
		mark, do := prepare(step)
		before, left, struck := f.state(t), step, false
		if err := f.db.Authorize(func() bool {
			left--
			struck = struck || left == 0
			return left != 0
		}); err != nil {
			t.Fatal(err)
		}
		err := do()
		if now := f.state(t); (err != nil) != struck || struck && now != before || !struck && !strings.Contains(now, mark) {
			t.Fatalf("step %d failed: %v, with %v: %s became %s", step, struck, err, before, now)
		}
		if !struck {
			if step < 100 {
				t.Errorf("only %d steps failed", step-1)
			}
			t.Logf("%d steps failed", step-1)
			return
		}
		if syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("step %d: class %s of %v", step, syncer.Classify(err), err)
		}
		if err := do(); err != nil {
			t.Fatalf("repeated after step %d: %v", step, err)
		}
		if now := f.state(t); !strings.Contains(now, mark) {
			t.Fatalf("repeated after step %d: %s became %s", step, before, now)
		}
	}
}

// Rows, notes, quarantine and position of an Apply move together, whichever of
// its statements the database refuses.
func TestApplyFailsAtEveryStatement(t *testing.T) {
	f := newFailing(t)
	gone := func(id int, at string) syncer.Record {
		r := person(id, "", at)
		r.Gone = true
		return r
	}
	apply(t, f.table, changes("w0"), person(1, "a", "00:00"), person(2, "b", "00:00"), gone(9, "00:00"))
	f.each(t, func(step int) (string, func() error) {
		at := fmt.Sprintf("%02d:%02d", 1+step/60, step%60)
		w := snapshot(fmt.Sprint("w", step))
		bad := person(5, "", at)
		bad.Slots[1] = fmt.Appendf(nil, `{"n":%d}`, step)
		b := &syncer.Batch{Resume: &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: fmt.Sprint("c", step)},
			Records: []syncer.Record{person(1, fmt.Sprint("n", step), at), person(100+step, "new", at), gone(99+step, at), bad}}
		return fmt.Sprint("| c", step, " |"), func() error {
			_, err := f.table.Apply(t.Context(), w, []*syncer.Batch{b})
			return err
		}
	})
}

// The same for a Settle that sweeps.
func TestSettleFailsAtEveryStatement(t *testing.T) {
	f := newFailing(t)
	f.each(t, func(step int) (string, func() error) {
		at := fmt.Sprintf("%02d:%02d", 1+step/60, step%60)
		apply(t, f.table, changes("w"), person(1, "a", "00:00"), person(1000+step, "to be swept", at))
		w := snapshot(fmt.Sprint("w", step))
		apply(t, f.table, w, person(1, "a", "00:00"))
		mark := fmt.Sprint("W", step)
		return fmt.Sprintf("1=a | %s |", mark), func() error {
			_, err := f.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true, Watermark: mark}})
			return err
		}
	})
}
