package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Table is one copy. It implements syncer.Table and syncer.Keeper.
type Table struct {
	db   *Database
	spec row.Spec
	// name is the quoted target; seen and missing are the quoted bookkeeping
	// of its keys.
	schema, bare        string
	name, seen, missing string

	mu   sync.Mutex
	form *form // as the catalog last told
}

// Table returns the copy that spec describes, without touching the database.
func (d *Database) Table(spec row.Spec) *Table {
	t := &Table{db: d, spec: spec}
	t.schema, t.bare = d.home, spec.Target
	if schema, bare, ok := strings.Cut(spec.Target, "."); ok {
		t.schema, t.bare = schema, bare
	}
	t.name = pgx.Identifier{t.schema, t.bare}.Sanitize()
	t.seen = d.own(keysTable("seen_", spec.Target))
	t.missing = d.own(keysTable("missing_", spec.Target))
	return t
}

var hashed = regexp.MustCompile(`_[0-9a-f]{8}$`)

// keysTable names the bookkeeping of a target's keys. Two targets never share
// a name: one that is changed or cut, or looks as if, carries a hash.
func keysTable(prefix, target string) string {
	const limit = 63
	name := prefix + strings.ReplaceAll(target, ".", "_")
	if !strings.Contains(target, ".") && len(name) <= limit && !hashed.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(target))
	return name[:min(len(name), limit-9)] + "_" + hex.EncodeToString(sum[:4])
}

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

// encodeResume writes a Resume down; nil is nil.
func (t *Table) encodeResume(r *syncer.Resume) (*string, error) {
	if r == nil {
		return nil, nil
	}
	text, err := json.Marshal(resume{Walk: r.Walk, Kind: r.Kind, From: r.From, OwnerStart: r.OwnerStart,
		Cursor: r.Cursor, High: r.High, Shape: t.spec.Shape})
	s := string(text)
	return &s, err
}

// decodeResume reads a Resume back; nil where it was made under a shape that
// does not cover the table's, or cannot be read.
func (t *Table) decodeResume(text *string, sent time.Time) *syncer.Resume {
	var r resume
	if text == nil || json.Unmarshal([]byte(*text), &r) != nil || !syncer.ShapeCovers(r.Shape, t.spec.Shape) {
		return nil
	}
	return &syncer.Resume{Walk: r.Walk, Kind: r.Kind, From: r.From, Sent: sent,
		OwnerStart: r.OwnerStart, Cursor: r.Cursor, High: r.High}
}

// Standing implements syncer.Table.
func (t *Table) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	pool, err := t.db.pool(ctx)
	if err != nil {
		return syncer.Standing{}, err
	}
	var st syncer.Standing
	var resumed *string
	var sent, asOf, deletes, first, last *int64
	err = pool.QueryRow(ctx, `SELECT shape, watermark, validator, resume, paused, resync, `+
		age("walk_sent")+`, `+age("as_of")+`, `+age("deletes_as_of")+`, `+age("first_seen")+`, `+age("last_poll")+
		` FROM `+t.db.own("watermark")+` WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name).
		Scan(&st.Position.Shape, &st.Position.Watermark, &st.Position.Validator, &resumed, &st.Paused, &st.Resync,
			&sent, &asOf, &deletes, &first, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return t.unknown(ctx)
	}
	if err != nil {
		return syncer.Standing{}, failed("read standing", err)
	}
	st.AsOf, st.DeletesAsOf, st.FirstSeen, st.LastPoll = ago(asOf), ago(deletes), ago(first), ago(last)
	st.Position.Resume = t.decodeResume(resumed, ago(sent))
	if st.Position.Shape != "" && !syncer.ShapeCovers(st.Position.Shape, t.spec.Shape) {
		// A resync that was begun under the new shape may go on.
		resume := st.Position.Resume
		st.Position, st.Resync = syncer.Position{}, true
		if resume != nil && resume.Kind == syncer.Resync {
			st.Position.Resume = resume
		}
	}
	return st, nil
}

// unknown is the standing of a partition that no row tells of.
func (t *Table) unknown(ctx context.Context) (syncer.Standing, error) {
	pool, err := t.db.pool(ctx)
	if err != nil {
		return syncer.Standing{}, err
	}
	st := syncer.Standing{FirstSeen: time.Now()}
	err = pool.QueryRow(ctx, `SELECT coalesce(bool_or(paused), false) FROM `+t.db.own("watermark")+
		` WHERE table_name = $1`, t.spec.Target).Scan(&st.Paused)
	return st, failed("read standing", err)
}

// head is the row of the watermark table that a transaction has locked, and
// which other bookkeeping there is to look after.
type head struct {
	resumed, seenWalk, shape, validator string
	resync                              bool
	seenCount                           int64
	quarantined, gone, stale, missing   bool
	// rows of the whole table, about.
	rows int64
	// counted is what a sweep counted in the partition; nil: there was none.
	counted *int64
}

// lock locks the partition's row and reads it. Writers of one partition wait
// here for each other.
func (t *Table) lock(ctx context.Context, tx pgx.Tx, p syncer.Partition) (*head, error) {
	w := t.db.own("watermark")
	h := &head{}
	read := func() error {
		return tx.QueryRow(ctx, `SELECT coalesce(resume, ''), seen_walk, shape, validator, resync, seen_count,
			EXISTS (SELECT FROM `+t.db.own("quarantine")+` WHERE table_name = $1 AND partition = $2),
			EXISTS (SELECT FROM `+t.db.own("gone")+` WHERE table_name = $1),
			EXISTS (SELECT FROM `+t.db.own("gone")+` WHERE table_name = $1 AND until < now()),
			EXISTS (SELECT FROM `+t.missing+` WHERE partition = $2),
			(SELECT coalesce(sum(o.rows), 0) FROM `+w+` o WHERE o.table_name = $1)::bigint
			FROM `+w+` WHERE table_name = $1 AND partition = $2 FOR NO KEY UPDATE`, t.spec.Target, p.Name).
			Scan(&h.resumed, &h.seenWalk, &h.shape, &h.validator, &h.resync, &h.seenCount, &h.quarantined, &h.gone, &h.stale, &h.missing, &h.rows)
	}
	err := read()
	if errors.Is(err, pgx.ErrNoRows) {
		if err = t.begin(ctx, tx, p); err == nil {
			err = read()
		}
	}
	return h, failed("read position", err)
}

// begin makes the row of a partition that is new. A table that is paused stays
// so for partitions that are added to it.
func (t *Table) begin(ctx context.Context, tx pgx.Tx, p syncer.Partition) error {
	w := t.db.own("watermark")
	_, err := tx.Exec(ctx, `INSERT INTO `+w+` (table_name, partition, source, warn, critical, paused)
		SELECT $1, $2, $3, nullif($4::bigint, 0) * interval '1 microsecond', $5::bigint * interval '1 microsecond', coalesce(bool_or(paused), false)
		FROM `+w+` WHERE table_name = $1 ON CONFLICT DO NOTHING`,
		t.spec.Target, p.Name, t.spec.Source, t.spec.Budget.Warn.Microseconds(), t.spec.Budget.Critical.Microseconds())
	return failed("begin position", err)
}

// sentAgo is how long ago, in microseconds, an instant of this process was.
func sentAgo(sent time.Time) int64 { return syncer.Age(sent, time.Now()).Microseconds() }
