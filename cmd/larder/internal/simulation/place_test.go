package simulation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// onPlaces runs a test in a bubble on each place whose clock is not ours.
func onPlaces(t *testing.T, test func(t *testing.T, h syncertest.Harness, hits *hits)) {
	sqlite, postgres := NewSQLite(t), NewPostgres(t, 1)
	for _, p := range []struct {
		name  string
		place Place
		hits  *hits
	}{{"sqlite", sqlite.Place, sqlite.hits}, {"postgres", postgres.Place, postgres.hits}} {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, p.place(t), p.hits) })
		})
	}
}

// people is a table with one number a row.
func people() row.Spec {
	return row.Spec{Name: "c.people", Target: "people", Source: "simulated", Key: []int{0}, Version: -1,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "change", Type: row.Type{Kind: row.Bigint}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Partitions: []syncer.Partition{{}}, Shape: syncer.Shape("s", []string{"id", "change", "updated_at"}),
		Budget: syncer.Budget{Warn: 5 * time.Minute, Critical: time.Hour}, Guard: syncer.Guard{Share: 1, All: true}, Confirm: 1,
	}
}

// person is a record at a change, stamped right now.
func person(id, change int) []*syncer.Batch {
	return []*syncer.Batch{{Records: []syncer.Record{{Slots: [][]byte{
		[]byte(strconv.Itoa(id)), []byte(strconv.Itoa(change)), []byte(`"` + time.Now().UTC().Format(time.RFC3339Nano) + `"`),
	}}}}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start is a daemon that holds the lease, and its table.
func start(t *testing.T, h syncertest.Harness) (syncertest.Database, syncertest.Table) {
	t.Helper()
	db := h.Daemon(daemon)
	check(t, db.Acquire(t.Context()))
	table := h.Table(db, people())
	check(t, table.Prepare(t.Context()))
	return db, table
}

func TestPlacesKeepTheTimeOfTheBubble(t *testing.T) {
	onPlaces(t, func(t *testing.T, h syncertest.Harness, _ *hits) {
		ctx := t.Context()
		db, table := start(t, h)
		time.Sleep(3*time.Hour + 7*time.Millisecond)
		began := time.Now()
		w := syncer.Walk{ID: "w", Kind: syncer.Snapshot, Sent: began}
		time.Sleep(2 * time.Second)
		if _, err := table.Apply(ctx, w, person(1, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := table.Settle(ctx, w, syncer.Settlement{End: &syncer.End{Listed: true}}); err != nil {
			t.Fatal(err)
		}
		for _, after := range []struct {
			wait  time.Duration
			level syncer.Level
		}{{0, syncer.Fresh}, {4 * time.Minute, syncer.Fresh}, {2 * time.Minute, syncer.Warn}, {time.Hour, syncer.Critical}} {
			time.Sleep(after.wait)
			st, err := table.Standing(ctx, syncer.Partition{})
			if check(t, err); st.AsOf.After(began) || began.Sub(st.AsOf) > 3*grain {
				t.Errorf("%s behind the walk it is as of %s, %s from its start", after.wait, st.AsOf, began.Sub(st.AsOf))
			}
			all, err := db.Status(ctx)
			if check(t, err); len(all) != 1 {
				t.Fatalf("status tells of %d tables", len(all))
			}
			staleness := time.Since(began)
			if s := all[0]; s.Freshness.Level != after.level || (s.Freshness.Staleness-staleness).Abs() > grain {
				t.Errorf("%s behind its as-of SQL tells %s, %s", staleness, s.Freshness.Level, s.Freshness.Staleness)
			}
		}
		want := [][]string{{"1", "1", began.Add(2 * time.Second).UTC().Format("2006-01-02T15:04:05.000000Z")}}
		if d := cmp.Diff(want, h.Rows("people", []string{"id", "change", "updated_at"})); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
	})
}

// No instant in Postgres comes from a clock that nobody told: that one is a
// quarter of a century ahead.
func TestPostgresHasNoTimeOfItsOwn(t *testing.T) {
	p := NewPostgres(t, 2)
	if err := Live(t, Draw(3), p.Place, Seams{}); err != nil {
		t.Fatal(err)
	}
	d := <-p.free
	var instants, real int
	const count = `DO $$ DECLARE c record; n int; BEGIN
		CREATE TEMP TABLE counted (instants int, real int);
		FOR c IN SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
			WHERE table_schema = 'larder' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'
		LOOP EXECUTE format('INSERT INTO counted SELECT count(%1$I), count(*) FILTER (WHERE %1$I > ''2010-01-01'') FROM larder.%2$I', c.column_name, c.table_name);
		END LOOP; END $$`
	d.exec(t, count)
	err := d.consumer.QueryRow(context.Background(), "SELECT sum(instants), sum(real) FROM counted").Scan(&instants, &real)
	if check(t, err); instants < 5 || real > 0 {
		t.Errorf("of %d instants %d are from the server's own clock", instants, real)
	}
}

func TestPlacesAreKilledAtEveryStep(t *testing.T) {
	errStruck := errors.New("struck")
	onPlaces(t, func(t *testing.T, h syncertest.Harness, hits *hits) {
		ctx := t.Context()
		db, table := start(t, h)
		changes, at := []string{}, 0
		for turn := range 7 {
			for _, step := range []string{"begin", "commit", "committed"} {
				at++
				h.Strike(func(s string) error {
					if s == step {
						return errStruck
					}
					return nil
				})
				_, err := table.Apply(ctx, syncer.Walk{ID: fmt.Sprint("w", at), Kind: syncer.Changes, Sent: time.Now()}, person(1, at))
				if err == nil {
					t.Fatalf("struck at %s, turn %d: the write goes on", step, turn)
				}
				h.Kill(db)
				h.Strike(nil)
				if step == "committed" {
					changes = []string{strconv.Itoa(at)}
				}
				var got []string
				for _, r := range h.Rows("people", []string{"change"}) {
					got = append(got, r[0])
				}
				if fmt.Sprint(got) != fmt.Sprint(changes) {
					t.Fatalf("struck at %s, turn %d: the table is at change %v, want %v", step, turn, got, changes)
				}
				next := h.Daemon(daemon)
				var held *syncer.HeldError
				if err := next.Acquire(ctx); !errors.As(err, &held) {
					t.Fatalf("a killed daemon's lease: %v", err)
				}
				time.Sleep(syncer.LeaseTime + grain)
				db, table = start(t, h)
			}
		}
		for knob, n := range hits.all() {
			if n == 0 && knob != apart { // that needs a list
				t.Errorf("knob %q never took effect", knob)
			}
		}
	})
}

// A walk whose notes are lost is not swept.
func TestPlacesLoseNotes(t *testing.T) {
	onPlaces(t, func(t *testing.T, h syncertest.Harness, _ *hits) {
		ctx := t.Context()
		_, table := start(t, h)
		w := syncer.Walk{ID: "w", Kind: syncer.Snapshot, Sent: time.Now()}
		if _, err := table.Apply(ctx, w, person(1, 1)); err != nil {
			t.Fatal(err)
		}
		h.LoseNotes()
		if _, err := table.Settle(ctx, w, syncer.Settlement{End: &syncer.End{Listed: true}}); !errors.Is(err, syncer.ErrListLost) {
			t.Errorf("settled without notes: %v", err)
		}
	})
}

// A daemon whose lease ran out while it slept writes nothing more.
func TestPlacesHaveRivals(t *testing.T) {
	onPlaces(t, func(t *testing.T, h syncertest.Harness, _ *hits) {
		ctx := t.Context()
		_, table := start(t, h)
		time.Sleep(syncer.LeaseTime + grain)
		check(t, h.Daemon("rival").Acquire(ctx))
		if _, err := table.Apply(ctx, syncer.Walk{ID: "w", Kind: syncer.Changes, Sent: time.Now()}, person(1, 1)); !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("a rival has the lease, and a write of ours: %v", err)
		}
	})
}
