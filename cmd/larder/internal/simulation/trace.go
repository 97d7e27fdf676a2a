package simulation

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Violation is what the oracle objects to.
type Violation struct {
	What string
	// Table and Key are what it is about; "" and -1: none.
	Table string
	Key   int64
	// When it was found, since the start of the history.
	When time.Duration
	// Trace is the history that led there.
	Trace string
}

func (v *Violation) Error() string {
	about := ""
	if v.Table != "" {
		about = "table " + v.Table + " "
	}
	return fmt.Sprintf("at %s: %s%s\n%s", v.When, about, v.What, v.Trace)
}

// objection makes a violation of whatever went wrong: a table that cannot be
// read is one, too.
func (l *life) objection(err error) error {
	var v *Violation
	if !errors.As(err, &v) {
		v = l.violates(-1, -1, "%v", err)
	} else if outer := err.Error(); outer != v.Error() {
		v.What = strings.TrimSpace(strings.TrimSuffix(outer, v.Error())) + " " + v.What
	}
	v.Trace = l.History.String()
	if l.trace != nil {
		v.Trace += l.trace.String()
	}
	return v
}

// String is the history in lines: the contract, and the log.
func (h History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", h.Contract)
	for i, c := range h.Log {
		does := "writes"
		if c.Gone {
			does = "deletes"
		}
		if c.Misfit {
			does = "breaks"
		}
		fmt.Fprintf(&b, "  change %d %s key %d: stamp %s, committed %s, visible %s\n", i, does, id(c.Part, c.Key), c.Stamp, c.Commit, c.Visible)
	}
	return b.String()
}

// telling adds a line to the trace, if there is one.
func (l *life) telling(format string, args ...any) {
	if l.trace == nil {
		return
	}
	l.counting.Lock()
	defer l.counting.Unlock()
	fmt.Fprintf(l.trace, format+"\n", args...)
}

// tell writes what a poll came to.
func (l *life) tell(reports []syncer.Report) {
	if l.trace == nil {
		return
	}
	for _, r := range reports {
		why := "completes"
		if r.Failure != nil {
			why = r.Failure.Text
		}
		l.telling("    %s %s: %d pages, resumed %t, took %s: %s", r.Kind, r.Partition, r.Batches, r.Resumed, r.Took, why)
		for _, t := range r.Tables {
			why := "settles"
			if t.Failure != nil {
				why = t.Failure.Text
			}
			l.telling("      %s %s: %s", t.Table, t.Kind, why)
		}
	}
}
