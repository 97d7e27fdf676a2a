package syncertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Table is what every implementation offers for one table.
type Table interface {
	syncer.Table
	syncer.Keeper
}

// Database is one daemon's handle on a consumer's database.
type Database interface {
	syncer.Lease
	Holding(context.Context) (syncer.Holding, error)
	syncer.Inbox
	syncer.Forgetter
	Send(context.Context, syncer.Order) (id string, err error)
	Outcome(ctx context.Context, id string) (state, text string, err error)
	Status(context.Context) ([]syncer.Status, error)
	Quarantine(ctx context.Context, table string, limit int) ([]syncer.Quarantined, error)
}

// Harness is one fresh, empty database under test and the ways to steer it.
type Harness struct {
	// Daemon opens another handle on the same database, as a daemon of that
	// name would. The suite calls it at least once.
	Daemon func(name string) Database
	// Table makes a table of a handle that Daemon returned.
	Table func(Database, row.Spec) Table
	// Rows reads the columns of a target by the plain driver, one line a row,
	// in any order. Null is "NULL"; a timestamptz is UTC RFC 3339 with six
	// digits and Z, a boolean true or false, bytes are lower-case hex, json is
	// compacted by CanonicalJSON, doubles by strconv 'g', -1.
	Rows func(target string, columns []string) [][]string
	// Age lets time pass: every stored instant, deadline, remembered version
	// and lease moves into the past by d.
	Age func(d time.Duration)
	// LoseNotes throws the notes of seen keys away, as a crash may.
	LoseNotes func()
	// Create makes a table as its consumer would, by the plain driver, of
	// columns as SQL defines them.
	Create func(target string, columns ...string)
	// Alter gives a column of such a table another type, as its consumer would.
	Alter func(target, column, declared string)
	// Strike, if set, has strike asked at the steps of every write from then on:
	// "begin", "commit", before the commit, and "committed"; a step that it
	// objects to is the last that the write takes, and its error the write's.
	// strike does not come back to the database.
	Strike func(strike func(step string) error)
	// Kill, if set, drops what a handle that Daemon returned holds, as the end of
	// its process would.
	Kill func(Database)
	// Drop drops a table, and DropColumn a column of one, as its consumer would.
	Drop       func(target string)
	DropColumn func(target, column string)
}

// CanonicalJSON brings JSON texts that mean the same to one form, for
// Harness.Rows.
func CanonicalJSON(s string) string { return canonical(s) }

// Conform runs the suite, several groups at one time. open is called once for
// each scenario.
func Conform(t *testing.T, open func(t *testing.T) Harness) {
	for _, group := range []struct {
		name      string
		scenarios map[string]func(*testing.T, *bench)
	}{
		{"apply", applyScenarios}, {"settle", settleScenarios}, {"sweep", sweepScenarios}, {"floor", floorScenarios}, {"lanes", lanesScenarios},
		{"audit", auditScenarios}, {"audited parts", partScenarios}, {"acquitted", acquitScenarios}, {"deletes", deletesScenarios}, {"held deletes", heldScenarios},
		{"keep", keepScenarios}, {"mark", markScenarios}, {"newest", newestScenarios}, {"grace", graceScenarios}, {"partial", partialScenarios}, {"where", whereScenarios},
		{"configured anew", dueScenarios}, {"changing partitions", changingScenarios}, {"intent", intentScenarios},
		{"lease", leaseScenarios}, {"orders", orderScenarios}, {"quarantine", quarantineScenarios},
		{"forget", forgetScenarios}, {"drift", driftScenarios}, {"added columns", addedScenarios}, {"growing columns", growingScenarios},
		{"columns without a type", untypedScenarios}, {"names", namesScenarios},
		{"altered by the consumer", alteredScenarios},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for name, scenario := range group.scenarios {
				t.Run(name, func(t *testing.T) {
					scenario(t, newBench(t, open(t), people()))
				})
				if markingToo[group.name] {
					t.Run("marking, "+name, func(t *testing.T) {
						scenario(t, newBench(t, open(t), marking(people())))
					})
				}
			}
		})
	}
	t.Run("intent without bookkeeping", func(t *testing.T) { intendFirst(t, open(t)) })
	t.Run("agrees with the table in memory", func(t *testing.T) { agree(t, open) })
	t.Run("every type survives", func(t *testing.T) { survive(t, open(t)) })
	mend(t, open)
}

