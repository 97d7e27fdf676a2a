package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// killable is a house whose daemon talks through a proxy, and a table with
// everything in it that a batch can meet.
func killable(t *testing.T) (*house, *proxy) {
	t.Helper()
	h := newHouse(t)
	if err := h.db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := through(t, h.dsn)
	h.db = open(t, p.dsn, "behind the proxy")
	if err := h.db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec := people()
	spec.Guard = syncer.Guard{Share: 1, Floor: 100}
	h.keep(spec)
	return h, p
}

// state is everything that one transaction changes, in one line.
const state = `SELECT concat_ws(' ', (SELECT string_agg(id || '=' || name, ',' ORDER BY id) FROM people),
	coalesce(w.list_resume, w.resume)::json->>'cursor', w.watermark, 'compared' || w.audit_compared, w.seen_count, w.rows, w.suspects,
	(SELECT string_agg(k0 || kind || counted, ',' ORDER BY k0) FROM larder.suspect_people),
	(SELECT count(*) FROM larder.seen_people), (SELECT count(*) FROM larder.missing_people),
	(SELECT string_agg(key || reason, ',' ORDER BY key) FROM larder.quarantine), (SELECT string_agg(key || version, ',' ORDER BY key) FROM larder.gone))
	FROM larder.watermark w`

// Killed at any message of an Apply, before the server got it or before its
// answer came back, the database holds all of it or nothing. Repeated, it
// holds all.
func TestApplyKilledAtEveryMessage(t *testing.T) {
	h, p := killable(t)
	killAll(t, h, p, applies(t, h))
}

// applies prepares Apply after Apply, each with everything that a batch can have.
func applies(t *testing.T, h *house) prepare {
	h.apply(walk(syncer.Changes, "w0"), person(1, "a", "00:00"), person(2, "b", "00:00"), tombstone(9, "00:00"))
	return func(step int) (string, func() error, func() error) {
		at := fmt.Sprintf("%02d:%02d", 1+step/60, step%60)
		w := walk(syncer.Snapshot, fmt.Sprint("w", step))
		bad := person(5, "", at)
		bad.Slots[1] = []byte(fmt.Sprintf(`{"n":%d}`, step))
		b := batch(person(1, fmt.Sprint("n", step), at), person(100+step, "new", at), tombstone(99+step, at), bad)
		b[0].Resume = &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: fmt.Sprint("c", step)}
		apply := func() error {
			_, err := h.table.Apply(t.Context(), w, b)
			return err
		}
		return fmt.Sprint("c", step), apply, apply
	}
}

// The same for a Settle with a sweep; what is repeated is the walk.
func TestSettleKilledAtEveryMessage(t *testing.T) {
	h, p := killable(t)
	killAll(t, h, p, settles(t, h))
	h.want("SELECT id::text FROM people", "1")
}

// settles prepares Settle after Settle, each with a row to be swept.
func settles(t *testing.T, h *house) prepare {
	h.apply(walk(syncer.Changes, "w0"), person(1, "a", "00:00"))
	return func(step int) (string, func() error, func() error) {
		at := fmt.Sprintf("%02d:%02d", 1+step/60, step%60)
		h.apply(walk(syncer.Changes, "w"), person(1000+step, "to be swept", at))
		w := walk(syncer.Snapshot, fmt.Sprint("w", step))
		h.apply(w, person(1, "a", "00:00"))
		mark := fmt.Sprint("W", step)
		settle := func() error {
			_, err := h.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true, Watermark: mark}})
			return err
		}
		return mark, settle, func() error {
			w.ID += " again"
			h.apply(w, person(1, "a", "00:00"))
			return settle()
		}
	}
}

