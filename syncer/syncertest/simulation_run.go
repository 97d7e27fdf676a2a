package syncertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// History is one life of a feed that is kept in two tables: what its owner
// writes, when it is polled, and what goes wrong. It is plain data, so that it
// can be drawn, shrunk, printed and run again.
type History struct {
	Feed
	Log   []Change
	Polls []Planned
	// Shared keeps both tables in one database.
	Shared bool
	// Confirm is the tables' Spec.Confirm.
	Confirm int
	// Slow is how long a write takes, Gather how many records one may hold.
	Slow   time.Duration
	Gather int
	// Lag is how long the owner's readers may stay behind a commit.
	Lag time.Duration
	// Persist is how long a difference must last to count.
	Persist time.Duration
}

// Planned is a poll of a history, after Wait and after what happened Before it
// to one table.
type Planned struct {
	Wait   time.Duration
	Before Before
	Table  int
	Fault  Fault
	// Beside is how many more polls begin while the poll is under way.
	Beside int
	// Audit, if set, is an audit of all tables beside the poll; polls go on as
	// long as it does.
	Audit Audit
}

// Audit is what an audit in a history does.
type Audit string

const (
	Unaudited Audit = ""
	Looks     Audit = "looks"
	Repairs   Audit = "repairs"
)

// pollsEvery is how far apart polls beside others begin.
const pollsEvery = 1700 * time.Millisecond

// Before is what happens between two polls.
type Before string

const (
	Quiet Before = "quiet"
	// NotesLost is a crash of the database that takes the notes of seen keys.
	NotesLost Before = "notes lost"
	// Resynced is an operator's order.
	Resynced Before = "resync ordered"
)

// FaultKind is what goes wrong in a poll.
type FaultKind string

const (
	None FaultKind = "nothing"
	// Kill ends the daemon at write At of Table, just before or after the
	// commit as Step says, and KillAsking at page At of the walk.
	Kill       FaultKind = "kill"
	KillAsking FaultKind = "kill while asking"
	// OwnerFails makes page At of the walk an error.
	OwnerFails FaultKind = "owner fails"
	// TableFails makes Table's writes fail from write At on.
	TableFails FaultKind = "table fails"
	// LeaseLost hands the lease of Table's database to another daemon.
	LeaseLost FaultKind = "lease lost"
	// Stop ends the poll's context at page At.
	Stop FaultKind = "stop"
	// Refuse makes the owner refuse to go on with an unfinished walk.
	Refuse FaultKind = "resume refused"
	// Expire makes the owner forget at page At what changed since.
	Expire FaultKind = "watermark expires"
)

// Fault is what goes wrong in one poll, and where.
type Fault struct {
	Kind  FaultKind
	Table int
	At    int
	// Step is the one of Memory.Fault.
	Step string
}

// Wrap puts something between the feed and its source or tables. The proof
// that the oracle sees a mistake is to make it here.
type Wrap struct {
	Source func(syncer.Source) syncer.Source
	Table  func(syncer.Table) syncer.Table
}

// simulation is a history that is being lived.
type simulation struct {
	History
	wrap      Wrap
	owner     *owner
	databases []*Memory
	daemons   []*Daemon
	tables    [2]*simTable
	feed      *syncer.Feed
	trace     strings.Builder

	mu     sync.Mutex
	fault  Fault
	killed bool
	stop   context.CancelFunc
	// inHand is the table that writes; unheard ones committed something that
	// they were not told of.
	inHand  int
	unheard [2]bool
}

// simTable counts writes and lets both tables of a database take turns, so
// that a history always runs the same way.
type simTable struct {
	syncer.Table
	*simulation
	index, writes int
	before        syncer.Standing
	// resynced says that the poll resynced the table, which may set its
	// watermark back; settled, that a walk of it did.
	resynced, settled bool
}

// Run lives the history and returns what the oracle objects to, with a trace.
// It must be called in a synctest bubble.
func (h History) Run(ctx context.Context, wrap Wrap) error {
	s := &simulation{History: h, wrap: wrap, owner: &owner{Feed: h.Feed, log: h.Log, start: time.Now()}}
	s.open()
	for i, p := range h.Polls {
		s.happen(p)
		if err := s.poll(ctx, fmt.Sprint("poll ", i+1), p); err != nil {
			return s.objection(err)
		}
	}
	if err := s.converge(ctx); err != nil {
		return s.objection(err)
	}
	return nil
}

func (s *simulation) open() {
	databases := 2
	if s.Shared {
		databases = 1
	}
	for range databases {
		m := &Memory{}
		m.Fault = s.strike
		s.databases = append(s.databases, m)
		s.daemons = append(s.daemons, m.NewDaemon("larder"))
	}
	s.start()
}

