package syncertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Prepare implements syncer.Keeper.
func (t *MemoryTable) Prepare(context.Context) error {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.tables == nil {
		t.d.tables = make(map[string]*memTable)
	}
	if tab := t.d.tables[t.spec.Target]; tab != nil {
		tab.lose()
		t.recall(tab)
		t = t.grown(tab)
	}
	ddl, columns, unfit := t.fit()
	if unfit != nil {
		return unfit
	}
	tab := t.d.tables[t.spec.Target]
	if tab == nil || tab.forgotten {
		fresh := newMemTable()
		if tab != nil {
			fresh.rows, fresh.marked, fresh.spec, fresh.types = tab.rows, tab.marked, tab.spec, tab.types
		}
		fresh.made, fresh.dropped = len(ddl) > 0 && (tab == nil || tab.dropped), tab != nil && tab.dropped
		tab = fresh
		t.d.tables[t.spec.Target] = tab
	}
	switch {
	case tab.dropped:
		tab.void()
	case len(ddl) > 0:
		tab.refill()
	}
	tab.widen(t.spec)
	tab.unmark(t.spec)
	tab.spec, tab.columns = t.spec, columns
	return tab.configure()
}

func newMemTable() *memTable {
	return &memTable{rows: make(map[string]row.Row), marked: make(map[string]memMarked), parts: make(map[string]*memPart),
		gone: make(map[string]memGone), quarantine: make(map[string]syncer.Quarantined)}
}

// fit says what the target lacks: the statements that make it fit, the columns
// that it then has, or why it is refused. Only a table that larder made is
// altered.
func (t *MemoryTable) fit() (ddl, columns []string, unfit error) {
	tab := t.d.tables[t.spec.Target]
	if tab == nil || tab.dropped {
		for _, c := range wanted(t.spec) {
			columns = append(columns, c.Name)
		}
		return []string{fmt.Sprintf("CREATE TABLE %s (%s)", t.spec.Target, strings.Join(columns, ", "))}, columns, nil
	}
	columns = slices.Clone(tab.columns)
	for _, c := range wanted(t.spec) {
		if slices.Contains(columns, c.Name) {
			continue
		}
		add := fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s", t.spec.Target, c.Name)
		if !tab.made || c.NotNull {
			return nil, nil, fmt.Errorf("table %q has no column %q: run %s", t.spec.Target, c.Name, add)
		}
		ddl, columns = append(ddl, add), append(columns, c.Name)
	}
	return ddl, columns, nil
}

// wanted are the columns that the target has to have.
func wanted(s row.Spec) []row.Column {
	if s.Mark == "" {
		return s.Columns
	}
	return append(slices.Clone(s.Columns), row.Column{Name: s.Mark})
}

// widen brings the rows to the columns of another spec; new ones are null.
func (t *memTable) widen(spec row.Spec) {
	if slices.EqualFunc(t.spec.Columns, spec.Columns, func(a, b row.Column) bool { return a.Name == b.Name }) {
		return
	}
	widened := func(r row.Row) row.Row {
		values := make([]any, len(spec.Columns))
		for i, c := range spec.Columns {
			if old := slices.IndexFunc(t.spec.Columns, func(o row.Column) bool { return o.Name == c.Name }); old >= 0 {
				values[i] = r.Values[old]
			}
		}
		r.Values = values
		return r
	}
	for key, r := range t.rows {
		t.rows[key] = widened(r)
	}
	for key, r := range t.marked {
		t.marked[key] = memMarked{widened(r.Row), r.at}
	}
}

// unmark makes marked rows what they are to a spec that marks none: rows.
func (t *memTable) unmark(spec row.Spec) {
	if t.spec.Mark == "" || spec.Mark != "" {
		return
	}
	for key, r := range t.marked {
		t.rows[key] = r.Row
	}
	clear(t.marked)
}

// drop deletes a row, or marks it.
func (t *memTable) drop(key string) {
	if r, there := t.rows[key]; there && t.spec.Mark != "" {
		t.marked[key] = memMarked{r, time.Now()}
	}
	delete(t.rows, key)
}

// put writes a row, whatever became of it before.
func (t *memTable) put(r row.Row) {
	delete(t.marked, r.Key)
	t.rows[r.Key] = r
}

// configure brings the partitions to what is configured.
func (t *memTable) configure() error {
	if t.spec.Changing {
		t.roster()
		t.outgrown()
		return nil
	}
	if p := t.parts[""]; p != nil && (p.roster || len(t.spec.Partitions) > 0 && !t.has("")) {
		delete(t.parts, "") // it was a list of partitions, or is cut into parts
	}
	for _, p := range t.spec.Partitions {
		t.part(p.Name)
	}
	for name, p := range t.parts {
		p.retire(!t.has(name))
	}
	if err := t.retireAll(); err != nil {
		return err
	}
	t.outgrown()
	return nil
}

