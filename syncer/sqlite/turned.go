package sqlite

import (
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// leaves reports whether a record that is turned down is left to a list and its
// guard: where a resync is due because the table takes other records than its
// rows were taken by, and where a sweep has its row already.
func (m *merge) leaves(r row.Row, key []any) (bool, error) {
	switch {
	case !r.Turned || m.w.Kind != syncer.Changes:
		return false, nil
	case m.outgrown(&m.st):
		return true, nil
	case !m.anyMissing:
		return false, nil
	}
	n, err := m.x.count(m.sql.isMissing, append([]any{m.w.Partition.Name}, key...)...)
	return n > 0, err
}

// outgrown reports whether a partition is complete under another shape alone, so
// that a resync of it is due.
func (t *Table) outgrown(st *state) bool {
	return st.shape != "" && !syncer.ShapeCovers(st.shape, t.spec.Shape)
}

// askAgain notes that a resync is due of the partitions that are outgrown, so
// that the view tells of it.
func (t *Table) askAgain(x *tx) error {
	partitions, states, err := t.states(x)
	if err != nil {
		return err
	}
	for i, st := range states {
		if st.resync || st.retired || st.asOf == 0 || !t.outgrown(&st) {
			continue
		}
		if err := x.exec(`UPDATE "larder_watermark" SET resync = 1 WHERE table_name = ? AND partition = ?`, t.spec.Target, partitions[i]); err != nil {
			return err
		}
	}
	return nil
}
