package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// daemon is what every daemon of a history is called.
const daemon = "larder"

// life is a history that is being lived.
type life struct {
	History
	seams     Seams
	start     time.Time
	services  []*sourcetest.Owner
	databases []syncertest.Harness
	handles   []syncertest.Database
	tables    [2]*table
	feed      *syncer.Feed
	parts     []syncer.Partition
	// trace is told what happens; nil: nobody asks.
	trace *strings.Builder
	hits  map[string]int
	// turn holds one token during a write. It is no mutex, because to wait for one
	// stops the bubble's clock.
	turn chan struct{}

	// mu guards the rest, but for what the turn does.
	mu     sync.Mutex
	fault  Fault
	killed bool
	// struck says that the fault took effect.
	struck bool
	stop   context.CancelFunc
	// requests and walks count the work of one poll.
	requests, walks int
	// inHand is the table that writes; unheard ones committed something that
	// they were not told of.
	inHand  int
	unheard [2]bool
	before  map[stand]syncer.Standing
}

// stand is a partition of a table.
type stand struct{ table, part int }

// Run lives the history in one or two databases of a place and returns nil, or
// a *Violation of what the oracle objects to. It must be called in a bubble of
// synctest.
func (h History) Run(t testing.TB, place Place, seams Seams) error {
	l := h.born(t, place, seams)
	return l.live(t.Context())
}

// Live is Run in a bubble of its own.
func Live(t *testing.T, h History, place Place, seams Seams) (err error) {
	synctest.Test(t, func(t *testing.T) { err = h.Run(t, place, seams) })
	return err
}

func (h History) born(t testing.TB, place Place, seams Seams) *life {
	if seams.History != nil {
		seams.History(&h)
	}
	l := &life{History: h, seams: seams, start: time.Now(), hits: map[string]int{}, parts: h.partitions(), stop: func() {}, turn: make(chan struct{}, 1)}
	l.owners()
	n := 2
	if l.Shared {
		n = 1
	}
	for range n {
		l.databases = append(l.databases, place(t))
	}
	return l
}

func (l *life) live(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return l.objection(err)
	}
	for i, p := range l.Polls {
		if err := l.happen(ctx, p); err != nil {
			return l.objection(err)
		}
		if err := l.poll(ctx, "poll "+strconv.Itoa(i+1), p); err != nil {
			return l.objection(err)
		}
	}
	if err := l.converge(ctx); err != nil {
		return l.objection(err)
	}
	return nil
}

