package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// answers is a database that gives one answer after the other.
type answers struct {
	given int
	give  func(n int) ([]owners.Row, error)
}

func (a *answers) query(ctx context.Context, _ string) ([]owners.Row, error) {
	a.given++
	rows, err := a.give(a.given)
	return rows, errors.Join(err, ctx.Err())
}

func (a *answers) close() error { return nil }

// A read that fails counts, and so does one without rows; one that the end of
// the demo cuts off does not.
func TestWorkCountsEveryRead(t *testing.T) {
	row := []owners.Row{{"name": "Ada"}}
	for _, test := range []struct {
		name   string
		give   func(n int) ([]owners.Row, error)
		failed int
		err    string
	}{
		{"all succeed", func(int) ([]owners.Row, error) { return row, nil }, 0, ""},
		{"the third fails", func(n int) ([]owners.Row, error) {
			if n == 3 {
				return row, errors.New("disk on fire")
			}
			return row, nil
		}, 1, "1 of 10 reads by the consumers failed, the first: read the tables of trip: disk on fire"},
		{"the table is empty from the sixth on", func(n int) ([]owners.Row, error) {
			if n > 5 {
				return nil, nil
			}
			return row, nil
		}, 5, "no rows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*readEvery+readEvery/2)
				defer cancel()
				c, counted := &consumer{name: "trip", db: &answers{give: test.give}}, &tally{}
				began := time.Now()
				c.work(ctx, nil, counted)
				if took := time.Since(began); took > 11*readEvery {
					t.Errorf("it stopped after %s", took)
				}
				if n := counted.now(); n != (counts{reads: 10, failedReads: test.failed}) {
					t.Errorf("counted %+v, want 10 reads and %d failed", n, test.failed)
				}
				err := counted.err()
				if (err != nil) != (test.failed > 0) || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
			})
		})
	}
}