// outgrown asks for a resync of the partitions that are complete under another
// shape alone.
func (t *memTable) outgrown() {
	for _, p := range t.parts {
		if held := p.Position.Shape; held != "" && !p.AsOf.IsZero() && !p.retired && !syncer.ShapeCovers(held, t.spec.Shape) {
			p.Resync = true
		}
	}
}

func (t *memTable) has(name string) bool {
	return slices.ContainsFunc(t.spec.Partitions, func(p syncer.Partition) bool { return p.Name == name })
}

// retireAll sweeps the partitions that there are no more: the guard looks at all
// of them together and at the whole table, and what it holds waits to be
// accepted.
func (t *memTable) retireAll() error {
	sum := 0
	for name, p := range t.parts {
		if !p.retired {
			continue
		}
		left, err := t.orphans(name)
		if err != nil {
			return err
		}
		before := p.missing
		p.missing = make(map[string]memMissing)
		for _, key := range left {
			p.missing[key] = memMissing{walks: t.spec.Confirm, present: before[key].present}
		}
		sum += len(left)
	}
	hold := t.spec.Guard.Holds(sum, len(t.rows))
	for name, p := range t.parts {
		switch {
		case p.retired && hold && len(p.missing) > 0:
			p.Position.Resume, p.Listing = nil, nil // no walk goes on in it
		case p.retired:
			t.retire(name)
		}
	}
	return nil
}

// retire marks a partition that there is no more. Of one that is there again
// nothing is held that was held for its removal.
func (p *memPart) retire(gone bool) {
	if p.retired && !gone {
		p.missing = make(map[string]memMissing)
	}
	p.retired = gone
}

// retire deletes what is left of a partition and forgets it.
func (t *memTable) retire(name string) {
	for key := range t.parts[name].missing {
		t.drop(key)
	}
	maps.DeleteFunc(t.quarantine, func(_ string, q syncer.Quarantined) bool { return q.Partition == name })
	delete(t.parts, name)
}

// held counts the rows of the partitions that are known.
func (t *memTable) held() (n int64) {
	for name, p := range t.parts {
		columns, values, err := t.spec.PartitionValues(syncer.ParsePartition(name))
		if err != nil || p.roster {
			continue
		}
		for _, r := range t.rows {
			if within(r, columns, values) {
				n++
			}
		}
	}
	return n
}

// orphans are the rows that go with a partition: none if rows are kept, or if
// another partition has the same.
func (t *memTable) orphans(name string) ([]string, error) {
	columns, values, err := t.spec.PartitionValues(syncer.ParsePartition(name))
	if err != nil || t.spec.Keep || t.covered(name) {
		return nil, err
	}
	var out []string
	for key, r := range t.rows {
		if within(r, columns, values) {
			out = append(out, key)
		}
	}
	return out, nil
}

// covered reports whether a partition that stays has the same rows.
func (t *memTable) covered(name string) bool {
	spec := t.spec
	for other, p := range t.parts {
		if spec.Changing && !p.roster && !p.retired {
			spec.Partitions = append(spec.Partitions, syncer.ParsePartition(other))
		}
	}
	return spec.Covers(syncer.ParsePartition(name))
}

// Repartition implements syncer.Keeper.
func (t *MemoryTable) Repartition(_ context.Context, parts []syncer.Partition, asked time.Time) error {
	t = t.current()
	return t.d.write(t.spec.Target, func(tab *memTable) error {
		tab.spec = t.spec
		roster := tab.roster()
		for name, p := range tab.parts {
			p.retire(!p.roster && !slices.ContainsFunc(parts, func(q syncer.Partition) bool { return q.Name == name }))
		}
		for _, q := range parts {
			if _, known := tab.parts[q.Name]; !known {
				p := tab.part(q.Name)
				p.AsOf, p.DeletesAsOf, p.Paused = roster.AsOf, roster.AsOf, roster.Paused
			}
		}
		if err := tab.retireAll(); err != nil {
			return err
		}
		now := time.Now()
		roster.AsOf = later(roster.AsOf, now.Add(-syncer.Age(asked, now)))
		roster.DeletesAsOf = roster.AsOf
		roster.failure, roster.failed, roster.failingSince, roster.next = nil, "", time.Time{}, time.Time{}
		return nil
	})
}

// roster is the part that stands for the list of partitions, made out of that of
// the whole if there was one: what that knew as a copy is over.
func (t *memTable) roster() *memPart {
	if p := t.parts[""]; p != nil && !p.roster {
		delete(t.parts, "")
		maps.DeleteFunc(t.quarantine, func(_ string, q syncer.Quarantined) bool { return q.Partition == "" })
		t.part("").FirstSeen, t.part("").Paused = p.FirstSeen, p.Paused
	}
	p := t.part("")
	p.roster = true
	return p
}