// The same for what an audit puts right, and for its end.
func TestAuditKilledAtEveryMessage(t *testing.T) {
	h, p := killable(t)
	list := func(w syncer.Walk, step int, ids ...int) []*syncer.Batch {
		b := batch(person(1, fmt.Sprint("n", step), "00:05"), person(2, fmt.Sprint("n", step), "00:05"))
		for _, id := range ids {
			b[0].Records = append(b[0].Records, person(id, "missing", "00:05"))
		}
		b[0].Resume = &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: fmt.Sprint("c", step)}
		return b
	}
	apply := func(w syncer.Walk, b []*syncer.Batch) func() error {
		return func() error {
			_, err := h.table.Apply(t.Context(), w, b)
			return err
		}
	}
	settle := func(w syncer.Walk) func() error {
		return func() error {
			_, err := h.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true}})
			return err
		}
	}
	must := func(steps ...func() error) {
		t.Helper()
		for _, do := range steps {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
	}
	audit := func(id string) syncer.Walk {
		w := walk(syncer.Audit, id)
		w.Audit = &syncer.Comparison{Compare: syncer.CompareAll, Persist: time.Minute, Repair: true}
		return w
	}
	later := func() { exec(t, h.consumer, "UPDATE larder.suspect_people SET since = since - interval '2 minutes'") }
	h.apply(walk(syncer.Changes, "w0"), person(1, "a", "00:09"), tombstone(9, "00:00"))
	t.Run("apply", func(t *testing.T) {
		killAll(t, h, p, func(step int) (string, func() error, func() error) {
			first := audit(fmt.Sprint("first", step))
			must(apply(first, list(first, step, 100+step)), settle(first))
			later()
			w := audit(fmt.Sprint("second", step))
			do := apply(w, list(w, step, 100+step))
			return fmt.Sprint("c", step), do, do
		})
	})
	t.Run("settle", func(t *testing.T) {
		killAll(t, h, p, func(step int) (string, func() error, func() error) {
			h.apply(walk(syncer.Changes, "w"), person(1000+step, "extra", "00:05"))
			first := audit(fmt.Sprint("before", step))
			must(apply(first, list(first, 0)), settle(first))
			later()
			w := audit(fmt.Sprint("after", step))
			ids := make([]int, step)
			for i := range ids {
				ids[i] = 2000 + i
			}
			must(apply(w, list(w, 0, ids...)))
			return fmt.Sprint("compared", 2+step), settle(w), func() error {
				w.ID += " again"
				must(apply(w, list(w, 0, ids...)))
				return settle(w)()
			}
		})
	})
	h.want("SELECT name FROM people WHERE id > 1000 AND name <> 'missing'")
}

// prepare makes ready what is killed: mark is what the state shows once it is
// done.
type prepare func(step int) (mark string, do, again func() error)

// killAll kills what prepare returns at its first, second, … message until it
// runs to its end, in both ways, and repeats it.
func killAll(t *testing.T, h *house, p *proxy, prepare prepare) {
	t.Helper()
	step := 0
	var hit []string
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			step++
			mark, do, again := prepare(step)
			before := one[string](t, h.consumer, state)
			p.arm(n, after, false)
			err := do()
			at := p.disarm()
			now := one[string](t, h.consumer, state)
			done := strings.Contains(" "+now+" ", " "+mark+" ")
			switch {
			case (at == "") != (err == nil):
				t.Fatalf("killed at %q: %v", at, err)
			case err != nil && syncer.Classify(err) != syncer.ClassDatabase:
				t.Errorf("killed at %q: class %s of %v", at, syncer.Classify(err), err)
			case !done && now != before:
				t.Fatalf("killed at %q: %s became %s", at, before, now)
			case done != (err == nil || after && at == "Q commit"):
				t.Fatalf("killed at %q: %v, and the state is %s", at, err, now)
			}
			if err == nil {
				break
			}
			hit = append(hit, at)
			if err := again(); err != nil {
				t.Fatalf("repeated after a kill at %q: %v", at, err)
			}
			if after := one[string](t, h.consumer, state); done && after != now {
				t.Fatalf("repeated after a kill at %q: %s became %s", at, now, after)
			}
		}
	}
	if len(hit) < 25 {
		t.Errorf("only %d messages were hit", len(hit))
	}
	t.Logf("%d kills, at:\n%s", len(hit), strings.Join(hit, "\n"))
}

// A connection that breaks before the commit was sent costs nothing but a
// second attempt.
func TestBrokenConnectionIsRepeatedOnce(t *testing.T) {
	h, p := killable(t)
	for n := 1; ; n++ {
		p.arm(n, false, true)
		_, err := h.table.Apply(t.Context(), walk(syncer.Changes, "w"), batch(person(1, fmt.Sprint("n", n), fmt.Sprintf("%02d:%02d", n/60, n%60))))
		at := p.disarm()
		if sent := strings.HasPrefix(at, "Q commit"); (err != nil) != sent {
			t.Errorf("broken at %q: %v", at, err)
		}
		if at == "" {
			break
		}
	}
}

