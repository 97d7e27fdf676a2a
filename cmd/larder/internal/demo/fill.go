package demo

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// fillMost is how long the copies may take to fill.
const fillMost = 30 * time.Second

// fill waits for the first rows, and until every copy is complete.
func (s *stage) fill(ctx context.Context) error {
	started, seen := time.Now(), false
	for time.Since(started) < fillMost {
		if !seen {
			first := s.firstRows(ctx)
			if seen = first != ""; seen {
				s.out.tell("the first rows are there, in %s", first)
			}
		}
		copies, err := s.status(ctx)
		if err != nil {
			return err
		}
		if seen && !slices.ContainsFunc(copies, func(c Copy) bool { return c.AsOf.IsZero() }) {
			s.out.tell("every copy is complete: %d rows in %d tables", rowsOf(copies), len(copies))
			return nil
		}
		if err := wait(ctx, lookEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("fill the copies: they are not complete after %s; the log tells why: %s", fillMost, s.folder.file(logFile))
}

// firstRows names a copy that has rows, as plain SQL sees it; "" if none has.
func (s *stage) firstRows(ctx context.Context) string {
	for _, c := range s.consumers {
		for _, t := range c.copies {
			// Until larder has made the table, this fails.
			if rows, err := c.db.query(ctx, "select 1 from "+t.table+" limit 1"); err == nil && len(rows) > 0 {
				return c.name + "." + t.table
			}
		}
	}
	return ""
}

func rowsOf(copies []Copy) (rows int64) {
	for _, c := range copies {
		rows += c.Rows
	}
	return rows
}
