package syncertest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// namesScenarios are of tables whose names mean something to SQL, or are
// written as owners write theirs.
var namesScenarios = map[string]func(*testing.T, *bench){
	"camel case, as the configuration has it": func(t *testing.T, b *bench) {
		b.named("orderItems", "userId", "firstName", "UpdatedAt", "homeAddress.zipCode")
	},
	"reserved words": func(t *testing.T, b *bench) {
		for _, target := range []string{"order", "table", "Select"} {
			b.named(target, "select", "from", "order", "group")
		}
		b.named("user", "primary", "where", "values", "user")
	},
	"spaces, signs and letters of the world": func(t *testing.T, b *bench) {
		b.named("my table", "the id", "first-name", "@time", "größe 名")
		b.named("2nd", "1", "a.b", "?1", "$1")
	},
	"names that larder uses itself": func(t *testing.T, b *bench) {
		b.named("watermark", "key", "walk", "version", "partition")
		b.named("lease", "table_name", "k0", "seen", "source")
	},
}

// named uses a table of these names, its own and those of its four columns, in
// every way that there is: a list, changes, a deletion, a record that does not
// fit, a sweep and an audit that repairs.
func (b *bench) named(target string, names ...string) {
	b.t.Helper()
	b.respec(func(s *row.Spec) {
		s.Target, s.Guard.All = target, true
		s.Columns = slices.Clone(s.Columns)
		for i, name := range names {
			s.Columns[i].Name = name
		}
		s.Columns[3].Each = "" // a column as the others are
	})
	w := b.walk(syncer.Resync, "of "+target)
	b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"), person("4", "Di", "00:01"))
	b.settle(w, syncer.End{Watermark: "W", Listed: true})
	b.changes(in("north", person("1", "changed", "00:02")), tombstone("2", "00:02"), misfit("5"))
	b.list(syncer.Snapshot, "without 3 in "+target, in("north", person("1", "changed", "00:02")), person("4", "Di", "00:01"), misfit("5"))
	different := in("south", person("4", "put right", "00:01"))
	for range 2 {
		b.audit(repairs, in("north", person("1", "changed", "00:02")), different, misfit("5"))
		b.Age(b.spec.Remember + repairs.Persist)
	}
	want := [][]string{
		{"1", "changed", "2026-11-23T00:02:00.000000Z", "north"},
		{"4", "put right", "2026-11-23T00:01:00.000000Z", "south"},
	}
	if diff := cmp.Diff(want, sorted(b.Rows(target, names))); diff != "" {
		b.t.Errorf("rows of %q (-want +got):\n%s", target, diff)
	}
	if s := b.status(); s.Quarantined != 1 || s.Rows != 2 {
		b.t.Errorf("of %q %d rows are told, and %d set aside", target, s.Rows, s.Quarantined)
	}
}
