package killtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Standing is larder's position of a table or of one of its partitions.
type Standing struct {
	// Watermark, Cursor and AsOf are empty if there is none. Deletes is up to when
	// deletions are in the table.
	Watermark     time.Time
	Cursor        string
	AsOf, Deletes time.Time
	// Listed is where an unfinished list of everything stands.
	Listed string
	// Counted is how many rows larder says there are; -1: it says nothing.
	Counted int64
}

// State is what plain SQL says about a consumer's copy, read at one instant.
type State struct {
	// Rows are those of the table; none if there is no table.
	Rows []Row
	// Standing is that of the table, where it has no partitions.
	Standing
	// Parts are all positions, by partition; "" is that of the table.
	Parts       map[string]Standing
	Quarantined int64
	// Excused are keys whose rows somebody else wrote over.
	Excused []int64
}

// Kind is in which way a copy is wrong.
type Kind string

// The kinds. Lost is a change that the copy should have after a complete poll,
// Doubled a key that is there twice, Ahead a change that the position covers and
// the rows do not hold, and Odd is whatever else may not be.
const (
	Lost    Kind = "lost"
	Doubled Kind = "doubled"
	Ahead   Kind = "ahead"
	Odd     Kind = "odd"
)

// Violation is what is wrong with a copy.
type Violation struct {
	What     string
	Findings map[Kind][]string
}

func (v *Violation) Error() string {
	const most = 5
	var all []string
	for kind, texts := range v.Findings {
		for _, text := range texts {
			all = append(all, fmt.Sprintf("%s: %s", kind, text))
		}
	}
	slices.Sort(all)
	return fmt.Sprintf("%s (%d findings):\n  %s", v.What, len(all), strings.Join(all[:min(most, len(all))], "\n  "))
}

// Position judges a copy at any instant, whatever was killed: every row is one
// that the owner had, no key is there twice, and the position is not ahead of
// the rows, which is to say that the table holds
//
//   - what was committed at the owner up to as-of,
//   - what bears a stamp before the watermark less the overlap,
//   - what the pages held that lie before the place to resume at.
//
// What it finds is a *Violation.
func (o *Owner) Position(s State) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	j := newJudgement(o, s)
	for _, r := range s.Rows {
		j.known(r)
	}
	if s.Quarantined > 0 {
		j.complain(Odd, "%d sound records are in quarantine", s.Quarantined)
	}
	for part, at := range s.Parts {
		j.counted(part, at)
		j.covered(part, at)
	}
	return j.verdict("position is ahead of the rows, or the rows are wrong")
}

// counted demands that larder knows how many rows there are.
func (j *judgement) counted(part string, at Standing) {
	there := int64(0)
	for id := range j.rows {
		if part == "" || j.owner.shape.partOf(id) == part {
			there++
		}
	}
	if at.Counted >= 0 && at.Counted != there && len(j.excused) == 0 && !j.doubled {
		j.complain(Odd, "larder counts %d rows of partition %q, there are %d", at.Counted, part, there)
	}
}

// covered demands that the table holds what a position covers.
func (j *judgement) covered(part string, at Standing) {
	for id, past := range j.owner.versions {
		if part != j.owner.shape.partOf(id) {
			continue
		}
		for i, v := range past {
			asOf, because := at.AsOf, "as-of"
			if v.silent {
				// No feed of changes tells of it; a list of everything does.
				asOf, because = at.Deletes, "delete as-of"
			}
			if !j.owner.shape.Silent && slices.ContainsFunc(past[i:], func(v version) bool { return v.silent }) {
				continue // nobody tells what was before it, either
			}
			if !asOf.IsZero() && !v.committed.After(asOf) {
				j.holds(v, because+" "+asOf.Format(time.StampMicro))
			}
			if !v.silent && v.Stamp.Before(at.Watermark.Add(-j.owner.shape.Overlap)) {
				j.holds(v, "watermark "+at.Watermark.Format(time.RFC3339))
			}
		}
	}
	for _, place := range []string{at.Cursor, at.Listed} {
		if place != "" {
			j.served(place)
		}
	}
}

