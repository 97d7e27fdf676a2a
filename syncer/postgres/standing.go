package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// resume is how a Resume is stored: with the shape that it was made under,
// without its instant, which is a column on the database's clock.
type resume struct {
	Walk       string          `json:"walk"`
	Kind       syncer.WalkKind `json:"kind"`
	From       string          `json:"from"`
	OwnerStart string          `json:"owner_start"`
	Cursor     string          `json:"cursor"`
	High       string          `json:"high"`
	Shape      string          `json:"shape"`
}

// encodeResume writes a Resume down, with the shape under which its walk began;
// nil is nil.
func encodeResume(r *syncer.Resume, shape string) (*string, error) {
	if r == nil {
		return nil, nil
	}
	text, err := json.Marshal(resume{Walk: r.Walk, Kind: r.Kind, From: r.From, OwnerStart: r.OwnerStart,
		Cursor: r.Cursor, High: r.High, Shape: shape})
	s := string(text)
	return &s, err
}

// decodeResume reads a Resume back from the slot of listing walks or from that
// of changes; nil where the shape that it was made under is not good, or it
// cannot be read.
func decodeResume(text *string, sent time.Time, listing bool, good func(shape string) bool) *syncer.Resume {
	var r resume
	if text == nil || json.Unmarshal([]byte(*text), &r) != nil || r.Kind.Listing() != listing || !good(r.Shape) {
		return nil
	}
	return &syncer.Resume{Walk: r.Walk, Kind: r.Kind, From: r.From, Sent: sent,
		OwnerStart: r.OwnerStart, Cursor: r.Cursor, High: r.High}
}

// slot names the columns that hold the Resume of walks of a kind.
func slot(kind syncer.WalkKind) (resume, sent string) {
	if kind.Listing() {
		return "list_resume", "list_sent"
	}
	return "resume", "walk_sent"
}

// Standing implements syncer.Table.
func (t *Table) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	t = t.current()
	pool, err := t.db.pool(ctx)
	if err != nil {
		return syncer.Standing{}, err
	}
	return t.standing(ctx, pool, t.db.own("watermark"), p)
}

