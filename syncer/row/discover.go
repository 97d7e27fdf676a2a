package row

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Found is a column as its table's catalogue has it.
type Found struct {
	// Declared is its type as the database calls it.
	Declared string
	// Type is what larder takes it for.
	Type Type
	// Unknown says what to do about a column that larder takes for nothing,
	// because it would cut values, or says nothing of them; "": it is known.
	Unknown string
}

// Catalogue looks up the columns of a spec that have no type: those that the
// table has, by the names that the spec calls them. there is false where there
// is no table. It needs no lease and writes nothing.
type Catalogue func(ctx context.Context, spec *Spec) (found map[string]Found, there bool, err error)

// Kept is a table as databases keep it.
type Kept interface {
	syncer.Table
	syncer.Keeper
	Intend(context.Context) (syncer.Intent, error)
}

// UntypedError says why columns without a type cannot be kept.
type UntypedError struct {
	Target string
	// Faults are sentences, each with what to write.
	Faults []string
}

func (e *UntypedError) Error() string {
	return fmt.Sprintf("table %q does not fit: %s", e.Target, strings.Join(e.Faults, "; "))
}

// FailureClass is syncer.ClassDatabase.
func (e *UntypedError) FailureClass() syncer.Class { return syncer.ClassDatabase }

// errUnprepared says that the types of a table's columns are not known yet.
var errUnprepared = errors.New("table is not prepared")

// Discovering is a table whose spec has columns without a type. Prepare takes
// them from the catalogue, and from then on it is the table of those types. It
// is safe for concurrent use.
type Discovering struct {
	spec  Spec
	look  Catalogue
	keep  func(Spec) Kept
	typed atomic.Pointer[typed]
}

// typed is a table with all its types, and the spec that has them.
type typed struct {
	Kept
	spec Spec
}

// Discover returns the table of a spec, which need not have the types of its
// columns.
func Discover(spec Spec, look Catalogue, keep func(Spec) Kept) Kept {
	if !slices.ContainsFunc(spec.Columns, func(c Column) bool { return c.Discover }) {
		return keep(spec)
	}
	return &Discovering{spec: spec, look: look, keep: keep}
}

// Typed is the spec with the types that the table has at this moment.
func (d *Discovering) Typed(ctx context.Context) (Spec, error) {
	t, err := d.find(ctx)
	if err != nil {
		return Spec{}, err
	}
	return t.spec, nil
}

// find looks the types up. They shape the table: one that is altered makes it
// another one.
func (d *Discovering) find(ctx context.Context) (*typed, error) {
	found, there, err := d.look(ctx, &d.spec)
	if err != nil {
		return nil, fmt.Errorf("look up the types of %q: %w", d.spec.Target, err)
	}
	spec, faults := d.spec.withTypes(found, there)
	if len(faults) > 0 {
		return nil, &UntypedError{d.spec.Target, faults}
	}
	return &typed{d.keep(spec), spec}, nil
}

func (d *Discovering) prepared() (*typed, error) {
	if t := d.typed.Load(); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q", errUnprepared, d.spec.Target)
}

// Prepare implements syncer.Keeper.
func (d *Discovering) Prepare(ctx context.Context) error {
	t, err := d.find(ctx)
	if err != nil {
		return err
	}
	if err := t.Prepare(ctx); err != nil {
		return err
	}
	d.typed.Store(t)
	return nil
}

// Intend says what Prepare would do.
func (d *Discovering) Intend(ctx context.Context) (syncer.Intent, error) {
	t, err := d.find(ctx)
	if untyped, ok := errors.AsType[*UntypedError](err); ok {
		out := syncer.Intent{Unfit: untyped.Error()}
		for _, p := range d.spec.Partitions {
			out.Partitions = append(out.Partitions, syncer.PartitionIntent{Partition: p})
		}
		return out, nil
	}
	if err != nil {
		return syncer.Intent{}, err
	}
	return t.Intend(ctx)
}

