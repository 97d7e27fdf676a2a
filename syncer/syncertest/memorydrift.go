package syncertest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// memField is what is known of a field that nobody named.
type memField struct {
	row.Known
	since time.Time
	// told fields stand in the status, added ones have a column that is kept.
	told, added bool
}

func (t *memTable) known() (all []row.Known) {
	for _, f := range t.fields {
		all = append(all, f.Known)
	}
	return all
}

// note writes down what became of a field.
func (t *memTable) note(k row.Known, now time.Time) {
	f := memField{Known: k, since: now, told: !k.Column, added: k.Column}
	if i := slices.IndexFunc(t.fields, func(f memField) bool { return f.Name == k.Name }); i >= 0 {
		f.since = t.fields[i].since
		t.fields[i] = f
		return
	}
	t.fields = append(t.fields, f)
}

// current is the table with the columns that were added so far.
func (t *MemoryTable) current() *MemoryTable {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	return t.grown(t.d.tables[t.spec.Target])
}

// grown is the table with the columns that were added to tab.
func (t *MemoryTable) grown(tab *memTable) *MemoryTable {
	if tab == nil || tab.forgotten {
		return t
	}
	stays, _ := t.spec.Recall(tab.known(), exactly)
	return &MemoryTable{d: t.d, spec: t.spec.With(t.spec.Kept(stays)), heard: t.heard, begun: t.begun}
}

func exactly(name string) string { return name }

// recall brings what is known of fields to what is configured.
func (t *MemoryTable) recall(tab *memTable) {
	_, forget := t.spec.Recall(tab.known(), exactly)
	tab.fields = slices.DeleteFunc(slices.Clone(tab.fields), func(f memField) bool { return slices.Contains(forget, f.Name) })
	for i := range tab.fields {
		if f := &tab.fields[i]; f.Column {
			f.added, f.told = t.spec.Drift == row.DriftAdd, t.spec.Drift == row.DriftNote
		}
	}
	t.heard.Forget()
}

// follow folds batches, having added columns for, or noted, what nobody named.
func (t *MemoryTable) follow(w syncer.Walk, batches []*syncer.Batch) (*MemoryTable, row.Folded, error) {
	now := t.current()
	folded := now.spec.Fold(batches, w.Kind.Listing())
	if w.Kind == syncer.Audit || !t.heard.News(&now.spec, w.ID, folded.Unnamed) {
		return now, folded, nil
	}
	if err := now.spec.Drifted(folded); err != nil {
		return now, folded, err
	}
	if err := t.d.write(t.spec.Target, func(tab *memTable) error { return t.learn(tab, folded.Unnamed) }); err != nil {
		return now, folded, err
	}
	t.heard.Note(&now.spec, w.ID, folded.Unnamed, nil)
	now = t.current()
	return now, now.spec.Fold(batches, w.Kind.Listing()), nil
}

func (t *MemoryTable) learn(tab *memTable, found []row.Unnamed) error {
	target := row.Target{Made: tab.made, Columns: tab.columns, Reserved: []string{"oid"}, Fold: exactly,
		Add: func(a row.Added) string {
			return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.spec.Target, a.Name, a.Type)
		}}
	before := &t.grown(tab).spec
	add, notes := t.spec.Follow(found, tab.known(), target)
	now := time.Now()
	for _, a := range add {
		tab.note(row.Known{Added: a, Column: true}, now)
		tab.columns = append(slices.Clone(tab.columns), a.Name)
	}
	for _, n := range notes {
		tab.note(row.Known{Added: row.Added{Name: n.Name}, Why: n.Why}, now)
	}
	if len(add) > 0 {
		spec := t.grown(tab).spec
		t.begun.Grow(before, &spec)
		tab.widen(spec)
		tab.spec = spec
		tab.outgrown()
	}
	return nil
}

// tell adds to a status what is known of fields.
func (t *memTable) tell(s *syncer.Status) {
	fields := slices.SortedFunc(slices.Values(t.fields), func(a, b memField) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.Name, b.Name))
	})
	for _, f := range fields {
		switch {
		case f.added:
			s.Added = append(s.Added, syncer.AddedColumn{Name: f.Name, Type: f.Type.String(), Since: f.since})
		case f.told:
			s.Unnamed = append(s.Unnamed, syncer.Unnamed{Name: f.Name, Why: f.Why, Since: f.since})
		}
	}
}