// people is the table that most scenarios use: slots 0 to 3 are id, name,
// updated_at and region, which is also the partition.
func people() row.Spec {
	return row.Spec{
		Name: "test.people", Target: "people", Source: "people",
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "name", Type: row.Type{Kind: row.Text}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
			{Name: "region", Type: row.Type{Kind: row.Text}, Slots: []int{3}, Each: "region"},
		},
		Key: []int{0}, Version: 2,
		Partitions: []syncer.Partition{{}},
		Shape:      syncer.Shape("source", []string{"id", "name", "updated_at", "region"}),
		Budget:     syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute},
		Guard:      syncer.Guard{Share: 0.2, Floor: 10},
		Confirm:    1,
		Remember:   2 * time.Minute,
	}
}

// bench is a harness with one table, one daemon that holds the lease, and
// short words for what scenarios do.
type bench struct {
	Harness
	t     *testing.T
	spec  row.Spec
	db    Database
	table Table
	// audits names them.
	audits int
}

func newBench(t *testing.T, h Harness, spec row.Spec) *bench {
	t.Helper()
	b := &bench{Harness: h, t: t, spec: spec, db: h.Daemon("first")}
	if err := b.db.Acquire(t.Context()); err != nil {
		t.Fatalf("take the lease of an empty database: %v", err)
	}
	b.use(spec)
	return b
}

// use makes the bench's table that of another spec.
func (b *bench) use(spec row.Spec) {
	b.t.Helper()
	if spec.Keep {
		spec.Mark = ""
	}
	b.spec, b.table = spec, b.Table(b.db, spec)
	if err := b.table.Prepare(b.t.Context()); err != nil {
		b.t.Fatalf("prepare: %v", err)
	}
}

// bare switches to a target of its own with these partitions.
func (b *bench) bare(target string, partitions ...syncer.Partition) {
	b.t.Helper()
	spec := b.spec
	spec.Target, spec.Partitions = target, partitions
	b.use(spec)
}

// walk begins a walk of the whole source, sent a moment ago.
func (b *bench) walk(kind syncer.WalkKind, id string) syncer.Walk {
	return syncer.Walk{ID: id, Kind: kind, Sent: time.Now()}
}

func (b *bench) apply(w syncer.Walk, records ...syncer.Record) syncer.Applied {
	b.t.Helper()
	a, err := b.table.Apply(b.t.Context(), w, []*syncer.Batch{{Records: records}})
	if err != nil {
		b.t.Fatalf("apply: %v", err)
	}
	return a
}

// begin begins a listing walk of the whole source, its notes open.
func (b *bench) begin(kind syncer.WalkKind, id string) syncer.Walk {
	b.t.Helper()
	w := b.walk(kind, id)
	b.open(w)
	return w
}

// open opens the notes of a listing walk as a feed does, by a batch of nothing.
func (b *bench) open(w syncer.Walk) {
	b.t.Helper()
	if a, err := b.table.Apply(b.t.Context(), w, []*syncer.Batch{{}}); err != nil || a != (syncer.Applied{}) {
		b.t.Fatalf("open the notes of %s: %+v, %v", w.ID, a, err)
	}
}

// changes applies records of a walk for changes that goes on beside others.
func (b *bench) changes(records ...syncer.Record) syncer.Applied {
	b.t.Helper()
	return b.apply(b.walk(syncer.Changes, "changes"), records...)
}

// stand applies a batch without records that says where the walk can go on.
func (b *bench) stand(w syncer.Walk, cursor string) {
	b.t.Helper()
	r := &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: cursor}
	if _, err := b.table.Apply(b.t.Context(), w, []*syncer.Batch{{Resume: r}}); err != nil {
		b.t.Fatalf("apply: %v", err)
	}
}

func (b *bench) fail(w syncer.Walk, class syncer.Class, text string) {
	b.t.Helper()
	f := &syncer.Failure{Class: class, Text: text}
	if _, err := b.table.Settle(b.t.Context(), w, syncer.Settlement{Failure: f}); err != nil {
		b.t.Fatalf("settle a failure: %v", err)
	}
}

func (b *bench) obey(o syncer.Order) {
	b.t.Helper()
	if _, err := b.table.Obey(b.t.Context(), o); err != nil {
		b.t.Fatalf("obey %s: %v", o.Kind, err)
	}
}

func (b *bench) settle(w syncer.Walk, end syncer.End) syncer.Settled {
	b.t.Helper()
	s, err := b.table.Settle(b.t.Context(), w, syncer.Settlement{End: &end})
	if err != nil {
		b.t.Fatalf("settle: %v", err)
	}
	return s
}

