//go:build unix

package main_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// tally is what came of the kills of one scenario on one database.
type tally struct {
	database, scenario string
	points, kills      int
	found              map[killtest.Kind]int
	mu                 sync.Mutex
}

// object counts what a judge found.
func (t *tally) object(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, ok := errors.AsType[*killtest.Violation](err); ok {
		for kind, texts := range v.Findings {
			t.found[kind] += len(texts)
		}
	}
}

func newTally(database, scenario string) *tally {
	return &tally{database: database, scenario: scenario, found: make(map[killtest.Kind]int)}
}

// tallies are those of a whole run.
type tallies []*tally

// String is a table with a sum for each database.
func (ts tallies) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(t *tally) {
		fmt.Fprintf(w, "%s\t  %s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", t.database, t.scenario, t.points, t.kills,
			t.found[killtest.Lost], t.found[killtest.Doubled], t.found[killtest.Ahead], t.found[killtest.Odd])
	}
	fmt.Fprintln(w, "database\tscenario\tpoints\tkills\tlost\tdoubled\tahead\todd\t")
	for _, t := range ts {
		line(t)
	}
	for _, name := range []string{"Postgres", "SQLite"} {
		line(ts.sum(name))
	}
	_ = w.Flush() // to memory
	return b.String()
}

func (ts tallies) sum(database string) *tally {
	all := newTally(database, "all")
	for _, t := range ts {
		if t.database != database {
			continue
		}
		all.points += t.points
		all.kills += t.kills
		for kind, n := range t.found {
			all.found[kind] += n
		}
	}
	return all
}

// larder is killed with signal 9 at the messages that it sends to Postgres and
// before the writes that it makes to SQLite, in all that it does to a copy. What
// is left has no row doubled and no position ahead of the rows, and one more run
// makes the copy equal to its owner: nothing is lost.
//
// Every point is struck by LARDER_KILLS=all, and a thousand kills on each
// database by LARDER_KILLS=1000; a share that is drawn without either.
func TestThousandKills(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	share := killtest.Shared(t, share())
	all := scenarios()
	// Every scenario has its part, with the takeovers; SQLite has one less.
	atLeast := (share.AtLeast + len(all) - 1) / len(all)
	var done tallies
	t.Run("kills", func(t *testing.T) {
		for _, s := range all {
			for _, database := range []string{"Postgres", "SQLite"} {
				if s.after && database != "Postgres" {
					continue // a write is made or it is not
				}
				count := newTally(database, s.name)
				done = append(done, count)
				t.Run(database+"/"+s.name, func(t *testing.T) {
					t.Parallel()
					r, strikes := s.stage(t, program, count)
					r.strikes(s, strikes, killtest.Share{First: share.First, Step: share.Step, AtLeast: atLeast})
				})
			}
		}
		for _, database := range []string{"Postgres", "SQLite"} {
			count := newTally(database, "takeover by a second daemon")
			done = append(done, count)
			t.Run(database+"/"+count.scenario, func(t *testing.T) {
				t.Parallel()
				takeovers(t, program, count, cmp.Or(atLeast, takeoversOf(share)))
			})
		}
	})
	t.Logf("\n%s", done)
	for _, database := range []string{"Postgres", "SQLite"} {
		if n := done.sum(database).kills; n < share.AtLeast {
			t.Errorf("only %d kills struck on %s, want %d", n, database, share.AtLeast)
		}
	}
}

// striker runs a command and kills it at the n-th of its points.
type striker interface {
	strike(n int) (label string, count int)
}

// stage makes the owner, the consumer and the striker of a scenario, and the
// first copy if there is to be one.
func (s scenario) stage(t *testing.T, program string, count *tally) (*rig, striker) {
	t.Helper()
	owner := killtest.NewShapedOwner(t, s.shape(), killRecords)
	owner.Pages(s.pages[0].size, s.pages[0].time)
	var strikes striker
	r := &rig{T: t, owner: owner, tally: count, command: cmp.Or(s.command, "poll")}
	if count.database == "Postgres" {
		dsn := r.onPostgres(program)
		proxy := killtest.NewProxy(t, dsn)
		strikes = messages{rig: r, proxy: proxy, larder: killtest.Configure(t, program, owner, proxy.URL()), forward: s.after}
	} else {
		strikes = writes{rig: r, file: r.onSQLite(program)}
	}
	if s.instants {
		strikes = &instants{rig: r}
	}
	if !s.first {
		r.fill()
	}
	return r, strikes
}

// strikes goes through the points, and through them again with other pages,
// until there were kills enough.
func (r *rig) strikes(s scenario, by striker, share killtest.Share) {
	r.Helper()
	hits := make(killtest.Tally)
	for pass := 0; pass == 0 || r.tally.kills < share.AtLeast; pass++ {
		p := s.pages[pass%len(s.pages)]
		r.owner.Pages(p.size, p.time)
		first, step := share.First, share.Step
		if share.AtLeast > 0 {
			first, step = r.spread(s, by, share.AtLeast)
		}
		r.Logf("%s: struck at points %d, %d, %d, … (%s=%d/%d)", p, first, first+step, first+2*step, killtest.Kills, first, step)
		for n := first; pass == 0 || r.tally.kills < share.AtLeast; n += step {
			s.prepare(r)
			label, points := by.strike(n)
			hits.Add(label)
			if label == "" {
				r.tally.points = max(r.tally.points, points)
				break
			}
			r.recover(fmt.Sprintf("killed at point %d, %s", n, label))
		}
	}
	if r.tally.points < 20 {
		r.Errorf("%s of only %d points", r.command, r.tally.points)
	}
	r.Logf("%d kills:\n%s", r.tally.kills, hits)
}

// spread says where kills begin and how far they lie apart if so many of them are
// to be spread over all points: the command is run once, and counted.
func (r *rig) spread(s scenario, by striker, kills int) (first, step int) {
	r.Helper()
	s.prepare(r)
	_, points := by.strike(1 << 30)
	step = max(1, points/kills)
	return 1 + rand.IntN(step), step
}
