package syncer

import (
	"fmt"
	"strings"
	"time"
)

// Unnamed is a field that the owner sends and nobody named, as the table's
// bookkeeping has it.
type Unnamed struct {
	// Name is the field's, cut where it is long.
	Name string
	// Why says why no column was added for it, where one should have been.
	Why string
	// Since is when it was first seen.
	Since time.Time
}

// AddedColumn is a column that larder added for such a field.
type AddedColumn struct {
	Name, Type string
	Since      time.Time
}

// DriftError says that an owner sends fields that nobody named, where that
// fails the poll.
type DriftError struct {
	// Names are some of the fields, More says that there are others.
	Names []string
	More  bool
}

func (e *DriftError) Error() string {
	const most = 10
	var all []string
	for _, name := range e.Names[:min(len(e.Names), most)] {
		all = append(all, fmt.Sprintf("%q", name))
	}
	text := "owner sends fields that nobody named: " + strings.Join(all, ", ")
	if e.More || len(e.Names) > most {
		text += " and more"
	}
	return text
}

// FailureClass is ClassMisfit.
func (e *DriftError) FailureClass() Class { return ClassMisfit }
