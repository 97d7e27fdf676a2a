package syncertest

import (
	"fmt"
	"slices"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Drop drops a table as its consumer would: what is known of it stays.
func (m *Memory) Drop(target string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tables[target]
	t.dropped, t.made, t.columns, t.types = true, false, nil, nil
	clear(t.rows)
	clear(t.marked)
}

// DropColumn drops a column of a table as its consumer would.
func (m *Memory) DropColumn(target, column string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tables[target]
	t.columns = slices.DeleteFunc(slices.Clone(t.columns), func(c string) bool { return c == column })
	if column == t.spec.Mark {
		for key, r := range t.marked {
			t.rows[key] = r.Row
		}
		clear(t.marked)
	}
	for i, c := range t.spec.Columns {
		if c.Name != column {
			continue
		}
		for _, r := range t.rows {
			r.Values[i] = nil
		}
		for _, r := range t.marked {
			r.Values[i] = nil
		}
	}
}

// altered says that the table is not what it was when it was prepared.
func (t *memTable) altered(spec row.Spec) error {
	if t.dropped {
		return fmt.Errorf("%w: table %q is not there", syncer.ErrAltered, spec.Target)
	}
	for _, c := range wanted(spec) {
		if !slices.Contains(t.columns, c.Name) {
			return fmt.Errorf("%w: table %q has no column %q", syncer.ErrAltered, spec.Target, c.Name)
		}
	}
	return nil
}

// lose forgets the columns that were added and that the consumer dropped.
func (t *memTable) lose() {
	if t.dropped {
		return
	}
	_, lost := row.Lost(t.known(), t.columns, exactly)
	if len(lost) == 0 {
		return
	}
	t.fields = slices.DeleteFunc(slices.Clone(t.fields), func(f memField) bool {
		return slices.ContainsFunc(lost, func(a row.Added) bool { return a.Name == f.Name })
	})
	for _, p := range t.parts {
		p.Position.Shape = row.ShapeWithout(p.Position.Shape, lost)
		p.begin()
	}
}

// void makes all partitions of a table that was dropped as if they had never
// been polled. The list of them is none the worse.
func (t *memTable) void() {
	t.dropped, t.made = false, true
	clear(t.quarantine)
	for name, p := range t.parts {
		switch {
		case p.retired:
			delete(t.parts, name) // nothing of it is held any more
		case !p.roster:
			delete(t.parts, name)
			t.part(name).FirstSeen, t.part(name).Paused = p.FirstSeen, p.Paused
		}
	}
}

// refill asks for everything again, because a column was added that no row has.
func (t *memTable) refill() {
	for _, p := range t.parts {
		if !p.roster && !p.retired {
			p.Resync, p.Position.Validator = p.Resync || !p.AsOf.IsZero(), ""
			p.begin()
		}
	}
}

// begin makes unfinished walks begin again: what they have read so far lacks a
// column.
func (p *memPart) begin() {
	p.Listing = nil
	if p.Position.Shape == "" {
		p.Position.Resume = nil
	}
}