// start is a daemon that starts, or starts again: it knows only what is stored.
func (s *simulation) start() {
	s.feed = &syncer.Feed{Name: "simulated", Source: s.owner, Snapshot: s.Snapshot, Lag: s.Lag, Apart: true, Persist: s.Persist,
		Partitions: []syncer.Partition{{}}, Gather: syncer.Gather{Records: s.Gather, Bytes: 1 << 20}}
	if s.wrap.Source != nil {
		s.feed.Source = s.wrap.Source(s.owner)
	}
	for i := range s.tables {
		d := s.daemons[i%len(s.daemons)]
		if i < len(s.daemons) {
			d.holder = "" // a rival has gone, or the lease has run out
			must(d.Acquire(context.Background()))
		}
		inner := d.Table(s.spec(i))
		must(inner.Prepare(context.Background()))
		t := &simTable{Table: inner, simulation: s, index: i}
		s.tables[i] = t
		c := &syncer.Copy{Name: s.spec(i).Name, Table: t, Keeper: inner}
		if s.wrap.Table != nil {
			c.Table = s.wrap.Table(t)
		}
		s.feed.Copies = append(s.feed.Copies, c)
	}
}

func (s *simulation) spec(i int) row.Spec {
	name := string(rune('a' + i))
	spec := row.Spec{Name: "c." + name, Target: name, Source: "simulated", Key: []int{0}, Version: 2,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "change", Type: row.Type{Kind: row.Bigint}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Partitions: []syncer.Partition{{}}, Shape: syncer.Shape("s", []string{"id", "change", "updated_at"}),
		Budget: syncer.Budget{Critical: time.Hour}, Confirm: s.Confirm,
		Guard: syncer.Guard{Share: 1, All: true}, Remember: s.Overlap + s.Lag,
	}
	if s.Snapshot {
		spec.Version = -1
	}
	if s.Invisible {
		spec.Budget.Deletes = time.Hour
	}
	return spec
}

// Standing, Apply and Settle take turns: in a bubble a moment later is after
// everything that the other table does now.
func (t *simTable) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	time.Sleep(time.Duration(t.index+1) * time.Millisecond)
	return t.Table.Standing(ctx, p)
}

func (t *simTable) Apply(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
	time.Sleep(t.Slow + time.Duration(t.index+1)*time.Millisecond)
	defer t.turn()()
	return t.Table.Apply(ctx, w, b)
}

func (t *simTable) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	time.Sleep(t.Slow + time.Duration(t.index+1)*time.Millisecond)
	defer t.turn()()
	return t.Table.Settle(ctx, w, s)
}

func (t *simTable) turn() (end func()) {
	t.mu.Lock()
	t.inHand = t.index
	t.writes++
	return t.mu.Unlock
}

// strike is the Memory.Fault of both databases. It is called in a turn.
func (s *simulation) strike(step string) error {
	f, t := s.fault, s.inHand
	here := f.Table == t && f.Step == step && f.At == s.tables[t].writes
	switch {
	case s.killed:
		return errKilled
	case f.Kind == Kill && here:
		s.killed, s.unheard[t] = true, step == "committed"
		return errKilled
	case f.Kind == TableFails && f.Table == t && (here || s.tables[t].writes > f.At):
		s.unheard[t] = s.unheard[t] || step == "committed"
		return errors.New("table is down")
	case f.Kind == LeaseLost && f.Table == t && f.At == s.tables[t].writes && step == "begin":
		m := s.databases[t%len(s.databases)]
		m.generation++
		m.holder = "rival"
	}
	return nil
}

// prepare arms a fault.
func (s *simulation) prepare(f Fault) {
	s.owner.quiet()
	s.fault, s.unheard = f, [2]bool{}
	for _, t := range s.tables {
		t.writes = 0
		t.before = s.standing(t.index)
	}
	switch f.Kind {
	case OwnerFails:
		s.owner.failAt = f.At
	case KillAsking:
		s.owner.failAt, s.owner.then = f.At, func() { s.mu.Lock(); s.killed = true; s.mu.Unlock() }
	case Stop:
		s.owner.failAt, s.owner.then = f.At, func() { s.stop() }
	case Refuse:
		s.owner.refuse = true
	case Expire:
		s.owner.failAt, s.owner.why = f.At, syncer.ErrExpired
	}
}

// happen brings about what comes before a poll.
func (s *simulation) happen(p Planned) {
	time.Sleep(p.Wait)
	s.fault = Fault{Kind: None}
	switch p.Before {
	case NotesLost:
		fmt.Fprintf(&s.trace, "  notes of table %d are lost\n", p.Table)
		s.databases[p.Table%len(s.databases)].LoseNotes()
	case Resynced:
		fmt.Fprintf(&s.trace, "  resync of table %d is ordered\n", p.Table)
		_, err := s.tables[p.Table].Table.(*MemoryTable).Obey(context.Background(), syncer.Order{Kind: syncer.OrderResync})
		must(err)
	}
}

