package syncertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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

// agree draws histories of walks and compares the table with the one in memory
// after every step. Each history has a table of its own in one database.
func agree(t *testing.T, open func(t *testing.T) Harness) {
	real, model := newBench(t, open(t), people()), newBench(t, memoryHarness(), people())
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		spec := people()
		spec.Target = fmt.Sprint("people", run)
		spec.Confirm = rapid.IntRange(1, 2).Draw(rt, "confirm")
		spec.Guard = syncer.Guard{Share: 0.5, Floor: rapid.IntRange(0, 3).Draw(rt, "floor")}
		real.use(spec)
		model.use(spec)
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			agreeOnWalk(rt, t, step, real, model)
		}
	})
}

// agreeOnWalk makes one random walk on both tables.
func agreeOnWalk(rt *rapid.T, t *testing.T, step int, real, model *bench) {
	kind := rapid.SampledFrom([]syncer.WalkKind{syncer.Changes, syncer.Snapshot, syncer.Resync}).Draw(rt, "kind")
	w := syncer.Walk{ID: fmt.Sprint("w", step), Kind: kind, Sent: time.Now()}
	for range rapid.IntRange(0, 3).Draw(rt, "applies") {
		var batches []*syncer.Batch
		for range rapid.IntRange(1, 2).Draw(rt, "batches") {
			batch := &syncer.Batch{}
			for range rapid.IntRange(0, 6).Draw(rt, "records") {
				batch.Records = append(batch.Records, drawRecord(rt))
			}
			batches = append(batches, batch)
		}
		rt.Logf("%s %s: %s", w.ID, kind, short(batches))
		want, err1 := model.table.Apply(t.Context(), w, batches)
		got, err2 := real.table.Apply(t.Context(), w, batches)
		if err1 != nil || err2 != nil {
			rt.Fatalf("apply: model %v, real %v", err1, err2)
		}
		want.Late, got.Late = 0, 0
		if want.Inserted != got.Inserted || want.Deleted != got.Deleted || want.Updated != got.Updated || want.Quarantined != got.Quarantined {
			rt.Fatalf("counted %+v, want %+v", got, want)
		}
		compare(rt, real, model)
	}
	if rapid.Bool().Draw(rt, "finish") {
		s := syncer.Settlement{End: &syncer.End{Watermark: fmt.Sprint(step), Listed: true}}
		rt.Logf("%s settles", w.ID)
		want, err1 := model.table.Settle(t.Context(), w, s)
		got, err2 := real.table.Settle(t.Context(), w, s)
		if err1 != nil || err2 != nil {
			rt.Fatalf("settle: model %v, real %v", err1, err2)
		}
		if want.Swept != got.Swept || want.Held != got.Held || want.Waiting != got.Waiting {
			rt.Fatalf("%s: settled %+v, want %+v", kind, got, want)
		}
		compare(rt, real, model)
	}
}

// short prints batches so that a failing history can be read.
func short(batches []*syncer.Batch) string {
	var b strings.Builder
	for _, batch := range batches {
		b.WriteString("[")
		for _, r := range batch.Records {
			word := string(r.Slots[1])
			if r.Gone {
				word = "gone"
			}
			at := string(r.Slots[2])
			if len(at) > 17 {
				at = at[12:17]
			}
			fmt.Fprintf(&b, " %s=%s@%s", r.Slots[0], word, at)
		}
		b.WriteString(" ]")
	}
	return b.String()
}

func drawRecord(rt *rapid.T) syncer.Record {
	id := fmt.Sprint(rapid.IntRange(1, 8).Draw(rt, "id"))
	at := ""
	if n := rapid.IntRange(0, 9).Draw(rt, "at"); n > 0 {
		at = fmt.Sprintf("00:%02d", n)
	}
	if rapid.IntRange(0, 5).Draw(rt, "gone") == 0 {
		return tombstone(id, at)
	}
	r := person(id, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), at)
	if rapid.IntRange(0, 9).Draw(rt, "misfit") == 0 {
		r.Slots[1] = []byte(`{}`)
	}
	return r
}

func compare(rt *rapid.T, real, model *bench) {
	columns := []string{"id", "name", "updated_at"}
	if diff := cmp.Diff(sorted(model.Rows(model.spec.Target, columns)), sorted(real.Rows(real.spec.Target, columns))); diff != "" {
		rt.Fatalf("rows differ (-model +real):\n%s", diff)
	}
	want, got := model.status(), real.status()
	if want.Quarantined != got.Quarantined || want.Rows != got.Rows || want.Held != got.Held {
		rt.Fatalf("status tells quarantined %d, rows %d, held %d; want %d, %d, %d",
			got.Quarantined, got.Rows, got.Held, want.Quarantined, want.Rows, want.Held)
	}
}

// memoryHarness steers a Memory.
func memoryHarness() Harness {
	m := &Memory{}
	return Harness{
		Daemon:    func(name string) Database { return m.NewDaemon(name) },
		Table:     func(db Database, spec row.Spec) Table { return db.(*Daemon).Table(spec) },
		Rows:      m.Rows,
		Age:       m.Age,
		LoseNotes: m.LoseNotes,
		Create:    m.Create,
	}
}
