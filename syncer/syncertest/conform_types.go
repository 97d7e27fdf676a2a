package syncertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// survive writes the extremes of every type and reads them by the plain
// driver: what the owner sent is what the consumer finds.
func survive(t *testing.T, h Harness) {
	kinds := []struct {
		name string
		typ  row.Type
		sent []string // JSON
		want []string
	}{
		{"a_text", row.Type{Kind: row.Text}, []string{`"Ünï \"q\" \\ \n 🥕"`, `12.50`, `true`}, []string{"Ünï \"q\" \\ \n 🥕", "12.50", "true"}},
		{"a_boolean", row.Type{Kind: row.Boolean}, []string{`true`, `false`, `null`}, []string{"true", "false", "NULL"}},
		{"an_integer", row.Type{Kind: row.Integer}, []string{`2147483647`, `-2147483648`, `"7"`}, []string{"2147483647", "-2147483648", "7"}},
		{"a_bigint", row.Type{Kind: row.Bigint}, []string{`9007199254740993`, `"9223372036854775807"`, `-9223372036854775808`}, []string{"9007199254740993", "9223372036854775807", "-9223372036854775808"}},
		{"a_double", row.Type{Kind: row.Double}, []string{`0.1`, `-1.7976931348623157e308`, `5e-324`}, []string{"0.1", "-1.7976931348623157e+308", "5e-324"}},
		{"a_numeric", row.Type{Kind: row.Numeric}, []string{`1234567890123456789012345678901234567890`, `0.0000000000000000001`, `"-19.90"`}, []string{"1234567890123456789012345678901234567890", "0.0000000000000000001", "-19.90"}},
		{"a_price", row.Type{Kind: row.Numeric, Precision: 10, Scale: 2}, []string{`19.90`, `-0.01`, `99999999.99`}, []string{"19.90", "-0.01", "99999999.99"}},
		{"a_time", row.Type{Kind: row.Timestamptz}, []string{`"2026-11-23T01:02:03.123456+02:00"`, `"1969-12-31 23:59:59Z"`, `null`}, []string{"2026-11-22T23:02:03.123456Z", "1969-12-31T23:59:59.000000Z", "NULL"}},
		{"a_date", row.Type{Kind: row.Date}, []string{`"2024-02-29"`, `"0001-01-01"`, `"9999-12-31"`}, []string{"2024-02-29", "0001-01-01", "9999-12-31"}},
		{"a_uuid", row.Type{Kind: row.UUID}, []string{`"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"`, `"00000000-0000-0000-0000-000000000000"`, `null`}, []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000", "NULL"}},
		{"a_json", row.Type{Kind: row.JSON}, []string{`{"b":[1, 2.50],"a":"\u00e9"}`, `"text"`, `12345678901234567890`}, []string{canonical(`{"b":[1,2.50],"a":"é"}`), `"text"`, "12345678901234567890"}},
		{"a_bytes", row.Type{Kind: row.Bytes}, []string{`"AAEC/w=="`, `""`, `null`}, []string{"000102ff", "", "NULL"}},
	}
	spec := row.Spec{Name: "test.types", Target: "types", Source: "types", Version: -1, Key: []int{0}, Confirm: 1, Partitions: []syncer.Partition{{}}, Shape: syncer.Shape("s", []string{"id"}),
		Budget: syncer.Budget{Critical: time.Hour}, Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}}}}
	names := []string{"id"}
	for i, k := range kinds {
		spec.Columns = append(spec.Columns, row.Column{Name: k.name, Type: k.typ, Slots: []int{i + 1}})
		names = append(names, k.name)
	}
	b := newBench(t, h, spec)
	var records []syncer.Record
	var want [][]string
	for i := range 3 {
		slots, line := [][]byte{fmt.Append(nil, i)}, []string{fmt.Sprint(i)}
		for _, k := range kinds {
			slots, line = append(slots, []byte(k.sent[i])), append(line, k.want[i])
		}
		records, want = append(records, syncer.Record{Slots: slots}), append(want, line)
	}
	if a := b.apply(b.walk(syncer.Changes, "w1"), records...); a.Inserted != 3 {
		t.Fatalf("counted %+v; quarantine %+v", a, b.quarantined(a.Quarantined))
	}
	if diff := cmp.Diff(want, sorted(h.Rows("types", names))); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	if a := b.apply(b.walk(syncer.Changes, "w2"), records...); a.Unchanged != 3 {
		t.Errorf("the same records again: %+v, want them unchanged", a)
	}
}

func sorted(rows [][]string) [][]string {
	slices.SortFunc(rows, slices.Compare[[]string])
	return rows
}

// MemoryHarness is a fresh Memory and the ways to steer it.
func MemoryHarness() Harness {
	m := &Memory{}
	return Harness{
		Strike:    func(strike func(step string) error) { m.Fault = strike },
		Daemon:    func(name string) Database { return m.NewDaemon(name) },
		Table:     func(db Database, spec row.Spec) Table { return db.(*Daemon).Kept(spec) },
		Rows:      m.Rows,
		Age:       m.Age,
		LoseNotes: m.LoseNotes,
		Create:    m.Create,
		Alter:     m.Alter, Drop: m.Drop, DropColumn: m.DropColumn,
	}
}
