package sqlite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// TestKnownFieldsCostNothing: a field that is known is not written again, by the
// daemon that noted it nor by the next.
func TestKnownFieldsCostNothing(t *testing.T) {
	_, own, db, _ := prepared(t)
	for _, drift := range []row.Drift{row.DriftNote, row.DriftAdd} {
		spec := people()
		spec.Target, spec.Drift = "people_"+string(drift), drift
		r := person(1, "Ada", "00:01")
		r.Unnamed = []syncer.Field{{Name: "vip", Raw: []byte("true")}, {Name: "none", Raw: []byte("null")}, {Name: ":x", Raw: []byte("1")}}
		table := db.Table(spec)
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		apply(t, table, changes("w1"), r)
		written := watch(t, own)
		apply(t, table, changes("w2"), r)
		next := db.Table(spec)
		if err := next.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		apply(t, next, changes("w3"), r)
		if got := written(); got != nil {
			t.Errorf("%s: written %v", drift, got)
		}
		for _, trigger := range names(t, own, `SELECT name FROM sqlite_schema WHERE type = 'trigger'`) {
			exec(t, own, `DROP TRIGGER "`+trigger+`"`)
		}
		exec(t, own, `DROP TABLE written`)
	}
}

// TestNamesThatDifferByCaseShareNoColumn: SQLite takes them for one.
func TestNamesThatDifferByCaseShareNoColumn(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Target, spec.Drift = "cases", row.DriftAdd
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := person(1, "Ada", "00:01")
	for _, name := range []string{"Vip", "VIP", "NAME", "RowId", "größe", "GRÖSSE"} {
		r.Unnamed = append(r.Unnamed, syncer.Field{Name: name, Raw: []byte(`"` + name + `"`)})
	}
	apply(t, table, changes("w1"), r)
	got := names(t, own, `SELECT name || ' ' || (type <> '') FROM larder_field WHERE table_name = 'cases' ORDER BY name`)
	if diff := cmp.Diff([]string{"GRÖSSE 1", "NAME 0", "RowId 0", "VIP 0", "Vip 1", "größe 1"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if got := strings.Join(names(t, own, `SELECT "vip" || "größe" || "GRÖSSE" FROM cases`), ""); got != "VipgrößeGRÖSSE" {
		t.Errorf("the row holds %q", got)
	}
}

// TestRowsGoOnWithoutAColumnThatCannotBeAdded: a table that is full stops no
// poll; why is told, and a later poll tries again.
func TestRowsGoOnWithoutAColumnThatCannotBeAdded(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Target, spec.Drift = "full", row.DriftAdd
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	made := one(t, own, `SELECT sql FROM sqlite_schema WHERE name = 'full'`)
	fill := ""
	for i := range 2000 - len(spec.Columns) {
		fill += fmt.Sprintf("f%d TEXT, ", i)
	}
	exec(t, own, `DROP TABLE "full"`)
	exec(t, own, strings.Replace(made, "PRIMARY KEY (", fill+"PRIMARY KEY (", 1))
	r := person(1, "Ada", "00:01")
	r.Unnamed = []syncer.Field{{Name: "vip", Raw: []byte("true")}}
	apply(t, table, changes("w1"), r)
	if got := one(t, own, `SELECT count(*) || (SELECT why FROM larder_field) FROM "full"`); !strings.HasPrefix(got, "1cannot be added: ") {
		t.Errorf("there are %q", got)
	}
	exec(t, own, `DROP TABLE "full"`)
	exec(t, own, made)
	apply(t, table, changes("w1"), r)
	if got := one(t, own, `SELECT type FROM larder_field`); got != "" {
		t.Errorf("the same walk added a column of type %s", got)
	}
	apply(t, table, changes("w2"), r)
	if got := one(t, own, `SELECT vip FROM "full"`); got == "" {
		t.Error("a later walk added no column")
	}
}
