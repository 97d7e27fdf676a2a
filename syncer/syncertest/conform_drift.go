package syncertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// plus is a record with fields that nobody named: name, JSON, name, JSON …
func plus(r syncer.Record, fields ...string) syncer.Record {
	for pair := range slices.Chunk(fields, 2) {
		r.Unnamed = append(r.Unnamed, syncer.Field{Name: pair[0], Raw: []byte(pair[1])})
	}
	return r
}

// drifts makes the table one that follows new fields so.
func (b *bench) drifts(d row.Drift) { b.respec(func(s *row.Spec) { s.Drift = d }) }

// noted compares the fields that status tells of, and why there is no column.
func (b *bench) noted(when string, want ...string) {
	b.t.Helper()
	var got []string
	for _, f := range b.status().Unnamed {
		line := f.Name
		if f.Why != "" {
			line += ": " + f.Why
		}
		got = append(got, line)
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		b.t.Errorf("%s: noted are %q, want %q", when, got, want)
	}
}

// added compares the columns that status says were added.
func (b *bench) added(when string, want ...string) {
	b.t.Helper()
	var got []string
	for _, c := range b.status().Added {
		got = append(got, c.Name+" "+c.Type)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s: added (-want +got):\n%s", when, diff)
	}
}

// holds compares these columns of all rows, as "id value …".
func (b *bench) holds(columns string, want ...string) {
	b.t.Helper()
	var got []string
	for _, r := range b.Rows(b.spec.Target, append([]string{"id"}, strings.Fields(columns)...)) {
		got = append(got, strings.Join(r, " "))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("columns %s (-want +got):\n%s", columns, diff)
	}
}

// driftScenarios are of owners that send fields which nobody named.
var driftScenarios = map[string]func(*testing.T, *bench){
	"ignored fields leave no trace": func(t *testing.T, b *bench) {
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.noted("ignored")
		b.added("ignored")
		b.want("1 Ada 00:01")
	},
	"noted fields are told, oldest first, since when": func(t *testing.T, b *bench) {
		b.drifts(row.DriftNote)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true"))
		b.Age(time.Hour)
		b.changes(plus(person("2", "Bo", "00:01"), "age", "null", "vip", "1"))
		b.noted("two walks", "vip", "age")
		near(t, "first seen", b.status().Unnamed[0].Since, time.Now().Add(-time.Hour))
		b.drifts(row.DriftNote) // by a daemon that starts anew
		b.changes(plus(person("2", "Bo", "00:02"), "age", "null", "vip", "1"))
		b.noted("a new daemon", "vip", "age")
		near(t, "first seen", b.status().Unnamed[0].Since, time.Now().Add(-time.Hour))
		b.want("1 Ada 00:01", "2 Bo 00:02")
	},
	"noted fields are told until somebody names them or they are ignored": func(t *testing.T, b *bench) {
		b.drifts(row.DriftNote)
		b.changes(plus(person("1", "Ada", "00:01"), "vip", "true", "age", "7"))
		b.respec(func(s *row.Spec) { s.Named, s.Others = []string{"vip"}, []string{"vip"} })
		b.noted("named by another table", "age")
		b.changes(plus(person("1", "Ada", "00:02"), "vip", "true", "age", "7"))
		b.noted("told though another table names it", "age")
		b.drifts(row.DriftIgnore)
		b.noted("ignored")
		b.drifts(row.DriftNote)
		b.noted("to be noted again")
	},
	"no more fields are noted than a hundred": func(t *testing.T, b *bench) {
		b.drifts(row.DriftNote)
		b.changes(plus(person("1", "Ada", "00:01"), many(150)...))
		b.changes(plus(person("1", "Ada", "00:02"), "late", "1"))
		if n := len(b.status().Unnamed); n != row.MostNoted {
			t.Errorf("%d fields are noted", n)
		}
	},
	"names are noted as far as they can be shown": func(t *testing.T, b *bench) {
		b.drifts(row.DriftNote)
		b.changes(plus(person("1", "Ada", "00:01"), "a\x00b\n", "1", strings.Repeat("x", 5000), "2", "", "3"))
		b.noted("strange names", "", "a?b?", strings.Repeat("x", 100)+"…")
	},
	"deletions tell nothing of fields": func(t *testing.T, b *bench) {
		b.drifts(row.DriftNote)
		b.changes(plus(tombstone("1", "00:01"), "reason", `"spam"`))
		b.noted("a tombstone")
	},
	"fields of records that the table turns down are not its own": func(t *testing.T, b *bench) {
		b.choose(unless("internal"))
		b.drifts(row.DriftNote)
		b.changes(plus(person("1", "internal", "00:01"), "secret", "1"))
		b.noted("turned down")
	},
	"failing fields fail the poll and leave what came before": func(t *testing.T, b *bench) {
		b.drifts(row.DriftFail)
		w := b.walk(syncer.Changes, "w0")
		b.apply(w, person("1", "Ada", "00:01"))
		_, err := b.table.Apply(t.Context(), w, []*syncer.Batch{{Records: []syncer.Record{person("2", "Bo", "00:01"), plus(person("3", "Cy", "00:01"), "vip", "null")}}})
		var drift *syncer.DriftError
		if !errors.As(err, &drift) || !slices.Equal(drift.Names, []string{"vip"}) || syncer.Classify(err) != syncer.ClassMisfit || !strings.Contains(err.Error(), `"vip"`) {
			t.Errorf("apply: %v", err)
		}
		b.want("1 Ada 00:01")
		b.noted("failed")
		b.changes(person("2", "Bo", "00:02"))
		b.want("1 Ada 00:01", "2 Bo 00:02")
	},
	"an audit follows nothing": func(t *testing.T, b *bench) {
		for _, d := range []row.Drift{row.DriftNote, row.DriftAdd, row.DriftFail} {
			b.drifts(d)
			b.audit(looks, plus(person("1", "Ada", "00:01"), "vip", "true"))
			b.noted(string(d))
			b.added(string(d))
		}
	},
}

// many are so many fields.
func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("f%03d", i), "1")
	}
	return out
}
