package sqlite

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// quarantineLimit bounds how many records are set aside for one table. What
// comes beyond is only counted, in a row whose key is "".
const quarantineLimit = 10_000

// setAside puts records that do not fit into quarantine. A key that can be
// read has been seen, so that a misfit never deletes the good old row.
func (m *merge) setAside(misfits []row.Misfit) error {
	if len(misfits) == 0 {
		return nil
	}
	var held int64
	err := m.x.each(`SELECT count(*) FROM "larder_quarantine" WHERE table_name = ?`, func(s *sqlite.Stmt) error {
		held = s.ColumnInt64(0)
		return nil
	}, m.spec.Target)
	if err != nil {
		return err
	}
	for _, f := range misfits {
		overtaken, err := m.seeMisfit(f)
		if err != nil {
			return err
		}
		if overtaken {
			continue
		}
		m.done.Quarantined++
		isNew, err := m.keepMisfit(f, held < quarantineLimit)
		if err != nil {
			return err
		}
		if isNew {
			held++
		}
	}
	return nil
}

// seeMisfit notes the key of a record that does not fit, and reports whether
// changes have told of it since the list began. One of changes takes the key:
// what the list has of it is older.
func (m *merge) seeMisfit(f row.Misfit) (overtaken bool, err error) {
	if !f.Readable {
		return false, nil
	}
	if m.w.Kind.Listing() {
		if n, err := m.note(f.KeyValues, nil); err != nil || n.touched {
			return n.touched, err
		}
	} else if err := m.touch(f.KeyValues, false); err != nil {
		return false, err
	}
	return false, m.unmiss(f.KeyValues)
}

// keepMisfit stores a record, or only counts it where there is no room.
func (m *merge) keepMisfit(f row.Misfit, room bool) (isNew bool, err error) {
	target, partition := m.spec.Target, m.w.Partition.Name
	err = m.x.exec(`UPDATE "larder_quarantine" SET column_name = ?4, reason = ?5, record = ?6, last_seen = ?7, times = times + 1
		WHERE table_name = ?1 AND partition = ?2 AND key = ?3`, target, partition, f.Key, f.Column, f.Reason, f.Record, m.x.now)
	if err != nil || m.x.Changes() > 0 {
		return false, err
	}
	if !room {
		f = row.Misfit{Reason: fmt.Sprintf("more than %d records do not fit; this one stands for those beyond", quarantineLimit), Record: "{}"}
	}
	return room, m.x.exec(`INSERT INTO "larder_quarantine" (table_name, partition, key, column_name, reason, record, first_seen, last_seen)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) ON CONFLICT DO UPDATE SET last_seen = ?7, times = times + 1`,
		target, partition, f.Key, f.Column, f.Reason, f.Record, m.x.now)
}

// Quarantine lists at most limit records that were set aside for a table, the
// oldest first; for all tables where table is "".
func (d *Database) Quarantine(ctx context.Context, table string, limit int) ([]syncer.Quarantined, error) {
	var out []syncer.Quarantined
	err := d.read(ctx, func(c *sqlite.Conn) error {
		return each(c, d.names.sql(`SELECT table_name, partition, key, column_name, reason, record, first_seen, unixepoch('subsec')
			FROM "larder_quarantine" WHERE ?1 IN ('', table_name) ORDER BY first_seen, table_name, partition, key LIMIT ?2`), func(s *sqlite.Stmt) error {
			out = append(out, syncer.Quarantined{
				Table: s.ColumnText(0), Partition: s.ColumnText(1), Key: s.ColumnText(2),
				Column: s.ColumnText(3), Reason: s.ColumnText(4), Record: s.ColumnText(5),
				Since: instant(s.ColumnFloat(6)).local(instant(s.ColumnFloat(7))),
			})
			return nil
		}, table, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	return out, nil
}

// aside is a stored record that is looked at again.
type aside struct{ partition, key, record string }

// retry converts what was set aside again, and applies what fits.
func (t *Table) retry(x *tx, key string) (string, error) {
	var held []aside
	err := x.each(`SELECT partition, key, record FROM "larder_quarantine"
		WHERE table_name = ?1 AND key <> '' AND ?2 IN ('', key) ORDER BY partition, key`, func(s *sqlite.Stmt) error {
		held = append(held, aside{s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)})
		return nil
	}, t.spec.Target, key)
	if err != nil {
		return "", err
	}
	fit := 0
	for _, a := range held {
		ok, err := t.retryOne(x, a)
		if err != nil {
			return "", err
		}
		if ok {
			fit++
		}
	}
	return fmt.Sprintf("%d of %d records fit now and are applied", fit, len(held)), nil
}

// retryOne applies one record as a walk of changes would, if it fits.
func (t *Table) retryOne(x *tx, a aside) (bool, error) {
	r, misfit, err := t.strict.Load().Retry(a.record)
	if err != nil || misfit != nil {
		reason := ""
		if err != nil {
			reason = err.Error()
		} else {
			reason = misfit.Reason
		}
		return false, x.exec(`UPDATE "larder_quarantine" SET reason = ? WHERE table_name = ? AND partition = ? AND key = ?`,
			reason, t.spec.Target, a.partition, a.key)
	}
	m := merge{Table: t, x: x, w: syncer.Walk{Kind: syncer.Changes, Partition: syncer.Partition{Name: a.partition}}}
	before, err := t.state(x, m.w.Partition)
	if err != nil {
		return false, err
	}
	m.st = before
	if err := m.records(row.Folded{Upserts: []row.Row{r}, Records: 1}); err != nil {
		return false, err
	}
	if err := t.keepWalk(x, m.w.Partition, before, m.st); err != nil {
		return false, err
	}
	if m.done.Quarantined > 0 {
		return false, nil // half a row, and none to add it to
	}
	// A key that could not be read was stored under another name.
	return true, t.dropAside(x, a)
}

func (t *Table) dropAside(x *tx, a aside) error {
	return x.exec(`DELETE FROM "larder_quarantine" WHERE table_name = ? AND partition = ? AND key = ?`, t.spec.Target, a.partition, a.key)
}

// drop throws records away that were set aside.
func (t *Table) drop(x *tx, key string) (string, error) {
	err := x.exec(`DELETE FROM "larder_quarantine" WHERE table_name = ?1 AND ?2 IN ('', key)`, t.spec.Target, key)
	return fmt.Sprintf("%d records dropped", x.Changes()), err
}
