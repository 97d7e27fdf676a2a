package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/row/expression"
)

// conditionOf makes the table's condition, which reads its fields from the path
// set; nil for none.
func conditionOf(t *config.Table, set *pathSet) (row.Condition, error) {
	if t.Where == "" {
		return nil, nil
	}
	_, paths, err := expression.Condition(t.Where, nil)
	if err != nil {
		return nil, err
	}
	condition, _, err := expression.Condition(t.Where, inSlots(paths, set))
	return condition, err
}

// computedOf makes what computes a column.
func computedOf(c config.Column, column row.Column, set *pathSet) (row.Expression, error) {
	_, paths, err := expression.Value(c.Expr, column, nil)
	if err != nil {
		return nil, err
	}
	computed, _, err := expression.Value(c.Expr, column, inSlots(paths, set))
	return computed, err
}

func inSlots(paths []string, set *pathSet) []expression.Field {
	var fields []expression.Field
	for _, path := range paths {
		fields = append(fields, expression.Field{Path: path, Slot: set.slot(path)})
	}
	return fields
}

// expressionMistakes are the expressions that are none, or that can never hold,
// of all tables.
func expressionMistakes(c *config.Config) config.Mistakes {
	var mistakes config.Mistakes
	// Columns of a source are those of several tables.
	note := func(keyPath string, err error) {
		if err != nil && strings.Contains(err.Error(), `Operator("=")`) {
			err = fmt.Errorf("%w; two values are compared by ==", err)
		}
		if m := c.Mistake(keyPath, "%v", err); err != nil && !slices.Contains(mistakes, m) {
			mistakes = append(mistakes, m)
		}
	}
	for _, t := range c.Tables {
		if t.Where != "" {
			_, paths, err := expression.Condition(t.Where, nil)
			if err == nil {
				_, _, err = expression.Condition(t.Where, declared(t, paths))
			}
			note(t.KeyPath+".where", err)
		}
		for _, column := range t.Columns {
			if column.Expr != "" {
				note(column.ExprPath, checkComputed(t, column))
			}
		}
	}
	return mistakes
}

func checkComputed(t *config.Table, c config.Column) error {
	column, err := columnOf(c, &pathSet{index: make(map[string]int)}, readsCSV(t.Source))
	if err != nil {
		return err
	}
	_, paths, err := expression.Value(c.Expr, column, nil)
	if err != nil {
		return err
	}
	if _, _, err = expression.Value(c.Expr, column, declared(t, paths)); err != nil {
		return err
	}
	if !t.Source.Records.Partial {
		return nil
	}
	for _, path := range paths {
		if !everywhere(t.Source, path) {
			return fmt.Errorf("reads %s, and source %q sends parts of records: of a change that leaves it out nothing could be computed; compute in a view", path, t.Source.Name)
		}
	}
	return nil
}

// everywhere reports whether every record has the field, even one that carries
// only what changed: it is part of the key, or the partition's.
func everywhere(s *config.Source, path string) bool {
	p, err := config.ParsePath(path)
	if err != nil {
		return false
	}
	_, each := p.Each()
	return each || slices.ContainsFunc(s.Records.Key, p.Equal)
}

// declared says of the paths which columns are read from them whenever they are
// there. From a field that is not the first of its column, nothing is read where
// the first is there.
func declared(t *config.Table, paths []string) []expression.Field {
	var fields []expression.Field
	for _, path := range paths {
		p, err := config.ParsePath(path)
		if err != nil {
			continue
		}
		f := expression.Field{Path: path, Slot: -1}
		for _, c := range t.Columns {
			if len(c.From) == 0 || !c.From[0].Equal(p) {
				continue
			}
			if column, err := columnOf(c, &pathSet{index: make(map[string]int)}, readsCSV(t.Source)); err == nil {
				f.Columns = append(f.Columns, column)
			}
		}
		fields = append(fields, f)
	}
	return fields
}
