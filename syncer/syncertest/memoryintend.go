package syncertest

import (
	"context"
	"slices"
	"strings"

	"github.com/larder-sync/larder/syncer"
)

// Intend says what Prepare would do, and does nothing.
func (t *MemoryTable) Intend(context.Context) (syncer.Intent, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	t = t.grown(t.d.tables[t.spec.Target])
	ddl, _, unfit := t.fit()
	out := syncer.Intent{DDL: ddl}
	if unfit != nil {
		out.Unfit = unfit.Error()
	}
	tab := newMemTable()
	if held := t.d.tables[t.spec.Target]; held != nil {
		tab = held.clone()
		if held.forgotten {
			tab.parts = make(map[string]*memPart)
		}
	}
	tab.spec = t.spec
	parts := slices.Clone(t.spec.Partitions)
	for name, p := range tab.parts {
		if !tab.has(name) && !p.roster && (name != "" || t.spec.Changing) {
			parts = append(parts, syncer.ParsePartition(name))
		}
	}
	for _, p := range parts {
		intent, err := tab.intend(p)
		if err != nil {
			return syncer.Intent{}, err
		}
		out.Partitions = append(out.Partitions, intent)
	}
	return out, nil
}

// intend says what would become of one partition.
func (t *memTable) intend(p syncer.Partition) (syncer.PartitionIntent, error) {
	out := syncer.PartitionIntent{Partition: p}
	columns, values, err := t.spec.PartitionValues(p)
	if err != nil {
		return out, err
	}
	for _, r := range t.rows {
		if within(r, columns, values) {
			out.Rows++
		}
	}
	if known := t.parts[p.Name]; known != nil {
		out.Kept, out.Standing = true, known.standing(t.spec)
		if held := known.Position.Shape; held != "" && !syncer.SameSource(held, t.spec.Shape) {
			out.Void = "the source is asked otherwise"
		}
	}
	if !t.has(p.Name) && !t.spec.Changing {
		left, err := t.orphans(p.Name)
		out.Retired, out.Held = true, t.spec.Guard.Holds(len(left), len(t.rows))
		return out, err
	}
	return out, nil
}

// Create makes a table as its consumer would, without rows, for Prepare to
// adopt. Of a column's definition it looks at the name and the type alone.
func (m *Memory) Create(target string, columns ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tables == nil {
		m.tables = make(map[string]*memTable)
	}
	t := newMemTable()
	t.forgotten, t.types = true, make(map[string]string)
	for _, c := range columns {
		name, definition, _ := strings.Cut(c, " ")
		declared, _, _ := strings.Cut(definition, " ")
		t.columns, t.types[name] = append(t.columns, name), declared
	}
	m.tables[target] = t
}

// Alter gives a column of such a table another type.
func (m *Memory) Alter(target, column, declared string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tables[target].types[column] = declared
}
