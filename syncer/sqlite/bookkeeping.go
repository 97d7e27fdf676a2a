package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// state is the row of the watermark table that belongs to one partition.
type state struct {
	known                              bool
	shape, watermark, validator, epoch string
	// changes is where an unfinished walk for changes stands, listing where one
	// that lists does.
	changes, listing slot
	// seenWalk is the listing walk whose keys are noted, seenCount what the
	// notes add up to. See noteSum.
	seenWalk  string
	seenCount int64

	asOf, deletesAsOf, firstSeen, lastPoll, failingSince instant
	provenAsOf, audited, auditAsOf, newest               instant
	// suspects is how many differences are noted; tally is the audit's under way.
	suspects int64
	tally    tally

	rows, held      int64
	late            float64
	paused, resync  bool
	retired, isList bool
	// floor is where the list begins that is settled right now; nil: at the
	// beginning.
	floor any
}

// slot is where a walk can go on: a savedResume as JSON, "" for none, and its
// instant on the database's clock.
type slot struct {
	resume string
	sent   instant
}

// slot is the one of walks of a kind.
func (st *state) slot(k syncer.WalkKind) *slot {
	if k.Listing() {
		return &st.listing
	}
	return &st.changes
}

// savedResume is how a syncer.Resume is stored, with the shape it was made
// under. Its instant stands in a column of its own, on the database's clock.
type savedResume struct {
	Shape      string          `json:"shape"`
	Walk       string          `json:"walk"`
	Kind       syncer.WalkKind `json:"kind"`
	From       string          `json:"from"`
	OwnerStart string          `json:"owner_start"`
	Cursor     string          `json:"cursor"`
	High       string          `json:"high"`
}

const stateColumns = `unixepoch('subsec') AS now, partition, shape, watermark, validator, epoch, resume, walk_sent, list_resume, list_sent,
	seen_walk, seen_count, as_of, deletes_as_of, first_seen, last_poll, failing_since, proven_as_of, audited, audit_as_of, newest_at, suspects,
	walk_compared, walk_missing, walk_different, walk_repaired, "rows", held, late, paused, resync, retired, parts`

const selectState = `SELECT ` + stateColumns + ` FROM "larder_watermark" WHERE table_name = ? AND partition = ?`

// scanState reads columns by their names: one that the query does not have, as
// of a larder before this one, is empty.
func scanState(s *sqlite.Stmt) state {
	text := func(name string) string { return s.ColumnText(s.ColumnIndex(name)) }
	at := func(name string) instant { return instant(s.ColumnFloat(s.ColumnIndex(name))) }
	number := func(name string) int64 { return s.ColumnInt64(s.ColumnIndex(name)) }
	is := func(name string) bool { return number(name) != 0 }
	return state{
		known: true, shape: text("shape"), watermark: text("watermark"), validator: text("validator"), epoch: text("epoch"),
		changes:  slot{text("resume"), at("walk_sent")},
		listing:  slot{text("list_resume"), at("list_sent")},
		seenWalk: text("seen_walk"), seenCount: number("seen_count"),
		asOf: at("as_of"), deletesAsOf: at("deletes_as_of"), firstSeen: at("first_seen"), lastPoll: at("last_poll"), failingSince: at("failing_since"),
		provenAsOf: at("proven_as_of"), audited: at("audited"), auditAsOf: at("audit_as_of"), newest: at("newest_at"), suspects: number("suspects"),
		tally: tally{number("walk_compared"), number("walk_missing"), number("walk_different"), number("walk_repaired")},
		rows:  number("rows"), held: number("held"), late: float64(at("late")),
		paused: is("paused"), resync: is("resync"), retired: is("retired"), isList: is("parts"),
	}
}

// Standing implements syncer.Table. It waits for no writer.
func (t *Table) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	t = t.current()
	var st state
	var now instant
	err := t.db.read(ctx, func(c *sqlite.Conn) error {
		return each(c, t.db.names.sql(selectState), func(s *sqlite.Stmt) error {
			st, now = scanState(s), instant(s.ColumnFloat(0))
			return nil
		}, t.spec.Target, p.Name)
	})
	if err != nil {
		return syncer.Standing{}, fmt.Errorf("read standing of %q: %w", t.spec.Target, err)
	}
	if !st.known {
		return syncer.Standing{FirstSeen: time.Now()}, nil
	}
	return t.standing(st, now)
}

