// Package syncertest proves that tables do what the syncer demands: a database
// in memory whose time and failures can be steered, and the conformance suite
// that every Table runs. Only tests import it.
package syncertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Memory is a consumer's database in memory. Its daemons share it by Daemon.
// It is safe for concurrent use.
type Memory struct {
	// Fault, if set, is asked before and after every commit ("begin", "commit",
	// "committed"); an error there is what a kill at that point looks like to
	// the caller. It is called with the database locked.
	Fault func(step string) error

	mu         sync.Mutex
	tables     map[string]*memTable
	generation int64
	holder     string
	expires    time.Time
	orders     []memOrder
	sent       int // orders, those that are forgotten included
}

type memOrder struct {
	syncer.Order
	state, outcome string
}

// memTable is the committed state of one table. Transactions work on a copy.
type memTable struct {
	spec row.Spec
	rows map[string]row.Row
	// marked rows are gone, but for their mark, whose instant they have.
	marked     map[string]memMarked
	parts      map[string]*memPart
	gone       map[string]memGone
	quarantine map[string]syncer.Quarantined
	// forgotten tables have rows and nothing else, dropped ones everything but
	// the table itself.
	forgotten, dropped bool
	// made tables were created by Prepare; columns are those that there are.
	made    bool
	columns []string
	// fields are those that nobody named, the oldest first.
	fields []memField
	// types are those of the columns of a table that its consumer created.
	types map[string]string
}

type memMarked struct {
	row.Row
	at time.Time
}

type memGone struct {
	version any
	until   time.Time
}

type memPart struct {
	syncer.Standing
	// resumeShape and listShape are those that Position.Resume and Listing were
	// made under.
	resumeShape, listShape string
	next, failingSince     time.Time
	failure                *syncer.Failure
	failed                 syncer.WalkKind // of the walk that did
	late                   time.Duration
	seenWalk               string
	seen                   map[string]memNote
	lost                   bool // some of seen is
	missing                map[string]memMissing
	// listAsOf is the as-of of the last complete list that was held against the
	// whole copy.
	listAsOf    time.Time
	suspects    map[string]memSuspect
	tally       memTally
	found, left int
	auditError  string
	// floor is where the list begins that is settled right now.
	floor any
	// roster says that the part stands for the list of partitions; retired,
	// that the list has it no more.
	roster, retired bool
}

// memNote says that a key counts as seen; touched ones are those that a walk
// for changes wrote while a listing walk was under way.
type memNote struct {
	version any
	touched bool
}

type memMissing struct {
	walks   int
	present time.Time
}

func (t *memTable) clone() *memTable {
	c := &memTable{spec: t.spec, made: t.made, dropped: t.dropped, columns: t.columns, types: t.types, fields: slices.Clone(t.fields), rows: maps.Clone(t.rows), marked: maps.Clone(t.marked), gone: maps.Clone(t.gone), quarantine: maps.Clone(t.quarantine), parts: make(map[string]*memPart)}
	for name, p := range t.parts {
		q := *p
		q.seen, q.missing, q.suspects = maps.Clone(p.seen), maps.Clone(p.missing), maps.Clone(p.suspects)
		c.parts[name] = &q
	}
	return c
}

// part returns the standing of a partition, made on first sight.
func (t *memTable) part(name string) *memPart {
	p := t.parts[name]
	if p == nil {
		p = &memPart{seen: make(map[string]memNote), missing: make(map[string]memMissing), suspects: make(map[string]memSuspect)}
		p.FirstSeen = time.Now()
		t.parts[name] = p
	}
	return p
}

// Daemon is one daemon's view of a Memory: it holds, or does not, the lease.
type Daemon struct {
	*Memory
	Name string
	held int64
}

// NewDaemon returns a daemon of that name on the database.
func (m *Memory) NewDaemon(name string) *Daemon { return &Daemon{Memory: m, Name: name} }

// Acquire implements syncer.Lease.
func (d *Daemon) Acquire(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if left := time.Until(d.expires); d.holder != "" && d.holder != d.Name && left > 0 && left <= 2*syncer.LeaseTime {
		return &syncer.HeldError{Holder: d.holder, For: left}
	}
	d.generation++
	d.held, d.holder, d.expires = d.generation, d.Name, time.Now().Add(syncer.LeaseTime)
	return nil
}

// Renew implements syncer.Lease.
func (d *Daemon) Renew(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != d.generation {
		return syncer.ErrFenced
	}
	d.expires = time.Now().Add(syncer.LeaseTime)
	return nil
}

// Release implements syncer.Lease.
func (d *Daemon) Release(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != d.generation {
		return syncer.ErrFenced
	}
	d.held, d.holder, d.expires = 0, "", time.Now()
	return nil
}

// Holding says how the lease stands.
func (d *Daemon) Holding(context.Context) (syncer.Holding, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return syncer.Holding{Held: d.holder != "" && time.Until(d.expires) > 0, Until: d.expires}, nil
}

// Send leaves an order.
func (d *Daemon) Send(_ context.Context, o syncer.Order) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent++
	o.ID = fmt.Sprint(d.sent)
	d.orders = append(d.orders, memOrder{Order: o, state: "waiting"})
	return o.ID, nil
}

// Outcome tells what became of an order.
func (d *Daemon) Outcome(_ context.Context, id string) (state, text string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.orders {
		if o.ID == id {
			return o.state, o.outcome, nil
		}
	}
	return "", "", fmt.Errorf("order %q is not there", id)
}

