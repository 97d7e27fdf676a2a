package sqlite_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Columns without a type are what their declared types say, and keep every
// value as it is; one whose type says nothing is refused.
func TestUntypedColumns(t *testing.T) {
	for _, test := range []struct{ declared, sent, held string }{
		{"BOOLEAN", `true`, "1 integer"}, {"bool", `"false"`, "0 integer"}, {"INT", `"9007199254740993"`, "9007199254740993 integer"}, {"unsigned big int", `7`, "7 integer"},
		{"DOUBLE PRECISION", `"1.5"`, "1.5 real"}, {"VARCHAR(20)", `1.50`, "1.50 text"}, {"TEXT", `"2026-11-23T01:00:00+01:00"`, "2026-11-23T01:00:00+01:00 text"},
		{"datetime", `"2026-11-23T01:00:00+01:00"`, "2026-11-23T00:00:00.000000Z text"}, {"date", `"2026-11-23"`, "2026-11-23 text"},
		{"uuid", `"A0EEBC999C0B4EF8BB6D6BB9BD380A11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 text"}, {"BLOB", `"eA=="`, "x blob"},
		{"", "", `it may hold anything; write a type`}, {"NUMERIC(10,2)", "", "it may turn what it is given into a number; write a type"}, {"JSON", "", "write a type"}, {"ANY", "", "write a type"},
	} {
		own, db := consumer(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, held `+test.declared+`)`)
		spec := people()
		spec.Version, spec.Columns = -1, []row.Column{{Name: "ID", Discover: true, NotNull: true, Slots: []int{0}}, {Name: "held", Discover: true, Slots: []int{1}}}
		table := db.Kept(spec)
		err := table.Prepare(t.Context())
		if test.sent == "" {
			if err == nil || !strings.Contains(err.Error(), test.held) || syncer.Classify(err) != syncer.ClassDatabase {
				t.Errorf("%s: prepare: %v, want %s", test.declared, err, test.held)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.declared, err)
			continue
		}
		a, err := table.Apply(t.Context(), changes("w"), []*syncer.Batch{{Records: []syncer.Record{{Slots: [][]byte{[]byte("1"), []byte(test.sent)}}}}})
		if err != nil || a.Inserted != 1 {
			t.Errorf("%s: applied %+v, %v", test.declared, a, err)
			continue
		}
		if diff := cmp.Diff(test.held, one(t, own, `SELECT held || ' ' || typeof(held) FROM people`)); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", test.sent, test.declared, diff)
		}
	}
}