// Standing implements syncer.Table.
func (d *Discovering) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	t, err := d.prepared()
	if err != nil {
		return syncer.Standing{}, err
	}
	return t.Standing(ctx, p)
}

// Apply implements syncer.Table.
func (d *Discovering) Apply(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	t, err := d.prepared()
	if err != nil {
		return syncer.Applied{}, err
	}
	return t.Apply(ctx, w, batches)
}

// Settle implements syncer.Table. That a table cannot be prepared is written
// down without its types.
func (d *Discovering) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	t, err := d.prepared()
	if err != nil && s.End == nil {
		return d.keep(d.spec).Settle(ctx, w, s)
	}
	if err != nil {
		return syncer.Settled{}, err
	}
	return t.Settle(ctx, w, s)
}

// Repartition implements syncer.Keeper.
func (d *Discovering) Repartition(ctx context.Context, parts []syncer.Partition, asked time.Time) error {
	t, err := d.prepared()
	if err != nil {
		return err
	}
	return t.Repartition(ctx, parts, asked)
}

// Obey implements syncer.Keeper.
func (d *Discovering) Obey(ctx context.Context, o syncer.Order) (string, error) {
	t, err := d.prepared()
	if err != nil {
		return "", err
	}
	return t.Obey(ctx, o)
}

// withTypes is the spec with the types of what was found, or what keeps it from
// having them.
func (s *Spec) withTypes(found map[string]Found, there bool) (Spec, []string) {
	out := *s
	out.Columns = slices.Clone(s.Columns)
	var faults, shapes, untyped []string
	for i := range out.Columns {
		c := &out.Columns[i]
		if !c.Discover {
			continue
		}
		untyped = append(untyped, fmt.Sprintf("%q", c.Name))
		f, ok := found[c.Name]
		switch {
		case !there:
		case !ok:
			faults = append(faults, fmt.Sprintf("column %q is not there, and has no type: write one, or add the column to the table", c.Name))
		case f.Unknown != "":
			faults = append(faults, fmt.Sprintf("column %q is of type %q, and has none in the configuration: %s", c.Name, f.Declared, f.Unknown))
		default:
			c.Type, c.Discover = f.Type, false
			c.Inner = c.Inner || c.Blank && f.Type.Kind == JSON // as CSV sends it
			if why := out.unsuited(i); why != "" {
				faults = append(faults, fmt.Sprintf("column %q is of type %q, which larder takes for %s: %s", c.Name, f.Declared, c.Type, why))
			}
			shapes = append(shapes, typeDigest(*c))
		}
	}
	if !there {
		faults = []string{fmt.Sprintf("it is not there, and %s without a type cannot be created: write types, or make the table", strings.Join(untyped, ", "))}
	}
	out.Shape = syncer.ShapeWith(out.Shape, shapes...)
	return out, faults
}

// unsuited says what a discovered column's type keeps it from being.
func (s *Spec) unsuited(i int) string {
	c := &s.Columns[i]
	switch {
	case slices.Contains(s.Key, i) && (!c.Type.Keyable() || c.Type.Kind == Double):
		return "it is the key, and such values cannot be compared exactly"
	case i == s.Version && c.Type.Kind == Text && s.VersionFormat == nil:
		return "it is the version, and the order of text is not the owner's"
	case i == s.Version && c.Type.Kind != Text && !c.Type.Ordered():
		return "it is the version, and such values have no order"
	case c.As != nil && c.Type.Kind != Timestamptz && c.Type.Kind != Date:
		return "as belongs to timestamptz and date, so leave it out"
	case c.Inner && c.Type.Kind != JSON:
		return "as belongs to json, so leave it out"
	}
	if c.Default != nil && string(c.Default) != "null" {
		if _, err := c.value(c.Default, false); err != nil {
			return "its default " + err.Error()
		}
	}
	return ""
}

// typeDigest is what a discovered type adds to the shape of a table.
func typeDigest(c Column) string {
	sum := sha256.Sum256([]byte(c.Name + "\x00" + c.Type.String()))
	return hex.EncodeToString(sum[:8])
}
