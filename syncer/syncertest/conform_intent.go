package syncertest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Intender says what Prepare would do.
type Intender interface {
	Intend(ctx context.Context) (syncer.Intent, error)
}

func intend(t *testing.T, table Table) syncer.Intent {
	t.Helper()
	who, ok := table.(Intender)
	if !ok {
		t.Fatalf("%T cannot say what it intends", table)
	}
	intent, err := who.Intend(t.Context())
	if err != nil {
		t.Fatalf("intend: %v", err)
	}
	return intent
}

// intention is what a table of that spec would do, asked by a handle that does
// not hold the lease.
func (b *bench) intention(change func(*row.Spec)) syncer.Intent {
	b.t.Helper()
	spec := b.spec
	change(&spec)
	return intend(b.t, b.Table(b.Daemon("command line"), spec))
}

// only is the intent's one partition.
func only(t *testing.T, i syncer.Intent) syncer.PartitionIntent {
	t.Helper()
	if len(i.Partitions) != 1 {
		t.Fatalf("partitions are %+v, want one", i.Partitions)
	}
	return i.Partitions[0]
}

// intentScenarios are of what a table would do if it were used.
var intentScenarios = map[string]func(*testing.T, *bench){
	"a new table would be created, and is not": func(t *testing.T, b *bench) {
		i := b.intention(func(s *row.Spec) { s.Target = "new_people" })
		p := only(t, i)
		if !mentions(i.DDL, "new_people") || i.Unfit != "" || p.Kept || p.Void != "" || p.Retired || p.Rows != 0 || p.Standing.Position != (syncer.Position{}) {
			t.Errorf("intends %+v", i)
		}
		b.knows("people")
		b.bare("new_people", syncer.Partition{})
		if i := b.intention(func(*row.Spec) {}); len(i.DDL) != 0 || !only(t, i).Kept {
			t.Errorf("once it is there it intends %+v", i)
		}
	},
	"a table that fits is adopted, one that does not is refused": func(t *testing.T, b *bench) {
		b.Create("adopted", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text", "theirs text")
		b.Create("unfit", "id bigint PRIMARY KEY", "name text", "region text")
		if i := b.intention(func(s *row.Spec) { s.Target = "adopted" }); shapes(i.DDL, "adopted") || i.Unfit != "" || only(t, i).Kept {
			t.Errorf("of the table that fits it intends %+v", i)
		}
		i := b.intention(func(s *row.Spec) { s.Target = "unfit" })
		if shapes(i.DDL, "unfit") || !strings.Contains(i.Unfit, "updated_at") {
			t.Errorf("of the table that does not it intends %+v", i)
		}
		b.spec.Target = "unfit"
		if err := b.Table(b.db, b.spec).Prepare(t.Context()); err == nil {
			t.Error("the table that does not fit is taken")
		}
	},
	"a column that was added to a table larder made is added to it": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		more := func(notNull bool) func(*row.Spec) {
			return func(s *row.Spec) {
				s.Columns = append(slices.Clone(s.Columns), row.Column{Name: "email", Type: row.Type{Kind: row.Text}, NotNull: notNull, Slots: []int{1}})
				s.Shape = syncer.Shape("source", []string{"id", "name", "updated_at", "region", "email"})
			}
		}
		i := b.intention(more(false))
		if p := only(t, i); !mentions(i.DDL, "email") || i.Unfit != "" || p.Void != "" || !p.Standing.Resync || p.Standing.Position.Watermark != "C" || p.Rows != 1 {
			t.Errorf("intends %+v", i)
		}
		if i := b.intention(more(true)); !strings.Contains(i.Unfit, "email") {
			t.Errorf("with a column that takes no null it intends %+v", i)
		}
		b.respec(more(false))
		b.changes(person("2", "Bo", "00:02"))
		got := sorted(b.Rows(b.spec.Target, []string{"id", "email"}))
		if diff := cmp.Diff([][]string{{"1", "NULL"}, {"2", "Bo"}}, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if i := b.intention(func(*row.Spec) {}); len(i.DDL) != 0 {
			t.Errorf("once it is there it intends %+v", i)
		}
	},
	"an adopted table is never altered": func(t *testing.T, b *bench) {
		b.Create("adopted", "id bigint PRIMARY KEY", "name text", "updated_at timestamptz", "region text")
		b.bare("adopted", syncer.Partition{})
		i := b.intention(func(s *row.Spec) {
			s.Columns = append(slices.Clone(s.Columns), row.Column{Name: "email", Type: row.Type{Kind: row.Text}, Slots: []int{1}})
		})
		if shapes(i.DDL, "adopted") || !strings.Contains(i.Unfit, "email") {
			t.Errorf("intends %+v", i)
		}
	},
	"another source voids the position": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		i := b.intention(func(s *row.Spec) { s.Shape = syncer.Shape("another source", []string{"id"}) })
		p := only(t, i)
		if p.Void == "" || !p.Kept || p.Rows != 3 || p.Standing.Position != (syncer.Position{}) || !p.Standing.Resync {
			t.Errorf("intends %+v", p)
		}
		if st := b.standing(); st.Resync {
			t.Errorf("and it is so: %+v", st)
		}
	},
	"a partition that is configured no more loses its rows, or holds them": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		b.fill(north, 1, 5)
		b.fill(south, 100, 60)
		for _, test := range []struct {
			left, gone syncer.Partition
			rows       int64
			held       bool
		}{{south, north, 5, false}, {north, south, 60, true}} {
			i := b.intention(func(s *row.Spec) { s.Partitions = []syncer.Partition{test.left} })
			for _, p := range i.Partitions {
				if gone := p.Partition.Name == test.gone.Name; p.Retired != gone || gone && (p.Held != test.held || p.Rows != test.rows || !p.Kept) {
					t.Errorf("without %s it intends %+v", regionOf(test.gone), p)
				}
			}
			if len(i.Partitions) != 2 {
				t.Errorf("without %s it intends %+v", regionOf(test.gone), i)
			}
		}
		if s := b.status(); b.count() != 65 || s.Held != 0 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
}

// mentions reports whether one of the statements has the word.
func mentions(ddl []string, word string) bool {
	return slices.ContainsFunc(ddl, func(s string) bool { return strings.Contains(s, word) })
}

// shapes reports whether one of the statements makes or alters the target
// itself, and not what larder remembers of it.
func shapes(ddl []string, target string) bool {
	of := regexp.MustCompile(`(?i)TABLE (IF NOT EXISTS )?("?\w+"?\.)?"?` + target + `"?[ (]`)
	return slices.ContainsFunc(ddl, of.MatchString)
}

// intendFirst asks a database that larder never wrote to.
func intendFirst(t *testing.T, h Harness) {
	db := h.Daemon("command line")
	i := intend(t, h.Table(db, people()))
	if p := only(t, i); !mentions(i.DDL, "people") || i.Unfit != "" || p.Kept {
		t.Errorf("intends %+v", i)
	}
	if all, err := db.Status(t.Context()); len(all) != 0 {
		t.Errorf("status: %+v, %v", all, err)
	}
}