// standing reads where a partition stands from a relation with the columns of
// the watermark table.
func (t *Table) standing(ctx context.Context, q querier, from string, p syncer.Partition) (syncer.Standing, error) {
	var st syncer.Standing
	var resumed, listed *string
	var sent, listSent, asOf, deletes, proven, audited, first, last, newest, failing *int64
	err := q.QueryRow(ctx, `SELECT shape, watermark, validator, epoch, resume, list_resume, paused, resync, `+
		age("walk_sent")+`, `+age("list_sent")+`, `+age("as_of")+`, `+age("deletes_as_of")+`, `+age("proven_as_of")+`, `+age("audited")+`, `+
		age("first_seen")+`, `+age("last_poll")+`, `+age("newest_at")+`, `+age("failing_since")+` FROM `+from+` w WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name).
		Scan(&st.Position.Shape, &st.Position.Watermark, &st.Position.Validator, &st.Position.Epoch, &resumed, &listed, &st.Paused, &st.Resync,
			&sent, &listSent, &asOf, &deletes, &proven, &audited, &first, &last, &newest, &failing)
	if errors.Is(err, pgx.ErrNoRows) {
		return t.unknown(ctx, q, from)
	}
	if err != nil {
		return syncer.Standing{}, failed("read standing", err)
	}
	st.AsOf, st.DeletesAsOf, st.FirstSeen, st.LastPoll = ago(asOf), ago(deletes), ago(first), ago(last)
	st.ProvenAsOf, st.Audited, st.Newest, st.FailingSince = ago(proven), ago(audited), ago(newest), ago(failing)
	// A list that was begun without a column does not fill it; changes need not
	// where a list has to follow.
	covers := func(shape string) bool { return syncer.ShapeCovers(shape, t.spec.WalkShape()) }
	st.Listing = decodeResume(listed, ago(listSent), true, covers)
	st.Position.Resume = decodeResume(resumed, ago(sent), false, func(shape string) bool {
		return covers(shape) || st.Position.Shape != "" && syncer.SameSource(shape, t.spec.Shape)
	})
	if shape := st.Position.Shape; shape != "" && !syncer.ShapeCovers(shape, t.spec.Shape) {
		st.Resync = true
		if !syncer.SameSource(shape, t.spec.Shape) {
			st.Position = syncer.Position{}
		}
	}
	return st, nil
}

// unknown is the standing of a partition that no row tells of.
func (t *Table) unknown(ctx context.Context, q querier, from string) (syncer.Standing, error) {
	st := syncer.Standing{FirstSeen: time.Now()}
	err := q.QueryRow(ctx, `SELECT coalesce(bool_or(paused), false) FROM `+from+` w WHERE table_name = $1`, t.spec.Target).Scan(&st.Paused)
	return st, failed("read standing", err)
}

// head is the row of the watermark table that a transaction has locked, and
// which other bookkeeping there is to look after.
type head struct {
	// resumed is what the slot of the walk's kind holds.
	resumed, seenWalk, shape, validator string
	resync, touched                     bool
	// others are the partitions beside this one that are listed right now.
	others                            []string
	seenCount, suspects               int64
	quarantined, gone, stale, missing bool
	// tally is what an unfinished audit has come to.
	tally auditTally
	// rows of the whole table, about.
	rows int64
	// cut is how many extra rows an audit deleted.
	cut int64
	// counted is what a sweep counted in the partition; nil: there was none.
	counted *int64
	// floor is where the list begins that is settled; nil: it has everything.
	floor any
}

// lock locks the partition's row and reads it, for a walk of a kind. Writers
// of one partition wait here for each other.
func (t *Table) lock(ctx context.Context, tx pgx.Tx, p syncer.Partition, kind syncer.WalkKind) (*head, error) {
	w := t.db.own("watermark")
	resume, _ := slot(kind)
	h := &head{}
	var tally []int64
	read := func() error {
		return tx.QueryRow(ctx, `SELECT coalesce(`+resume+`, ''), seen_walk, shape, validator, resync, touched, seen_count, suspects, list_tally,
			EXISTS (SELECT FROM `+t.db.own("quarantine")+` WHERE table_name = $1 AND partition = $2),
			EXISTS (SELECT FROM `+t.db.own("gone")+` WHERE table_name = $1),
			EXISTS (SELECT FROM `+t.db.own("gone")+` WHERE table_name = $1 AND until < now()),
			EXISTS (SELECT FROM `+t.missing+` WHERE partition = $2),
			(SELECT coalesce(sum(o.rows), 0) FROM `+w+` o WHERE o.table_name = $1)::bigint
			FROM `+w+` WHERE table_name = $1 AND partition = $2 FOR NO KEY UPDATE`, t.spec.Target, p.Name).
			Scan(&h.resumed, &h.seenWalk, &h.shape, &h.validator, &h.resync, &h.touched, &h.seenCount, &h.suspects, &tally,
				&h.quarantined, &h.gone, &h.stale, &h.missing, &h.rows)
	}
	err := read()
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err = t.begin(ctx, tx, []string{p.Name}); err == nil {
			err = read()
		}
	}
	h.tally.read(tally)
	return h, failed("read position", err)
}

// begin makes the rows of partitions that are new, and returns their names. A
// table that is paused stays so for partitions that are added to it.
func (t *Table) begin(ctx context.Context, tx pgx.Tx, names []string) ([]string, error) {
	w, b := t.db.own("watermark"), t.spec.Budget.At(time.Now())
	rows, err := tx.Query(ctx, `INSERT INTO `+w+` (table_name, partition, source, warn, critical, deletes, newest, paused, made)
		SELECT $1, n.name, $3, `+budget("$4")+`, `+interval("$5")+`, `+budget("$6")+`, `+budget("$7")+`, k.paused, k.made
		FROM unnest($2::text[]) AS n (name), (SELECT coalesce(bool_or(paused), false) AS paused, coalesce(bool_or(made), false) AS made
			FROM `+w+` WHERE table_name = $1) k
		ORDER BY n.name ON CONFLICT DO NOTHING RETURNING partition`,
		t.spec.Target, names, t.spec.Source, b.Warn.Microseconds(), b.Critical.Microseconds(), b.Deletes.Microseconds(), b.Newest.Microseconds())
	if err != nil {
		return nil, failed("begin position", err)
	}
	fresh, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, failed("begin position", err)
	}
	return fresh, t.countFresh(ctx, tx, fresh)
}

// interval is the SQL of a parameter in microseconds; budget is the same, null
// where it is 0.
func interval(parameter string) string {
	return parameter + `::bigint * interval '1 microsecond'`
}

func budget(parameter string) string {
	return fmt.Sprintf("nullif(%s, interval '0')", interval(parameter))
}

// deadlines are the assignments of both levels' deadlines, from the SQL of
// as-of and delete as-of and the row that has the budgets. Deletions that only
// audits see have a budget of their own, and no warning.
func deadlines(asOf, deletes, of string) string {
	return fmt.Sprintf(`warn_at = CASE WHEN %[2]s IS NOT NULL THEN least(%[1]s + %[3]s.warn, CASE WHEN %[3]s.deletes IS NULL THEN %[2]s + %[3]s.warn END) END,
		critical_at = CASE WHEN %[2]s IS NOT NULL THEN least(%[1]s + %[3]s.critical, %[2]s + coalesce(%[3]s.deletes, %[3]s.critical)) END`, asOf, deletes, of)
}

// keepGrace stores the budgets of partitions, and their deadlines, that follow
// the schedule: each partition has its own, by when it is complete. parts nil
// are all. Without grace there is nothing to do.
func (t *Table) keepGrace(ctx context.Context, tx pgx.Tx, parts []string) error {
	if t.spec.Budget.Grace.IsZero() {
		return nil
	}
	w := t.db.own("watermark")
	rows, err := tx.Query(ctx, `SELECT partition, `+age("as_of")+`, `+age("deletes_as_of")+`, `+age("first_seen")+` FROM `+w+`
		WHERE table_name = $1 AND ($2::text[] IS NULL OR partition = ANY($2)) ORDER BY partition`, t.spec.Target, parts)
	if err != nil {
		return failed("read as-of", err)
	}
	var names []string
	var warn, critical []int64
	var name string
	var asOf, deletes, seen *int64
	_, err = pgx.ForEachRow(rows, []any{&name, &asOf, &deletes, &seen}, func() error {
		b := t.spec.Budget.Of(syncer.Standing{AsOf: ago(asOf), DeletesAsOf: ago(deletes), FirstSeen: ago(seen)})
		names, warn, critical = append(names, name), append(warn, b.Warn.Microseconds()), append(critical, b.Critical.Microseconds())
		return nil
	})
	if err != nil {
		return failed("read as-of", err)
	}
	_, err = tx.Exec(ctx, `UPDATE `+w+` w SET warn = b.warn, critical = b.critical, `+deadlines("w.as_of", "w.deletes_as_of", "b")+`
		FROM (SELECT n.partition, `+budget("n.warn")+` AS warn, `+interval("n.critical")+` AS critical, `+budget("$5")+` AS deletes
			FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS n (partition, warn, critical)) b
		WHERE w.table_name = $1 AND w.partition = b.partition`,
		t.spec.Target, names, warn, critical, t.spec.Budget.Deletes.Microseconds())
	return failed("store deadlines", err)
}

// sentAgo is how long ago, in microseconds, an instant of this process was.
func sentAgo(sent time.Time) int64 { return syncer.Age(sent, time.Now()).Microseconds() }
