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
	known     bool
	shape     string
	watermark string
	validator string
	// resume is a savedResume as JSON, "" for none; walkSent belongs to it.
	resume   string
	walkSent instant
	// seenWalk is the walk whose keys are noted, seenCount how many are.
	seenWalk  string
	seenCount int64

	asOf, deletesAsOf, firstSeen, lastPoll instant

	rows   int64
	held   int64
	late   float64
	paused bool
	resync bool
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

const stateColumns = `shape, watermark, validator, coalesce(resume, ''), coalesce(walk_sent, 0), seen_walk, seen_count,
	coalesce(as_of, 0), coalesce(deletes_as_of, 0), first_seen, coalesce(last_poll, 0), "rows", late, paused, resync`

const selectState = `SELECT ` + stateColumns + `, unixepoch('subsec')
	FROM "larder_watermark" WHERE table_name = ? AND partition = ?`

func scanState(s *sqlite.Stmt) state {
	at := func(i int) instant { return instant(s.ColumnFloat(i)) }
	return state{
		known: true, shape: s.ColumnText(0), watermark: s.ColumnText(1), validator: s.ColumnText(2),
		resume: s.ColumnText(3), walkSent: at(4), seenWalk: s.ColumnText(5), seenCount: s.ColumnInt64(6),
		asOf: at(7), deletesAsOf: at(8), firstSeen: at(9), lastPoll: at(10),
		rows: s.ColumnInt64(11), late: s.ColumnFloat(12), paused: s.ColumnInt64(13) != 0, resync: s.ColumnInt64(14) != 0,
	}
}

// Standing implements syncer.Table. It waits for no writer.
func (t *Table) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	var st state
	var now instant
	err := t.db.read(ctx, func(c *sqlite.Conn) error {
		return each(c, t.db.names.sql(selectState), func(s *sqlite.Stmt) error {
			st, now = scanState(s), instant(s.ColumnFloat(15))
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
		LastPoll: st.lastPoll.local(now), Paused: st.paused, Resync: st.resync,
		Position: syncer.Position{Shape: st.shape, Watermark: st.watermark, Validator: st.validator},
	}
	if st.shape != "" && !syncer.ShapeCovers(st.shape, t.spec.Shape) {
		out.Position, out.Resync = syncer.Position{}, true
	}
	if st.resume == "" {
		return out, nil
	}
	var saved savedResume
	if err := json.Unmarshal([]byte(st.resume), &saved); err != nil {
		return out, fmt.Errorf("read standing of %q: resume: %w", t.spec.Target, err)
	}
	if syncer.ShapeCovers(saved.Shape, t.spec.Shape) {
		out.Position.Resume = &syncer.Resume{
			Walk: saved.Walk, Kind: saved.Kind, From: saved.From, Sent: st.walkSent.local(now),
			OwnerStart: saved.OwnerStart, Cursor: saved.Cursor, High: saved.High,
		}
	}
	return out, nil
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
	// A partition that is new to a paused table is paused too.
	err = x.exec(`INSERT INTO "larder_watermark" (table_name, partition, source, first_seen, warn, critical, "rows", paused)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(max(paused), 0) FROM "larder_watermark" WHERE table_name = ?1`,
		t.spec.Target, partition.Name, t.spec.Source, x.now,
		instant(t.spec.Budget.Warn.Seconds()), t.spec.Budget.Critical.Seconds(), rows)
	if err != nil {
		return st, err
	}
	return st, read()
}

// keepWalk stores where a walk stands, if that differs from what is stored.
func (t *Table) keepWalk(x *tx, p syncer.Partition, before, after state) error {
	if before == after {
		return nil
	}
	return x.exec(`UPDATE "larder_watermark" SET resume = nullif(?, ''), walk_sent = ?, seen_walk = ?, seen_count = ?, "rows" = ?
		WHERE table_name = ? AND partition = ?`,
		after.resume, after.walkSent, after.seenWalk, after.seenCount, after.rows, t.spec.Target, p.Name)
}

// setResume notes in st where the walk can go on; nil where it cannot.
func (t *Table) setResume(x *tx, st *state, r *syncer.Resume) error {
	if r == nil {
		st.resume, st.walkSent = "", 0
		return nil
	}
	text, err := json.Marshal(savedResume{
		Shape: t.spec.Shape, Walk: r.Walk, Kind: r.Kind, From: r.From,
		OwnerStart: r.OwnerStart, Cursor: r.Cursor, High: r.High,
	})
	if err != nil {
		return fmt.Errorf("store resume: %w", err)
	}
	st.resume, st.walkSent = string(text), x.ago(syncer.Age(r.Sent, time.Now()))
	return nil
}
