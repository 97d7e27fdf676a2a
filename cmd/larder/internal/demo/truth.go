package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// compare holds plain SQL against the owner's memory, column by column, and
// returns how many rows there are and what differs.
func (c *consumer) compare(ctx context.Context, t copied, owner *owners.Service) (rows int, differences []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	have, err := c.db.query(ctx, t.selectAll())
	if err != nil {
		return 0, nil, fmt.Errorf("read %s.%s: %w", c.name, t.table, err)
	}
	return len(have), t.differences(owner.Truth(), have), nil
}

// differences says how the rows of a copy differ from the owner's.
func (t copied) differences(truth, have []owners.Row) []string {
	want := make(map[string]owners.Row)
	for _, r := range truth {
		want[t.keyOf(r)] = r
	}
	var out []string
	for _, r := range have {
		key := t.keyOf(r)
		owned, known := want[key]
		if !known {
			// Either way: a row met twice was taken from want when first met.
			out = append(out, key+": the owner has no such row, or the copy has it twice")
			continue
		}
		delete(want, key)
		for _, column := range t.columns {
			if show(owned, column) != show(r, column) {
				out = append(out, fmt.Sprintf("%s: %s is %s, the owner has %s", key, column, show(r, column), show(owned, column)))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		out = append(out, key+": the copy has no such row")
	}
	return out
}

func (t copied) keyOf(r owners.Row) string {
	var parts []string
	for _, k := range t.key {
		parts = append(parts, k+" "+show(r, k))
	}
	return strings.Join(parts, ", ")
}

// show is a value as it is told apart from all others: null from "NULL" too.
func show(r owners.Row, column string) string {
	v, ok := r[column]
	if !ok {
		return "NULL"
	}
	return fmt.Sprintf("%q", v)
}
