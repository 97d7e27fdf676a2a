package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// Intend says what Prepare would do, and what would become of each partition.
// It needs no lease, writes nothing, and creates no file. Larder's own tables
// are not told of: only what is done to the consumer's.
func (t *Table) Intend(ctx context.Context) (syncer.Intent, error) {
	var out syncer.Intent
	if _, err := os.Stat(t.db.file); errors.Is(err, os.ErrNotExist) {
		return t.first(), nil
	}
	err := t.db.read(ctx, func(c *sqlite.Conn) (err error) {
		if err := run(c, "BEGIN"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, run(c, "ROLLBACK")) }()
		out, err = t.intend(&tx{Conn: c, names: t.db.names})
		return err
	})
	if err != nil {
		return syncer.Intent{}, fmt.Errorf("read what is intended for %q: %w", t.spec.Target, err)
	}
	return out, nil
}

// first is what becomes of a table in a file that is not there.
func (t *Table) first() syncer.Intent {
	out := syncer.Intent{DDL: []string{t.sql.create}}
	for _, p := range t.spec.Partitions {
		out.Partitions = append(out.Partitions, syncer.PartitionIntent{Partition: p})
	}
	return out
}

func (t *Table) intend(x *tx) (out syncer.Intent, err error) {
	if t, err = t.intended(x); err != nil {
		return out, err
	}
	plan, err := t.design(x)
	var unfit *UnfitError
	switch {
	case errors.As(err, &unfit):
		out.Unfit = err.Error()
	case err != nil:
		return out, err
	}
	out.DDL = plan.ddl
	known, err := t.known(x)
	if err != nil {
		return out, err
	}
	there, err := x.defined("main", t.spec.Target)
	if err != nil {
		return out, err
	}
	out.Partitions, err = t.intendPartitions(x, known, there != "")
	return out, err
}

// knownPartition is a row of the watermark table.
type knownPartition struct {
	partition syncer.Partition
	st        state
}

// known reads the partitions that are known, and nothing where larder never
// wrote.
func (t *Table) known(x *tx) (out []knownPartition, err error) {
	// All columns, whichever there are: an older larder may have made them.
	err = once(x.Conn, x.names.sql(`SELECT * FROM "larder_watermark" WHERE table_name = ? ORDER BY partition`), func(s *sqlite.Stmt) error {
		out = append(out, knownPartition{syncer.ParsePartition(s.ColumnText(s.ColumnIndex("partition"))), scanState(s)})
		return nil
	}, t.spec.Target)
	if noTable(err, x.names) {
		return nil, nil
	}
	return out, err
}

// intendPartitions says what would become of the partitions: first those that
// the configuration has, then those that it has no more.
func (t *Table) intendPartitions(x *tx, known []knownPartition, there bool) (out []syncer.PartitionIntent, err error) {
	configured := t.spec.Partitions
	if t.spec.Changing {
		// Only the owner of the list knows which are to stay.
		configured = nil
		for _, k := range known {
			if !k.st.retired && k.partition.Name != "" {
				configured = append(configured, k.partition)
			}
		}
	}
	for _, p := range configured {
		i := slices.IndexFunc(known, func(k knownPartition) bool { return k.partition.Name == p.Name && !k.st.isList })
		next := syncer.PartitionIntent{Partition: p}
		if i < 0 {
			if next.Rows, err = t.rowsOf(x, p, there); err != nil {
				return out, err
			}
		} else if next, err = t.intendKept(p, known[i].st); err != nil {
			return out, err
		}
		out = append(out, next)
	}
	retired, err := t.intendRetired(x, known, configured, there)
	return append(out, retired...), err
}

func (t *Table) intendKept(p syncer.Partition, st state) (out syncer.PartitionIntent, err error) {
	out = syncer.PartitionIntent{Partition: p, Kept: true, Rows: st.rows}
	if t.void(st) {
		out.Void = "it was kept of a source that was asked or read in another way"
	}
	// Near enough for people, and the only clock at hand.
	out.Standing, err = t.standing(st, instant(float64(time.Now().UnixMicro())/1e6))
	return out, err
}

// intendRetired says what Prepare would do with the partitions that go.
func (t *Table) intendRetired(x *tx, known []knownPartition, configured []syncer.Partition, there bool) (out []syncer.PartitionIntent, err error) {
	sum := 0
	for _, k := range known {
		stays := slices.ContainsFunc(configured, func(p syncer.Partition) bool { return p.Name == k.partition.Name })
		if stays || k.st.isList || t.spec.Changing && k.partition.Name == "" {
			continue
		}
		next, err := t.intendKept(k.partition, k.st)
		if err != nil {
			return out, err
		}
		next.Retired, next.Rows = true, 0
		if _, goes := t.owned(k.partition, configured); goes {
			if next.Rows, err = t.rowsOf(x, k.partition, there); err != nil {
				return out, err
			}
		}
		sum += int(next.Rows)
		out = append(out, next)
	}
	if sum == 0 {
		return out, nil
	}
	total, err := x.count(t.sql.countAll)
	if err != nil {
		return out, err
	}
	for i := range out {
		out[i].Held = out[i].Rows > 0 && t.spec.Guard.Holds(sum, int(total))
	}
	return out, nil
}

// rowsOf counts the rows of a partition in a table that may not be there, or
// not have the columns yet.
func (t *Table) rowsOf(x *tx, p syncer.Partition, there bool) (int64, error) {
	scope, err := t.scope(p)
	if err != nil || !there {
		return 0, nil
	}
	n, err := x.count(t.sql.countRows, scope...)
	if err != nil && sqlite.ErrCode(err) == sqlite.ResultError {
		return 0, nil
	}
	return n, err
}