// quiet is a poll in which nothing goes wrong. Where deletions are invisible it
// comes with an audit.
func (s *simulation) quiet() Planned {
	p := Planned{Fault: Fault{Kind: None}}
	if s.Invisible && !s.Snapshot {
		p.Audit = Repairs
	}
	return p
}

// poll polls once, with what goes on beside it, and asks the oracle.
func (s *simulation) poll(ctx context.Context, name string, p Planned) error {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	s.prepare(p.Fault)
	began := s.owner.clock()
	reports, err := s.work(ctx, p)
	report := together(reports)
	s.tell(name, began, p.Fault, report)
	if err != nil {
		return err
	}
	for i, t := range s.tables {
		t.resynced = slices.ContainsFunc(reports, func(r syncer.Report) bool { return r.Kind == syncer.Resync })
		t.settled = s.unheard[i]
		for _, r := range reports {
			for _, of := range r.Tables {
				t.settled = t.settled || of.Table == s.spec(i).Name && of.Failure == nil && r.Failure == nil
			}
			if err := s.counted(i, p, r); err != nil {
				return fmt.Errorf("table %s: %w", s.spec(i).Target, err)
			}
		}
	}
	if s.killed || p.Fault.Kind == LeaseLost {
		s.killed = false
		s.fault = Fault{Kind: None}
		tables := s.tables
		s.start()
		for i := range tables {
			s.tables[i].before, s.tables[i].resynced, s.tables[i].settled = tables[i].before, tables[i].resynced, tables[i].settled
		}
	}
	return s.judge(p)
}

// together makes one report of those of both lanes: of each table the worst that
// befell it, in the order of the tables.
func together(reports []syncer.Report) syncer.Report {
	out, tables := reports[0], make(map[string]syncer.TableReport)
	for _, r := range reports {
		for _, t := range r.Tables {
			if old, ok := tables[t.Table]; !ok || old.Failure == nil {
				tables[t.Table] = t
			}
		}
	}
	out.Tables = nil
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		out.Tables = append(out.Tables, tables[name])
	}
	return out
}

// converge lets everything become visible and polls without faults until the
// tables hold what the owner does: soon, or never.
func (s *simulation) converge(ctx context.Context) error {
	for _, c := range s.Log {
		time.Sleep(max(0, c.Visible-s.owner.clock()))
	}
	var err error
	for i := range s.Confirm + 2 {
		if err := s.poll(ctx, fmt.Sprint("quiet poll ", i+1), s.quiet()); err != nil {
			return err
		}
		if err = s.equal(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("after %d quiet polls %w", s.Confirm+2, err)
}

func (s *simulation) standing(i int) syncer.Standing {
	st, err := s.tables[i].Table.Standing(context.Background(), syncer.Partition{})
	must(err)
	return st
}

// rows returns the number of the change that each key of a table is at.
func (s *simulation) rows(i int) map[int]int {
	out := make(map[int]int)
	for _, r := range s.databases[i%len(s.databases)].Rows(s.spec(i).Target, []string{"id", "change"}) {
		key, err := strconv.Atoi(r[0])
		must(err)
		out[key], err = strconv.Atoi(r[1])
		must(err)
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// objection is what the oracle says, with the history that led there.
func (s *simulation) objection(err error) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n%+v, shared %t, confirm %d, write takes %s, gathers %d, lag %s\n",
		err, s.Feed, s.Shared, s.Confirm, s.Slow, s.Gather, s.Lag)
	for i, c := range s.Log {
		does := "writes"
		if c.Gone {
			does = "deletes"
		}
		fmt.Fprintf(&b, "  change %d %s key %d: stamp %s, committed %s, visible %s\n", i, does, c.Key, c.Stamp, c.Commit, c.Visible)
	}
	return errors.New(b.String() + s.trace.String())
}

// tell writes a line of the trace for a poll, and one for each table.
func (s *simulation) tell(name string, began time.Duration, f Fault, r syncer.Report) {
	fmt.Fprintf(&s.trace, "  %s at %s: %s", name, began, f.Kind)
	if f.Kind != None {
		fmt.Fprintf(&s.trace, " (table %d, at %d, %s)", f.Table, f.At, f.Step)
	}
	fmt.Fprintf(&s.trace, "; %s of %d pages, resumed %t, took %s\n", r.Kind, s.owner.pages, r.Resumed, r.Took)
	for i, t := range r.Tables {
		st, why := s.standing(i), "settles"
		if t.Failure != nil {
			why = t.Failure.Text
		}
		fmt.Fprintf(&s.trace, "    %s %s: %s; watermark %q, as-of %s, deletes %s, key:change %v\n", t.Table, t.Kind, why,
			st.Position.Watermark, s.since(st.AsOf), s.since(st.DeletesAsOf), s.rows(i))
	}
}

// since is an instant on the history's clock; negative for none.
func (s *simulation) since(at time.Time) time.Duration {
	if at.IsZero() {
		return -1
	}
	return at.Sub(s.owner.start)
}