// list is a complete walk that sees exactly these records.
func (b *bench) list(kind syncer.WalkKind, id string, records ...syncer.Record) syncer.Settled {
	b.t.Helper()
	w := b.walk(kind, id)
	if len(records) > 0 {
		b.apply(w, records...)
	}
	return b.settle(w, syncer.End{Listed: true})
}

// audit is a complete audit that sees exactly these records.
func (b *bench) audit(c syncer.Comparison, records ...syncer.Record) syncer.Audited {
	b.t.Helper()
	w := b.auditing(c, syncer.Partition{})
	if len(records) > 0 {
		b.apply(w, records...)
	}
	return b.audited(w)
}

// auditing begins an audit, its notes open.
func (b *bench) auditing(c syncer.Comparison, p syncer.Partition) syncer.Walk {
	b.t.Helper()
	b.audits++
	w := b.walk(syncer.Audit, fmt.Sprint("audit ", b.audits))
	w.Audit, w.Partition = &c, p
	b.open(w)
	return w
}

// audited ends an audit and says what it found.
func (b *bench) audited(w syncer.Walk) syncer.Audited {
	b.t.Helper()
	s := b.settle(w, syncer.End{Listed: true})
	if s.Audit == nil {
		b.t.Fatalf("the audit settled %+v and does not say what it found", s)
	}
	return *s.Audit
}

// found compares what an audit found, but for the instant that it proves.
func (b *bench) found(got, want syncer.Audited) {
	b.t.Helper()
	if proven := want.Found() == 0 && want.Suspects == 0; proven && got.Proven.IsZero() || want.Left()+want.Suspects > 0 && !got.Proven.IsZero() {
		b.t.Errorf("the copy is proven as of %s by %+v", got.Proven, got)
	}
	got.Proven = time.Time{}
	if got != want {
		b.t.Errorf("the audit found %+v, want %+v", got, want)
	}
}

func (b *bench) standing() syncer.Standing { b.t.Helper(); return b.standingOf(syncer.Partition{}) }

func (b *bench) standingOf(p syncer.Partition) syncer.Standing {
	b.t.Helper()
	st, err := b.table.Standing(b.t.Context(), p)
	if err != nil {
		b.t.Fatalf("standing: %v", err)
	}
	return st
}

func (b *bench) status() syncer.Status {
	b.t.Helper()
	all, err := b.db.Status(b.t.Context())
	for _, s := range all {
		if err == nil && s.Table == b.spec.Target {
			return s
		}
	}
	b.t.Fatalf("status: %v, %v; want one of %q", all, err, b.spec.Target)
	return syncer.Status{}
}

// want compares the table's id, name and updated_at with lines such as
// "1 Ada 00:01".
func (b *bench) want(lines ...string) {
	b.t.Helper()
	got := map[string]bool{}
	for _, r := range b.live("id", "name", "updated_at") {
		at := r[2]
		if len(at) > 16 {
			at = at[11:16]
		}
		got[r[0]+" "+r[1]+" "+at] = true
	}
	for _, l := range lines {
		if !got[l] {
			b.t.Errorf("row %q is missing; the table has %v", l, keys(got))
		}
		delete(got, l)
	}
	if len(got) > 0 {
		b.t.Errorf("rows %v are too many", keys(got))
	}
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// misfit makes a record that does not fit, of a key that can be read.
func misfit(id string) syncer.Record {
	r := person(id, "", "00:01")
	r.Slots[1] = []byte(`{}`)
	return r
}

// person makes a record; at is "HH:MM" of one day, "" for null.
func person(id, name, at string) syncer.Record {
	slots := [][]byte{[]byte(id), []byte(`"` + name + `"`), []byte("null"), nil}
	if at != "" {
		slots[2] = []byte(`"2026-11-23T` + at + `:00Z"`)
	}
	return syncer.Record{Slots: slots}
}

// tombstone makes a record of a deletion.
func tombstone(id, at string) syncer.Record {
	r := person(id, "", at)
	r.Slots[1], r.Gone = nil, true
	return r
}

// in puts a record into a region.
func in(region string, r syncer.Record) syncer.Record {
	r.Slots[3] = []byte(`"` + region + `"`)
	return r
}

func region(name string) syncer.Partition {
	return syncer.Partition{Name: `{"region":"` + name + `"}`, Values: []syncer.PartitionValue{{Name: "region", JSON: []byte(`"` + name + `"`)}}}
}

// near fails unless got is within two seconds of want.
func near(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if d := got.Sub(want); d > 2*time.Second || d < -2*time.Second {
		t.Errorf("%s is %s, %s from %s", what, got, d, want)
	}
}
