package syncertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// untyped is the people's spec without types, and a column that people do not
// have.
func untyped(target string) row.Spec {
	s := people()
	s.Target = target
	s.Columns = append(slices.Clone(s.Columns), row.Column{Name: "theirs", Slots: []int{4}})
	for i := range s.Columns {
		s.Columns[i].Type, s.Columns[i].Discover = row.Type{}, true
	}
	return s
}

// with is a person with a value for the fifth column.
func with(r syncer.Record, theirs string) syncer.Record {
	r.Slots = append(slices.Clone(r.Slots), make([][]byte, 5-len(r.Slots))...)
	r.Slots[4] = []byte(theirs)
	return r
}

// untypedScenarios are of tables that tell their types themselves.
var untypedScenarios = map[string]func(*testing.T, *bench){
	"are of the table's own types": func(t *testing.T, b *bench) {
		b.Create("adopted", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "theirs bigint")
		if i := b.intention(func(s *row.Spec) { *s = untyped("adopted") }); shapes(i.DDL, "adopted") || i.Unfit != "" {
			t.Errorf("intends %+v", i)
		}
		b.use(untyped("adopted"))
		a := b.changes(with(person(`"9007199254740993"`, "Ada", "00:02"), "7"), with(person("2", "Bo", "00:01"), `1.5`), with(person("3", "Cy", "00:01"), `"x"`))
		if a.Inserted != 1 || a.Quarantined != 2 {
			t.Errorf("counted %+v", a)
		}
		if a := b.changes(with(person("9007199254740993", "older", "00:01"), "7")); a.Updated != 0 {
			t.Errorf("an older version counts as %+v", a)
		}
		if a := b.changes(with(person("9007199254740993", "Ada", "00:02"), "7")); a.Unchanged != 1 {
			t.Errorf("the same counts as %+v", a)
		}
		got := b.Rows("adopted", []string{"id", "name", "theirs"})
		if diff := cmp.Diff([][]string{{"9007199254740993", "Ada", "7"}}, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	},
	"are a table that is resynced once a type is altered": func(t *testing.T, b *bench) {
		b.Create("altered", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "theirs bigint")
		b.use(untyped("altered"))
		b.list(syncer.Resync, "w0", with(person("1", "Ada", "00:01"), "7"))
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		b.use(untyped("altered"))
		if st := b.standing(); st.Resync || st.Position.Watermark != "C" {
			t.Errorf("with the types that it had it stands at %+v", st)
		}
		b.Alter("altered", "theirs", "text")
		if p := only(t, b.intention(func(*row.Spec) {})); p.Void != "" || !p.Standing.Resync {
			t.Errorf("of another type it intends %+v", p)
		}
		b.use(untyped("altered"))
		if st := b.standing(); !st.Resync || st.Position.Watermark != "C" {
			t.Errorf("of another type it stands at %+v", st)
		}
		b.list(syncer.Resync, "w1", with(person("1", "Ada", "00:01"), `"seven"`))
		if st := b.standing(); st.Resync {
			t.Errorf("after the resync it stands at %+v", st)
		}
		if diff := cmp.Diff([][]string{{"1", "seven"}}, b.Rows("altered", []string{"id", "theirs"})); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	},
	"are refused where they cannot be known, or what they are for": func(t *testing.T, b *bench) {
		b.Create("unkeyed", "id double precision PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "theirs text")
		b.Create("unordered", "id bigint PRIMARY KEY", "name text", "updated_at boolean", "region text", "theirs text")
		b.Create("lacking", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text")
		b.Create("defaulted", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "theirs bigint")
		b.Create("told", "id bigint PRIMARY KEY", "name text", "updated_at text", "region text", "theirs text")
		for target, want := range map[string]string{
			"nowhere":   `it is not there, and "id", "name", "updated_at", "region", "theirs" without a type cannot be created: write types`,
			"unkeyed":   `larder takes for double: it is the key`,
			"unordered": `larder takes for boolean: it is the version`,
			"lacking":   `column "theirs" is not there, and has no type`,
			"defaulted": `its default is not an integer`,
			"told":      `larder takes for text: it is the version, and the order of text is not the owner's`,
		} {
			spec := untyped(target)
			spec.Columns[4].Default = []byte(`"none"`)
			i := b.intention(func(s *row.Spec) { *s = spec })
			if !strings.Contains(i.Unfit, want) || len(i.DDL) != 0 || len(i.Partitions) != 1 {
				t.Errorf("%s: intends %+v, want %s", target, i, want)
			}
			table := b.Table(b.db, spec)
			if err := table.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), want) || syncer.Classify(err) != syncer.ClassDatabase {
				t.Errorf("%s: prepare: %v, want %s", target, err, want)
			}
			if _, err := table.Apply(t.Context(), b.walk(syncer.Changes, "c"), nil); err == nil {
				t.Errorf("%s: takes records", target)
			}
		}
	},
}