func (t *Table) standing(st state, now instant) (syncer.Standing, error) {
	out := syncer.Standing{
		AsOf: st.asOf.local(now), DeletesAsOf: st.deletesAsOf.local(now), FirstSeen: st.firstSeen.local(now),
		ProvenAsOf: st.provenAsOf.local(now), Audited: st.audited.local(now), Newest: st.newest.local(now),
		LastPoll: st.lastPoll.local(now), FailingSince: st.failingSince.local(now), Paused: st.paused, Resync: st.resync,
		Position: syncer.Position{Shape: st.shape, Watermark: st.watermark, Validator: st.validator, Epoch: st.epoch},
	}
	if st.shape != "" && !syncer.ShapeCovers(st.shape, t.spec.Shape) {
		out.Resync = true
	}
	var err error
	if out.Listing, err = t.resume(st.listing, syncer.ShapeCovers, now); err != nil {
		return out, err
	}
	if t.void(st) {
		out.Position = syncer.Position{}
		return out, nil
	}
	// A copy that knows its shape is not said to be complete under another one
	// by a walk for changes that goes on; the very first is.
	covers := syncer.SameSource
	if st.shape == "" {
		covers = syncer.ShapeCovers
	}
	out.Position.Resume, err = t.resume(st.changes, covers, now)
	return out, err
}

// void reports whether the position is that of another source.
func (t *Table) void(st state) bool {
	return st.shape != "" && !syncer.SameSource(st.shape, t.spec.Shape)
}

// resume reads a slot; nil where it is empty, or was made under a shape that
// does not cover ours.
func (t *Table) resume(of slot, covers func(held, wanted string) bool, now instant) (*syncer.Resume, error) {
	if of.resume == "" {
		return nil, nil
	}
	var saved savedResume
	if err := json.Unmarshal([]byte(of.resume), &saved); err != nil {
		return nil, fmt.Errorf("read standing of %q: resume: %w", t.spec.Target, err)
	}
	if !covers(saved.Shape, t.spec.WalkShape()) {
		return nil, nil
	}
	return &syncer.Resume{
		Walk: saved.Walk, Kind: saved.Kind, From: saved.From, Sent: of.sent.local(now),
		OwnerStart: saved.OwnerStart, Cursor: saved.Cursor, High: saved.High,
	}, nil
}

// state reads where a partition stands, and makes its row on first sight.
func (t *Table) state(x *tx, partition syncer.Partition) (st state, err error) {
	read := func() error {
		return x.each(selectState, func(s *sqlite.Stmt) error {
			st = scanState(s)
			return nil
		}, t.spec.Target, partition.Name)
	}
	if err := read(); err != nil || st.known {
		return st, err
	}
	scope, err := t.scope(partition)
	if err != nil {
		return st, err
	}
	rows, err := x.count(t.sql.countRows, scope...)
	if err != nil {
		return st, err
	}
	if err := t.know(x, partition.Name, rows); err != nil {
		return st, err
	}
	return st, read()
}

// know makes the row of a partition that is seen for the first time. One that
// is new to a paused table is paused too.
func (t *Table) know(x *tx, partition string, rows int64) error {
	b := t.spec.Budget.At(time.Now())
	return x.exec(`INSERT INTO "larder_watermark" (table_name, partition, source, first_seen, warn, critical, deletes, newest, "rows", paused, made)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, coalesce(max(paused), 0), coalesce(max(made), 0) FROM "larder_watermark" WHERE table_name = ?1`,
		t.spec.Target, partition, t.spec.Source, x.now,
		instant(b.Warn.Seconds()), b.Critical.Seconds(), instant(b.Deletes.Seconds()), instant(b.Newest.Seconds()), rows)
}

// keepWalk stores where a walk stands, if that differs from what is stored.
func (t *Table) keepWalk(x *tx, p syncer.Partition, before, after state) error {
	if before == after {
		return nil
	}
	return x.exec(`UPDATE "larder_watermark" SET resume = nullif(?, ''), walk_sent = ?, list_resume = nullif(?, ''), list_sent = ?,
			validator = ?, seen_walk = ?, seen_count = ?, "rows" = ?, suspects = ?,
			walk_compared = ?, walk_missing = ?, walk_different = ?, walk_repaired = ?
		WHERE table_name = ? AND partition = ?`,
		after.changes.resume, after.changes.sent, after.listing.resume, after.listing.sent,
		after.validator, after.seenWalk, after.seenCount, after.rows, after.suspects,
		after.tally.compared, after.tally.missing, after.tally.different, after.tally.repaired, t.spec.Target, p.Name)
}

// save is where a walk can go on; nil where it cannot.
func (t *Table) save(x *tx, r *syncer.Resume, shape string) (slot, error) {
	if r == nil {
		return slot{}, nil
	}
	text, err := json.Marshal(savedResume{
		Shape: shape, Walk: r.Walk, Kind: r.Kind, From: r.From,
		OwnerStart: r.OwnerStart, Cursor: r.Cursor, High: r.High,
	})
	if err != nil {
		return slot{}, fmt.Errorf("store resume: %w", err)
	}
	return slot{string(text), x.ago(syncer.Age(r.Sent, time.Now()))}, nil
}