// Orders implements syncer.Inbox.
func (d *Daemon) Orders(context.Context) ([]syncer.Order, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []syncer.Order
	for _, o := range d.orders {
		if o.state == "waiting" {
			out = append(out, o.Order)
		}
	}
	return out, nil
}

// Answer implements syncer.Inbox.
func (d *Daemon) Answer(_ context.Context, o syncer.Order, outcome string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.orders {
		if d.orders[i].ID == o.ID {
			d.orders[i].state, d.orders[i].outcome = "done", outcome
			if err != nil {
				d.orders[i].state, d.orders[i].outcome = "failed", err.Error()
			}
		}
	}
	return nil
}

// Status reads what the database says about its copies.
func (d *Daemon) Status(context.Context) ([]syncer.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []syncer.Status
	for _, t := range d.tables {
		if t.forgotten {
			continue
		}
		out = append(out, t.status())
	}
	return out, nil
}

func (t *memTable) status() syncer.Status {
	s := syncer.Status{Source: t.spec.Source, Rows: t.held(), Quarantined: int64(len(t.quarantine))}
	first, none, due := true, true, false
	for _, p := range t.parts {
		f := syncer.Judge(p.Standing, t.spec.Budget, time.Now())
		if first || f.Level.Worse(s.Level) || f.Level == s.Level && f.Staleness > s.Staleness {
			s.Freshness = f
		}
		first = false
		if p.failure != nil && (s.Class == "" || p.failingSince.Before(s.FailingSince)) {
			s.Class, s.Error, s.FailingSince = p.failure.Class, p.failure.Text, p.failingSince
		}
		if p.roster {
			continue
		}
		due = due || p.Resync
		if none || p.ProvenAsOf.Before(s.ProvenAsOf) {
			s.ProvenAsOf = p.ProvenAsOf
		}
		if none || p.DeletesAsOf.Before(s.DeletesAsOf) {
			s.DeletesAsOf = p.DeletesAsOf
		}
		if !p.Newest.IsZero() && (s.Newest.IsZero() || p.Newest.Before(s.Newest)) {
			s.Newest = p.Newest
		}
		none = false
		s.Held += int64(len(t.confirmed(p)))
		s.Found += int64(p.found)
		s.Left += int64(p.left)
		if p.auditError != "" {
			s.AuditError = p.auditError
		}
		s.Paused = s.Paused || p.Paused
		s.Late = max(s.Late, p.late)
		s.LastPoll, s.NextPoll = p.LastPoll, p.next
	}
	if s.Held > 0 && s.Reason == "" {
		s.Reason = "a sweep is held or unconfirmed"
	}
	if due && s.Reason == "" && s.Class == "" && !s.Paused {
		s.Reason = "a resync is due: not all of it is as configured yet"
	}
	s.Table = t.spec.Target
	t.tell(&s)
	return s
}

// Quarantine lists the records set aside for a table.
func (d *Daemon) Quarantine(_ context.Context, table string, limit int) ([]syncer.Quarantined, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []syncer.Quarantined
	if t := d.tables[table]; t != nil {
		for _, q := range t.quarantine {
			if len(out) < limit {
				out = append(out, q)
			}
		}
	}
	return out, nil
}

// Table returns the daemon's side of one table.
func (d *Daemon) Table(spec row.Spec) *MemoryTable {
	return &MemoryTable{d: d, spec: spec, heard: new(row.Heard), begun: new(row.Begun)}
}

// Kept returns the daemon's side of one table, whose columns need no type where
// its consumer has created it.
func (d *Daemon) Kept(spec row.Spec) row.Kept {
	return row.Discover(spec, d.catalogue, func(s row.Spec) row.Kept { return d.Table(s) })
}

// catalogue takes a column for what its type, as a configuration writes it,
// says.
func (d *Daemon) catalogue(_ context.Context, spec *row.Spec) (map[string]row.Found, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tables[spec.Target]
	if t == nil {
		return nil, false, nil
	}
	found := map[string]row.Found{}
	for name, declared := range t.types {
		f := row.Found{Declared: declared}
		var err error
		if f.Type, err = row.ParseType(declared); err != nil {
			f.Unknown = "write a type"
		}
		found[name] = f
	}
	return found, true, nil
}

// write runs do on a copy of the table's state and commits it, if the daemon
// holds the lease and no fault strikes.
func (d *Daemon) write(target string, do func(*memTable) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault("begin"); err != nil {
		return err
	}
	if d.held == 0 || d.held != d.generation {
		return syncer.ErrFenced
	}
	t := d.tables[target]
	if t == nil || t.forgotten {
		return fmt.Errorf("table %q is not prepared", target)
	}
	c := t.clone()
	if err := do(c); err != nil {
		return err
	}
	if err := d.fault("commit"); err != nil {
		return err
	}
	d.tables[target] = c
	if c.forgotten {
		d.orders = slices.DeleteFunc(d.orders, func(o memOrder) bool {
			return o.Table == target && (o.Kind != syncer.OrderForget || o.state != "waiting")
		})
	}
	return d.fault("committed")
}

// Forget implements syncer.Forgetter.
func (d *Daemon) Forget(_ context.Context, target string) (string, error) {
	err := d.write(target, func(t *memTable) error {
		*t = memTable{spec: t.spec, rows: t.rows, marked: t.marked, forgotten: true, columns: t.columns, types: t.types}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "forgotten", nil
}

func (d *Daemon) fault(step string) error {
	if d.Fault == nil {
		return nil
	}
	return d.Fault(step)
}
