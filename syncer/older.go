package syncer

import (
	"fmt"
	"time"
)

// olderError says that an answer shows what the owner had before the copy was
// complete.
type olderError struct{ age time.Duration }

func (e *olderError) Error() string {
	return fmt.Sprintf("the answer is %s old, out of a cache before the owner, and the copy is newer: have the cache pass requests on that say no-cache, or ask past it", Span(e.age))
}

// FailureClass is ClassAnswer.
func (e *olderError) FailureClass() Class { return ClassAnswer }

// refuseOlder takes those members out of a walk that are complete up to a later
// moment than its answers show. It would set rows back behind what as-of claims:
// a list is believed whatever the versions of rows are, and so is any record
// whose version is equal, or that has none. A sweep would, too, so that a list
// without a record is refused as well.
//
// What is complete beside a walk, since it began, is not set back by it.
func (g *group) refuseOlder(batches []*Batch, lag time.Duration, now time.Time) {
	last := batches[len(batches)-1]
	if last.Shows.IsZero() || last.End != nil && last.End.Unchanged {
		return
	}
	for _, m := range g.members {
		complete := m.standing.AsOf
		if begun := m.walk.Sent.Add(-lag); begun.Before(complete) {
			complete = begun
		}
		if m.err == nil && last.Shows.Add(-lag).Before(complete) {
			m.err = fmt.Errorf("apply %s: %w", m.copy.Name, &olderError{now.Sub(last.Shows)})
		}
	}
}
