package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// driftOf maps what becomes of fields that nobody named.
func driftOf(d config.Drift) row.Drift {
	if d == config.DriftIgnore {
		return row.DriftIgnore
	}
	return row.Drift(d)
}

// fields are those that paths begin with.
func fields(paths []string) []string {
	var out []string
	for _, path := range paths {
		if name, ok := sources.FieldOf(path); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// unnamed says whether a source has to tell the fields that nobody named, and
// which it tells though some of its tables name them: one that adds columns may
// have added one for such a field before another table named it.
func unnamed(tables []*builtTable, paths []string) (told bool, open []string) {
	for _, t := range tables {
		told = told || t.spec.Drift != row.DriftIgnore
		if t.spec.Drift != row.DriftAdd {
			continue
		}
		own := fields(t.reads)
		for _, name := range fields(paths) {
			if !slices.Contains(own, name) && !slices.Contains(open, name) {
				open = append(open, name)
			}
		}
	}
	return told, open
}

// name tells a table which fields somebody named.
func (b *builtTable) name(src *sources.Source) {
	if b.spec.Drift == row.DriftIgnore {
		return
	}
	own := fields(b.reads)
	b.spec.Named = src.Names()
	b.spec.Others = slices.DeleteFunc(src.Names(), func(name string) bool { return slices.Contains(own, name) || src.Reads(name) })
}

// unnamedField is a field that nobody named, as --json prints it. Why says why
// no column was added for it.
type unnamedField struct {
	Name  string    `json:"name"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// addedColumn is a column that was added for one, as --json prints it.
type addedColumn struct {
	Name  string    `json:"name"`
	Type  string    `json:"type"`
	Since time.Time `json:"since"`
}

// takeFields takes over what the database says of fields that nobody named.
func (l *line) takeFields(s syncer.Status) {
	for _, f := range s.Unnamed {
		l.Unnamed = append(l.Unnamed, unnamedField{f.Name, f.Why, f.Since.UTC().Truncate(time.Millisecond)})
	}
	for _, c := range s.Added {
		l.Added = append(l.Added, addedColumn{c.Name, c.Type, c.Since.UTC().Truncate(time.Millisecond)})
	}
	if told := fieldsNote(l.Unnamed); told != "" {
		l.Reason = join(l.Reason, told)
	}
}

// fieldsNote tells of the oldest fields that nobody named.
func fieldsNote(all []unnamedField) string {
	const most = 5
	if len(all) == 0 {
		return ""
	}
	var names []string
	for _, f := range all[:min(len(all), most)] {
		name := fmt.Sprintf("%q", f.Name)
		if f.Why != "" {
			name += " (" + f.Why + ")"
		}
		names = append(names, name)
	}
	text := "nobody named " + strings.Join(names, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	since := all[0].Since
	return text + " since " + clock(&since)
}