// served demands that the table holds what the pages before a place held. The
// same place may have been reached by several walks: then one of them counts.
func (j *judgement) served(place string) {
	walks := j.owner.pages[place]
	if len(walks) == 0 {
		j.complain(Odd, "place %q was never handed out", place)
		return
	}
	var fewest []string
	for i, w := range walks {
		one := judgement{owner: j.owner, rows: j.rows, excused: j.excused, findings: make(map[Kind][]string)}
		for _, v := range w.served {
			one.holds(v, "the place to resume at")
		}
		if found := one.findings[Ahead]; i == 0 || len(found) < len(fewest) {
			fewest = found
		}
	}
	j.findings[Ahead] = append(j.findings[Ahead], fewest...)
}

// Equal judges a copy after a poll that completed: it is what the owner holds.
// What it finds is a *Violation.
func (o *Owner) Equal(s State) error {
	truth := o.Truth()
	o.mu.Lock()
	defer o.mu.Unlock()
	j := newJudgement(o, s)
	for _, want := range truth {
		if have, ok := j.rows[want.ID]; !ok || !have.same(want) {
			j.complain(Lost, "row %d is %v, its owner holds %v", want.ID, have, want)
		}
		delete(j.rows, want.ID)
	}
	for id := range j.rows {
		j.complain(Lost, "row %d is there, its owner deleted it", id)
	}
	if len(s.Parts) < max(o.shape.Parts, 1) {
		j.complain(Odd, "a complete poll left %d positions", len(s.Parts))
	}
	for part, at := range s.Parts {
		if at.AsOf.IsZero() {
			j.complain(Odd, "a complete poll left no as-of of partition %q", part)
		}
		if at.Cursor != "" || at.Listed != "" {
			j.complain(Odd, "a complete poll left a place to resume at in partition %q", part)
		}
	}
	return j.verdict("copy differs from its owner")
}

// judgement collects what is wrong.
type judgement struct {
	owner    *Owner
	rows     map[int64]Row
	excused  map[int64]bool
	doubled  bool
	findings map[Kind][]string
}

func newJudgement(o *Owner, s State) *judgement {
	j := &judgement{owner: o, rows: make(map[int64]Row), excused: make(map[int64]bool), findings: make(map[Kind][]string)}
	for _, id := range s.Excused {
		j.excused[id] = true
	}
	for _, r := range s.Rows {
		if _, twice := j.rows[r.ID]; twice {
			j.doubled = true
			j.complain(Doubled, "key %d is there twice", r.ID)
		}
		j.rows[r.ID] = r
	}
	return j
}

func (j *judgement) complain(kind Kind, format string, args ...any) {
	j.findings[kind] = append(j.findings[kind], fmt.Sprintf(format, args...))
}

// known demands that the owner once held exactly this row.
func (j *judgement) known(r Row) {
	past := j.owner.versions[r.ID]
	if !j.excused[r.ID] && !slices.ContainsFunc(past, func(v version) bool { return !v.gone && v.same(r) }) {
		j.complain(Odd, "row %d was never %v", r.ID, r)
	}
}

// holds demands that the table has taken notice of v: by that version of the
// record or a newer one.
func (j *judgement) holds(v version, because string) {
	row, there := j.rows[v.ID]
	switch {
	case j.excused[v.ID]:
		return
	case there && v.gone && row.Stamp.After(v.Stamp), there && !v.gone && !row.Stamp.Before(v.Stamp):
		return
	case !there && slices.ContainsFunc(j.owner.versions[v.ID], func(d version) bool { return d.gone && !d.Stamp.Before(v.Stamp) }):
		return
	}
	j.complain(Ahead, "%s covers record %d of %s, the table does not hold it", because, v.ID, v.Stamp.Format(time.RFC3339))
}

func (j *judgement) verdict(what string) error {
	v := &Violation{What: what, Findings: make(map[Kind][]string)}
	for kind, texts := range j.findings {
		if len(texts) > 0 {
			slices.Sort(texts)
			v.Findings[kind] = slices.Compact(texts)
		}
	}
	if len(v.Findings) == 0 {
		return nil
	}
	return v
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
