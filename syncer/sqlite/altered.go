package sqlite

import (
	"github.com/larder-sync/larder/syncer/row"
)

// The table is its consumer's to drop, and so are its columns. What larder knows
// of the copy is true of what it wrote alone.

// distrust brings what is known of the partitions to what Prepare found: a table
// that had to be created is empty, and a column that had to be added is.
func (t *Table) distrust(x *tx, plan design) error {
	switch {
	case plan.creates:
		return t.forgetPositions(x)
	case len(plan.ddl) > 0:
		err := x.exec(`UPDATE "larder_watermark" SET resync = resync OR as_of IS NOT NULL, validator = ''
			WHERE table_name = ? AND parts = 0 AND retired = 0`, t.spec.Target)
		if err != nil {
			return err
		}
		return t.beginAgain(x)
	}
	return nil
}

// forgetPositions makes all partitions as if they had never been polled. The
// list of them is none the worse.
func (t *Table) forgetPositions(x *tx) error {
	err := x.exec(`DELETE FROM "larder_watermark" WHERE table_name = ? AND retired <> 0`, t.spec.Target) // nothing of it is held any more
	if err != nil {
		return err
	}
	partitions, states, err := t.states(x)
	if err != nil {
		return err
	}
	for i, st := range states {
		if st.isList {
			continue
		}
		if err := t.clean(x, partitions[i]); err != nil {
			return err
		}
	}
	return x.exec(`UPDATE "larder_watermark" SET `+neverPolled+`, last_poll = NULL WHERE table_name = ? AND parts = 0`, t.spec.Target)
}

// beginAgain makes unfinished walks begin again: what they have read so far
// lacks a column.
func (t *Table) beginAgain(x *tx) error {
	return x.exec(`UPDATE "larder_watermark" SET list_resume = NULL, list_sent = NULL,
			resume = iif(shape = '', NULL, resume), walk_sent = iif(shape = '', NULL, walk_sent)
		WHERE table_name = ? AND parts = 0`, t.spec.Target)
}

// lost parts what is known of fields by whether their columns are there still.
// A table that is not there gets them when it is created.
func (t *Table) lost(x *tx, known []row.Known) (stays []row.Known, lost []row.Added, err error) {
	e, err := inspect(x, t.spec.Target)
	if err != nil || e.kind == "" {
		return known, nil, err
	}
	var columns []string
	for name := range e.columns {
		columns = append(columns, name)
	}
	stays, lost = row.Lost(known, columns, fold)
	return stays, lost, nil
}

// forgetLost forgets the columns that were added and that the consumer dropped,
// and returns what stays known.
func (t *Table) forgetLost(x *tx, known []row.Known) ([]row.Known, error) {
	known, lost, err := t.lost(x, known)
	if err != nil || len(lost) == 0 {
		return known, err
	}
	for _, a := range lost {
		if err := x.exec(`DELETE FROM "larder_field" WHERE table_name = ? AND name = ?`, t.spec.Target, a.Name); err != nil {
			return nil, err
		}
	}
	partitions, states, err := t.states(x)
	if err != nil {
		return nil, err
	}
	for i, st := range states {
		err := x.exec(`UPDATE "larder_watermark" SET shape = ? WHERE table_name = ? AND partition = ?`,
			row.ShapeWithout(st.shape, lost), t.spec.Target, partitions[i])
		if err != nil {
			return nil, err
		}
	}
	return known, t.beginAgain(x)
}
