package syncer

import (
	"fmt"
	"slices"
)

// maxPartValue bounds one value of a partition, which its name repeats.
const maxPartValue = 1 << 10

// Parts makes partitions of the rows of a query: each column is a value, called
// by its name.
type Parts struct {
	names []string
	all   []Partition
}

// PartsError says why what a query yields is no list of partitions.
type PartsError struct{ reason string }

func (e *PartsError) Error() string { return e.reason }

// FailureClass is ClassDatabase: it is the consumer's rows that do not do.
func (*PartsError) FailureClass() Class { return ClassDatabase }

func partsErrorf(format string, args ...any) error {
	return &PartsError{fmt.Sprintf(format, args...)}
}

// NewParts begins with the names of the columns.
func NewParts(names []string) (*Parts, error) {
	if len(names) == 0 {
		return nil, partsErrorf("the query has no columns")
	}
	for i, name := range names {
		switch {
		case name == "":
			return nil, partsErrorf("column %d of the query has no name of its own; write AS", i+1)
		case slices.Contains(names[:i], name):
			return nil, partsErrorf("the query has two columns named %q; rename one by AS", name)
		}
	}
	return &Parts{names: slices.Clone(names)}, nil
}

// Add takes one row: JSON texts in the order of the columns, nil for null. They
// are kept.
func (p *Parts) Add(row [][]byte) error {
	n := len(p.all) + 1
	if n > mostPartitions {
		return partsErrorf("the query yields more than %d rows", mostPartitions)
	}
	values := make([]PartitionValue, 0, len(p.names))
	for i, name := range p.names {
		switch raw := row[i]; {
		case raw == nil, string(raw) == "null":
			return partsErrorf("column %q is null in row %d of the query", name, n)
		case len(raw) > maxPartValue:
			return partsErrorf("column %q is longer than %d bytes in row %d of the query", name, maxPartValue, n)
		default:
			values = append(values, PartitionValue{Name: name, JSON: raw})
		}
	}
	p.all = append(p.all, NewPartition(values...))
	return nil
}

// All are the partitions, in the order of their rows.
func (p *Parts) All() []Partition { return p.all }
