package sqlite

import (
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// retire sweeps the partitions that are configured no more. The guard looks at
// the whole table, because the whole table is what a mistake in the
// configuration may cost; what it holds waits to be accepted.
func (t *Table) retire(x *tx) error {
	if len(t.spec.Partitions) == 0 {
		return nil
	}
	var retired []string
	err := x.each(`SELECT partition FROM "larder_watermark" WHERE table_name = ? ORDER BY partition`, func(s *sqlite.Stmt) error {
		name := s.ColumnText(0)
		if !slices.ContainsFunc(t.spec.Partitions, func(p syncer.Partition) bool { return p.Name == name }) {
			retired = append(retired, name)
		}
		return nil
	}, t.spec.Target)
	if err != nil || len(retired) == 0 {
		return err
	}
	total, err := x.count(t.sql.countAll)
	if err != nil {
		return err
	}
	for _, name := range retired {
		if err := t.retireOne(x, syncer.ParsePartition(name), int(total)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) retireOne(x *tx, p syncer.Partition, total int) error {
	missing, err := t.missAll(x, p)
	if err != nil {
		return err
	}
	if t.spec.Guard.Holds(missing, total) {
		return x.exec(`UPDATE "larder_watermark" SET held = ?, resume = NULL, walk_sent = NULL WHERE table_name = ? AND partition = ?`,
			missing, t.spec.Target, p.Name)
	}
	if _, err := t.deleteConfirmed(x, p.Name); err != nil {
		return err
	}
	if err := t.dropNotes(x, p.Name); err != nil {
		return err
	}
	if err := x.exec(`DELETE FROM "larder_quarantine" WHERE table_name = ? AND partition = ?`, t.spec.Target, p.Name); err != nil {
		return err
	}
	return x.exec(`DELETE FROM "larder_watermark" WHERE table_name = ? AND partition = ?`, t.spec.Target, p.Name)
}

// missAll takes all rows of a partition for missing and counts them. Rows that
// no column tells from those of other partitions are theirs.
func (t *Table) missAll(x *tx, p syncer.Partition) (int, error) {
	if err := run(x.Conn, t.sql.forgetMissing, p.Name); err != nil {
		return 0, err
	}
	scope, err := t.scope(p)
	if err != nil || t.spec.Covers(p) {
		return 0, nil // no row can hold values that do not fit its column
	}
	err = run(x.Conn, t.sql.missAll, append([]any{p.Name, t.spec.Confirm}, scope...)...)
	return x.Changes(), err
}
