package killtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is what plain SQL says about a consumer's copy, read at one instant.
type State struct {
	// Rows are those of the table; none if there is no table.
	Rows []Row
	// Watermark, Cursor and AsOf are larder's position; empty if it has none.
	Watermark time.Time
	Cursor    string
	AsOf      time.Time
	// Counted is how many rows larder says there are; -1: it says nothing.
	Counted     int64
	Quarantined int64
}

// Position judges a copy at any instant, whatever was killed: every row is one
// that the owner had, no key is there twice, and the position is not ahead of
// the rows, which is to say that the table holds
//
//   - what was committed at the owner up to as-of,
//   - what bears a stamp before the watermark less the overlap,
//   - what the pages held that lie before the place to resume at.
func (o *Owner) Position(s State) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	j := judgement{owner: o, rows: make(map[int64]Row)}
	for _, r := range s.Rows {
		if _, twice := j.rows[r.ID]; twice {
			j.complain("key %d is there twice", r.ID)
		}
		j.rows[r.ID] = r
		j.known(r)
	}
	if s.Counted >= 0 && s.Counted != int64(len(s.Rows)) {
		j.complain("larder counts %d rows, there are %d", s.Counted, len(s.Rows))
	}
	if s.Quarantined > 0 {
		j.complain("%d sound records are in quarantine", s.Quarantined)
	}
	for _, past := range o.versions {
		for _, v := range past {
			if !s.AsOf.IsZero() && !v.committed.After(s.AsOf) {
				j.holds(v, "as-of "+s.AsOf.Format(time.StampMicro))
			}
			if v.Stamp.Before(s.Watermark.Add(-Overlap)) {
				j.holds(v, "watermark "+s.Watermark.Format(time.RFC3339))
			}
		}
	}
	if s.Cursor != "" {
		served, known := o.servedBefore(s.Cursor)
		if !known {
			j.complain("cursor %q was never handed out", s.Cursor)
		}
		for _, v := range served {
			j.holds(v, "the place to resume at")
		}
	}
	return j.verdict("position is ahead of the rows, or the rows are wrong")
}

// Equal judges a copy after a poll that completed: it is what the owner holds.
func (o *Owner) Equal(s State) error {
	truth := o.Truth()
	o.mu.Lock()
	defer o.mu.Unlock()
	j := judgement{owner: o, rows: make(map[int64]Row)}
	for _, r := range s.Rows {
		j.rows[r.ID] = r
	}
	for _, want := range truth {
		if have, ok := j.rows[want.ID]; !ok || !have.same(want) {
			j.complain("row %d is %v, its owner holds %v", want.ID, have, want)
		}
		delete(j.rows, want.ID)
	}
	for id := range j.rows {
		j.complain("row %d is there, its owner deleted it", id)
	}
	if s.AsOf.IsZero() {
		j.complain("a complete poll left no as-of")
	}
	if s.Cursor != "" {
		j.complain("a complete poll left a place to resume at")
	}
	return j.verdict("copy differs from its owner")
}

// judgement collects what is wrong.
type judgement struct {
	owner      *Owner
	rows       map[int64]Row
	complaints []string
}

func (j *judgement) complain(format string, args ...any) {
	j.complaints = append(j.complaints, fmt.Sprintf(format, args...))
}

// known demands that the owner once held exactly this row.
func (j *judgement) known(r Row) {
	past := j.owner.versions[r.ID]
	if !slices.ContainsFunc(past, func(v version) bool { return !v.gone && v.same(r) }) {
		j.complain("row %d was never %v", r.ID, r)
	}
}

// holds demands that the table has taken notice of v: by that version of the
// record or a newer one.
func (j *judgement) holds(v version, because string) {
	row, there := j.rows[v.ID]
	switch {
	case there && v.gone && row.Stamp.After(v.Stamp), there && !v.gone && !row.Stamp.Before(v.Stamp):
		return
	case !there && slices.ContainsFunc(j.owner.versions[v.ID], func(d version) bool { return d.gone && !d.Stamp.Before(v.Stamp) }):
		return
	}
	j.complain("%s covers record %d of %s, the table does not hold it", because, v.ID, v.Stamp.Format(time.RFC3339))
}

func (j *judgement) verdict(what string) error {
	const most = 5
	if len(j.complaints) == 0 {
		return nil
	}
	slices.Sort(j.complaints)
	j.complaints = slices.Compact(j.complaints)
	text := fmt.Sprintf("%s (%d findings):\n  ", what, len(j.complaints))
	return errors.New(text + strings.Join(j.complaints[:min(most, len(j.complaints))], "\n  "))
}

func (r Row) same(o Row) bool {
	return r.ID == o.ID && r.Name == o.Name && r.Amount == o.Amount && r.Stamp.Equal(o.Stamp)
}

func (r Row) String() string {
	if r.ID == 0 {
		return "absent"
	}
	return fmt.Sprintf("{%s %s %s}", r.Name, r.Amount, r.Stamp.Format(time.RFC3339))
}
