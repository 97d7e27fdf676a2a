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
	owner     *sourcetest.Owner
	databases []syncertest.Harness
	handles   []syncertest.Database
	tables    [2]*table
	feed      *syncer.Feed
	parts     []syncer.Partition
	// broken says that the log has records that do not fit.
	broken bool
	// trace is told what happens; nil: nobody asks.
	trace *strings.Builder
	hits  map[string]int
	// counting guards hits, and telling of the trace.
	counting sync.Mutex
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
	// unfenced is the objection to a write behind the lease's back.
	unfenced error
	// newest is of each table the newest change that it has had of a key.
	newest [2]map[int64]int
	// filled says which partitions of a table have rows, looked when the poll began.
	filled map[stand]bool
	looked time.Duration
	before map[stand]syncer.Standing
	// refuses says that the next request that goes on with a walk is refused.
	refuses bool
	// undone changes went with a restored backup, at restored. Of the stands in
	// doubt nothing that they claim is held against them: their owner lied, or
	// its history began anew, and they have not walked to an end since.
	undone   []bool
	restored time.Time
	doubt    map[stand]doubt
}

// stand is a partition of a table.
type stand struct{ table, part int }

// doubt is why nothing that a stand claims counts.
type doubt int

const (
	lied    doubt = iota + 1 // until a walk that began later has settled
	rewound                  // until a list that began later has
)

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
	l := &life{History: h, seams: seams, start: time.Now(), hits: map[string]int{}, parts: h.partitions(), stop: func() {},
		undone: make([]bool, len(h.Log)), doubt: map[stand]doubt{}, filled: map[stand]bool{}, turn: make(chan struct{}, 1)}
	l.broken = slices.ContainsFunc(l.Log, func(c Change) bool { return c.Misfit })
	l.newOwner()
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
	if l.counts()[anyFault] == 0 {
		// What was drawn found nothing to strike.
		sure := Poll{Fault: Fault{Kind: KillAsking, At: 1, Step: "asking"}}
		if err := l.poll(ctx, "struck poll", sure); err != nil {
			return l.objection(err)
		}
	}
	if err := l.converge(ctx); err != nil {
		return l.objection(err)
	}
	l.lives()
	return nil
}

// begin is a daemon that starts, or starts again: it knows only what is stored.
func (l *life) begin(ctx context.Context) error {
	src, err := l.newSource()
	if err != nil {
		return err
	}
	l.feed = &syncer.Feed{Name: "simulated", Source: src, Snapshot: l.Mode == sources.SnapshotAll, Lag: l.Lag,
		Apart: l.Mode == sources.Incremental || l.Mode == sources.Delta, FromOwn: l.Mode == sources.Log || l.Mode == sources.Delta, Persist: l.Overlap + l.Lag,
		Retention: l.Retention, Partitions: l.parts, Concurrency: l.Parts, Gather: syncer.Gather{Records: l.Gather, Bytes: 1 << 20}}
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
	if p.Before != Quiet {
		l.telling("  at %s: %s, of table %d", l.clock(), p.Before, p.Table)
	}
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
	case Restored:
		return l.restore(ctx)
	}
	return nil
}

// restore brings the owner back to a backup. One that does not tell it is to be
// resynced by whoever restores it.
func (l *life) restore(ctx context.Context) error {
	now := l.clock()
	back := now / 2
	l.owner.Restore(l.start.Add(back + l.Skew))
	l.commit(now + 1)
	for i, c := range l.Log {
		l.undone[i] = l.undone[i] || c.Commit > back && c.Commit <= now
	}
	l.hit("backup restored")
	l.restored = time.Now()
	for i := range l.tables {
		for j := range l.parts {
			l.doubt[stand{i, j}] = rewound
		}
		if l.Mode == sources.Incremental {
			if _, err := l.tables[i].Obey(ctx, syncer.Order{Kind: syncer.OrderResync}); err != nil {
				return err
			}
		}
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
	l.saw(reports)
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

// leave is longer than an owner ever wants to be left alone.
const leave = 10 * time.Second

// converge lets everything become visible and polls without faults until the
// tables hold what the owner does: soon, or never.
func (l *life) converge(ctx context.Context) error {
	// The owner's clock counts in seconds where it bounds what is asked for.
	var last time.Duration
	for _, c := range l.Log {
		last = max(last, c.Visible, c.Stamp+l.Granule)
	}
	last += l.Settle + l.Cached + l.Replica + 2*time.Second
	time.Sleep(max(leave, last-l.clock()))
	l.owner.Cache.Shared = nil // what a cache has kept is no rest
	quiet := Poll{Fault: Fault{Kind: None}}
	if !l.tells() || l.skips() {
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
		if err := l.accept(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("after %d quiet polls %w", l.Confirm+2, err)
}

// accept is the operator who has restored the owner, and knows that what a guard
// holds is gone.
func (l *life) accept(ctx context.Context) error {
	if l.restored.IsZero() {
		return nil
	}
	for _, t := range l.tables {
		if _, err := t.Obey(ctx, syncer.Order{Kind: syncer.OrderAccept, Deletes: keys}); err != nil {
			return err
		}
	}
	return nil
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
	l.before, l.looked = map[stand]syncer.Standing{}, l.clock()
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

// together sorts reports, so that a trace is always the same.
func together(reports []syncer.Report) []syncer.Report {
	slices.SortStableFunc(reports, func(a, b syncer.Report) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), a.Started.Compare(b.Started), cmp.Compare(a.Kind, b.Kind))
	})
	return reports
}
