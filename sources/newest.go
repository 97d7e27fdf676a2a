package sources

import (
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Newest is the field that tells how new a record is, where somebody wants to
// know: the first of From that is neither absent nor null.
type Newest struct {
	From   []string
	Format *row.Format // of times
}

// newest is the newest record that a walk has seen, as far as records say it.
type newest struct {
	slots  []int
	format *row.Format
	at     row.Stamp
}

func (s *Source) compileNewest(set *pathSet) (err error) {
	if n := s.spec.Newest; n.Format != nil {
		s.dated, err = set.findAll(n.From)
	}
	return err
}

// dating notes of all that a walk yields how new it is, and says so at its end.
func (k *walk) dating(yield func(*syncer.Batch, error) bool) func(*syncer.Batch, error) bool {
	if len(k.dated) == 0 {
		return yield
	}
	n := newest{slots: k.dated, format: k.spec.Newest.Format}
	return func(b *syncer.Batch, err error) bool {
		if b != nil {
			n.see(b.Records)
			if b.End != nil && !b.End.Unchanged {
				b.End.Newest = k.onOurClock(n.at)
			}
		}
		return yield(b, err)
	}
}

// see looks at records. A field that cannot be read tells nothing: the record is
// a misfit of the tables that have it.
func (n *newest) see(records []syncer.Record) {
	for _, r := range records {
		for _, slot := range n.slots {
			if slot >= len(r.Slots) {
				continue
			}
			raw := r.Slots[slot]
			if raw == nil || string(raw) == "null" {
				continue
			}
			if at, err := n.format.Parse(raw); err == nil && row.Compare(at, n.at) > 0 {
				n.at = at
			}
			break
		}
	}
}

// onOurClock is the instant of this machine's clock that lies as long before the
// walk's start as the stamp lay before the owner's clock then; the start for one
// that lies behind it. An owner that tells no date is taken to have our clock.
func (k *walk) onOurClock(stamp row.Stamp) time.Time {
	at, ok := stamp.Time()
	if !ok {
		return time.Time{}
	}
	start := k.w.Sent
	if k.mark.start.told {
		start = k.mark.start.at
	}
	return k.w.Sent.Add(-max(start.Sub(at), 0))
}