// begin is a daemon that starts, or starts again: it knows only what is stored.
func (l *life) begin(ctx context.Context) error {
	src, err := l.newSource()
	if err != nil {
		return err
	}
	l.feed = &syncer.Feed{Name: "simulated", Source: src, Snapshot: l.Mode == sources.SnapshotAll, Lag: l.Lag,
		Apart: l.Mode == sources.Incremental || l.Mode == sources.Delta, Persist: l.Overlap + l.Lag,
		Partitions: l.parts, Concurrency: l.Parts, Gather: syncer.Gather{Records: l.Gather, Bytes: 1 << 20}}
	l.handles = nil
	for _, d := range l.databases {
		h := d.Daemon(daemon)
		if err := l.acquire(h); err != nil {
			return err
		}
		l.handles = append(l.handles, h)
	}
	for i := range l.tables {
		if err := l.openTable(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) newSource() (syncer.Source, error) {
	client, err := l.client()
	if err != nil {
		return nil, err
	}
	spec, err := l.source()
	if err != nil {
		return nil, err
	}
	if l.seams.Spec != nil {
		l.seams.Spec(&spec)
	}
	real, err := sources.New(client, spec)
	if err != nil {
		return nil, err
	}
	var src syncer.Source = counted{real, l}
	if l.seams.Source != nil {
		src = l.seams.Source(src)
	}
	return src, nil
}

func (l *life) openTable(ctx context.Context, i int) error {
	spec := l.table(i)
	if l.seams.Row != nil {
		l.seams.Row(&spec)
	}
	d := i % len(l.databases)
	t := &table{Table: l.databases[d].Table(l.handles[d], spec), life: l, index: i, steps: l.databases[d].Strike != nil}
	if err := t.Prepare(ctx); err != nil {
		return fmt.Errorf("prepare %s: %w", spec.Target, err)
	}
	l.tables[i] = t
	if t.steps {
		l.databases[d].Strike(l.strike)
	}
	c := &syncer.Copy{Name: spec.Name, Table: t, Keeper: t}
	if l.seams.Table != nil {
		c.Table = l.seams.Table(t)
	}
	l.feed.Copies = append(l.feed.Copies, c)
	return nil
}

// acquire takes the lease, once it has run out if need be.
func (l *life) acquire(d syncertest.Database) error {
	for {
		err := d.Acquire(context.Background())
		var held *syncer.HeldError
		if !errors.As(err, &held) {
			return err
		}
		time.Sleep(held.For + time.Millisecond)
	}
}

// happen brings about what comes before a poll.
func (l *life) happen(ctx context.Context, p Poll) error {
	time.Sleep(p.Wait)
	l.arm(Fault{Kind: None})
	switch p.Before {
	case NotesLost:
		l.hit("notes lost")
		l.databases[p.Table%len(l.databases)].LoseNotes()
	case Resynced:
		l.hit("resync ordered")
		_, err := l.tables[p.Table].Obey(ctx, syncer.Order{Kind: syncer.OrderResync})
		return err
	case Restarted:
		l.hit("restarted")
		return l.begin(ctx)
	}
	return nil
}

// poll polls once, with what goes on beside it, and asks the oracle.
func (l *life) poll(ctx context.Context, name string, p Poll) error {
	under, stop := context.WithCancel(ctx)
	defer stop()
	l.stop = stop
	l.arm(p.Fault)
	if err := l.look(ctx); err != nil {
		return err
	}
	l.telling("  %s at %s: %s %s at %d of table %d", name, l.clock(), p.Fault.Kind, p.Fault.Step, p.Fault.At, p.Fault.Table)
	reports, err := l.work(under, p)
	l.tell(reports)
	if err != nil {
		return err
	}
	if l.killed || l.struck && p.Fault.Kind == LeaseLost {
		l.killed = false
		l.fault = Fault{Kind: None}
		for i, d := range l.databases {
			if d.Kill != nil {
				d.Kill(l.handles[i])
			}
		}
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	l.fault = Fault{Kind: None}
	return l.judge(ctx, p, reports)
}

// converge lets everything become visible and polls without faults until the
// tables hold what the owner does: soon, or never.
func (l *life) converge(ctx context.Context) error {
	var last time.Duration
	for _, c := range l.Log {
		last = max(last, c.Visible)
	}
	time.Sleep(max(0, last-l.clock()))
	quiet := Poll{Fault: Fault{Kind: None}}
	if !l.Tombstones && l.Mode != sources.SnapshotAll {
		quiet.Audit = Repairs
	}
	var err error
	for i := range l.Confirm + 2 {
		if err := l.poll(ctx, "quiet poll "+strconv.Itoa(i+1), quiet); err != nil {
			return err
		}
		if err = l.equal(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %d quiet polls %w", l.Confirm+2, err)
}

func (l *life) clock() time.Duration { return time.Since(l.start) }

// since is an instant on the history's clock; negative for none.
func (l *life) since(at time.Time) time.Duration {
	if at.IsZero() {
		return -1
	}
	return at.Sub(l.start)
}

// look remembers where all tables stand.
func (l *life) look(ctx context.Context) (err error) {
	l.before = map[stand]syncer.Standing{}
	for i := range l.tables {
		for j := range l.parts {
			if l.before[stand{i, j}], err = l.tables[i].Table.Standing(ctx, l.parts[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// rows are those that a table holds: the number of the change that each is at.
func (l *life) rows(i int) map[int64]int {
	out := make(map[int64]int)
	for _, r := range l.databases[i%len(l.databases)].Rows(l.tables[i].target(), []string{"id", "change"}) {
		key, _ := strconv.ParseInt(r[0], 10, 64)
		change, err := strconv.Atoi(r[1])
		if err != nil {
			change = -1
		}
		out[key] = change
	}
	return out
}

func (t *table) target() string { return string(rune('a' + t.index)) }

// hit counts that a knob took effect.
func (l *life) hit(knob string) { l.hits[knob]++ }

// together sorts reports, so that a trace is always the same.
func together(reports []syncer.Report) []syncer.Report {
	slices.SortStableFunc(reports, func(a, b syncer.Report) int { return cmp.Compare(a.Partition, b.Partition) })
	return reports
}