// A poll that changed nothing, of either kind, writes one row: its position.
func TestIdlePollWritesOneRow(t *testing.T) {
	h, p := killable(t)
	h.apply(walk(syncer.Changes, "w"), person(1, "a", "00:01"))
	place := one[string](t, h.consumer, "SELECT concat(xmin, ctid) FROM people")
	for kind, end := range map[syncer.WalkKind]syncer.End{
		syncer.Changes:  {Watermark: "W"},
		syncer.Snapshot: {Listed: true, Unchanged: true, Validator: "V"},
	} {
		// A validator would be void by what is applied.
		exec(t, h.consumer, "UPDATE larder.lease SET expires_at = now(); UPDATE larder.watermark SET validator = ''")
		h.db = open(t, p.dsn, "fresh") // a connection that says all its statements anew
		if err := h.db.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.table = h.db.Table(people())
		p.arm(0, false, false)
		h.apply(walk(kind, "w"))
		h.settle(walk(kind, "w"), end)
		var writes []string
		for _, s := range p.said() {
			for _, verb := range []string{"INSERT", "UPDATE ", "DELETE", "TRUNCATE", "CREATE"} {
				if strings.Contains(strings.ReplaceAll(s, "FOR NO KEY UPDATE", ""), verb) {
					writes = append(writes, short(s))
				}
			}
		}
		if len(writes) != 1 || !strings.HasPrefix(writes[0], `UPDATE "larder"."watermark"`) {
			t.Errorf("an idle poll of %s writes by %q", kind, writes)
		}
	}
	if now := one[string](t, h.consumer, "SELECT concat(xmin, ctid) FROM people"); now != place {
		t.Error("the row was written")
	}
}

// Whatever waits for data of the client comes before the fence: a stopped
// process must not hold a lock that no timeout ends.
func TestCopyComesBeforeTheFence(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name varchar(3), updated_at timestamptz)`)
	p := through(t, h.dsn)
	h.db = open(t, p.dsn, "fresh")
	exec(t, h.consumer, "UPDATE larder.lease SET expires_at = now()")
	if err := h.db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.keep(people())
	for _, name := range []string{"Ada", "refused"} {
		h.db.Close()
		h.db = open(t, p.dsn, "fresh")
		exec(t, h.consumer, "UPDATE larder.lease SET expires_at = now()")
		if err := h.db.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.table = h.db.Table(people())
		p.arm(0, false, false)
		h.apply(walk(syncer.Changes, "w"), person(1, name, "00:01"))
		said := p.said()
		fence := slices.IndexFunc(said, func(s string) bool { return strings.Contains(s, "FOR KEY SHARE") })
		if fence < 0 {
			t.Fatalf("no fence in %q", said)
		}
		for _, s := range said[fence:] {
			if strings.HasPrefix(s, "COPY") {
				t.Errorf("%s comes after the fence", s)
			}
		}
	}
}

// Rows that are as they were keep their place.
func TestUnchangedRowsAreNotWritten(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Columns = append(spec.Columns, row.Column{Name: "price", Type: row.Type{Kind: row.Numeric}, Slots: []int{3}},
		row.Column{Name: "doc", Type: row.Type{Kind: row.JSON}, Slots: []int{4}})
	h.keep(spec)
	var records []syncer.Record
	for id := range 2000 {
		r := person(id, fmt.Sprint("name ", id), "00:01")
		r.Slots = append(r.Slots, []byte("1.50"), []byte(`{"a":[1,2.0]}`))
		records = append(records, r)
	}
	h.apply(walk(syncer.Changes, "w1"), records...)
	places := "SELECT string_agg(concat(id, xmin, ctid), ' ' ORDER BY id) FROM people"
	before := one[string](t, h.consumer, places)
	if a := h.apply(walk(syncer.Changes, "w2"), records...); a.Unchanged != 2000 {
		t.Errorf("applied %+v", a)
	}
	if one[string](t, h.consumer, places) != before {
		t.Error("unchanged rows were written")
	}
	if a := h.apply(walk(syncer.Changes, "w3"), append(records[:1999:1999], person(1999, "changed", "00:02"))...); a.Updated != 1 {
		t.Errorf("applied %+v", a)
	}
}
