package syncertest

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Stored is what a database in memory has stored of one partition of a table,
// for tests that plant a mistake: they change by it what a table that is wrong
// would have left. It is of use inside Meddle only.
type Stored struct {
	*syncer.Standing
	d     *Daemon
	table *memTable
	part  *memPart
}

// Meddle has what is stored of a partition changed outside of any transaction.
// The database is locked meanwhile.
func (t *MemoryTable) Meddle(p syncer.Partition, change func(*Stored)) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	tab := t.d.tables[t.spec.Target]
	part := tab.part(p.Name)
	change(&Stored{&part.Standing, t.d, tab, part})
}

// Parts calls do for each partition that the table has.
func (s *Stored) Parts(do func(*Stored)) {
	for _, p := range s.table.parts {
		do(&Stored{&p.Standing, s.d, s.table, p})
	}
}

// Missing is how many rows wait for their deletion to be confirmed or accepted.
func (s *Stored) Missing() int { return len(s.part.missing) }

// Unfence makes the daemon take every generation of the lease for its own.
func (s *Stored) Unfence() { s.d.held = s.d.generation }

// CloseNotes throws away which keys a listing walk under way has seen.
func (s *Stored) CloseNotes() { s.part.close() }

// Untell takes back that changes have touched keys beside a listing walk.
func (s *Stored) Untell() {
	for key, n := range s.part.seen {
		switch {
		case n.touched && n.version == nil:
			delete(s.part.seen, key)
		case n.touched:
			s.part.seen[key] = memNote{version: n.version}
		}
	}
}

// TakeTold takes out the notes of keys that changes have touched beside a walk,
// and returns how they are put back.
func (s *Stored) TakeTold(walk string) (putBack func(*Stored)) {
	told := make(map[string]memNote)
	for key, n := range s.part.seen {
		if n.touched && s.part.seenWalk == walk {
			told[key] = n
			delete(s.part.seen, key)
		}
	}
	return func(s *Stored) {
		for key, n := range told {
			s.part.seen[key] = n
		}
	}
}

// FindNotes takes the notes of keys that a listing walk has seen for whole, though
// some were lost.
func (s *Stored) FindNotes() { s.part.lost = false }

// AgeSuspects lets what an audit suspects have been suspected for so long.
func (s *Stored) AgeSuspects(d time.Duration) {
	for key, of := range s.part.suspects {
		of.since = of.since.Add(-d)
		s.part.suspects[key] = of
	}
}
