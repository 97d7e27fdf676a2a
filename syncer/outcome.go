package syncer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Outcome sums up the reports of one poll in a line, or those of an audit: an
// error if any walk or table of it did not settle. What changed and what a
// resync brought are told apart where there were both.
func Outcome(reports []Report) (string, error) {
	if audited(reports) {
		return auditOutcome(reports)
	}
	var changed, listed []Report
	for _, r := range reports {
		if r.Kind == Resync {
			listed = append(listed, r)
		} else {
			changed = append(changed, r)
		}
	}
	if len(listed) == 0 || len(changed) == 0 {
		return sumUp(reports)
	}
	line, err := sumUp(changed)
	if err != nil {
		return "", err
	}
	list, err := sumUp(listed)
	if err != nil {
		return "", fmt.Errorf("resync: %w", err)
	}
	return line + "; resync: " + list, nil
}

// sumUp sums up walks in a line.
func sumUp(reports []Report) (string, error) {
	var sum Applied
	var absent []string
	records, held, waiting, tables := 0, 0, 0, 0
	for _, r := range reports {
		if err := r.err(); err != nil {
			return "", err
		}
		records += r.Records
		tables += len(r.Tables)
		absent = append(absent, r.Absent...)
		for _, t := range r.Tables {
			sum.Add(t.Applied)
			sum.Deleted += t.Settled.Swept
			held, waiting = held+t.Settled.Held, waiting+t.Settled.Waiting
		}
	}
	if tables == 0 {
		return "", errors.New("nothing is polled: every table is paused")
	}
	line := fmt.Sprintf("%d records: %d inserted, %d updated, %d deleted, %d unchanged, %d quarantined",
		records, sum.Inserted, sum.Updated, sum.Deleted, sum.Unchanged, sum.Quarantined)
	if held > 0 {
		line += fmt.Sprintf("; %d deletions are held by the guard", held)
	}
	if waiting > 0 {
		line += fmt.Sprintf("; %d rows are absent and wait for another walk to confirm it", waiting)
	}
	if len(absent) > 0 {
		slices.Sort(absent)
		line += fmt.Sprintf("; no record has %q: is the name right?", slices.Compact(absent))
	}
	return line, nil
}

// err words the first failure of a report.
func (r Report) err() error {
	if r.Failure != nil {
		return fmt.Errorf("%s: %s", r.Failure.Class, r.Failure.Text)
	}
	for _, t := range r.Tables {
		if t.Failure != nil {
			return fmt.Errorf("%s: %s: %s", t.Table, t.Failure.Class, t.Failure.Text)
		}
	}
	return nil
}

func audited(reports []Report) bool {
	return slices.ContainsFunc(reports, func(r Report) bool { return r.Kind == Audit })
}

// AuditOf sums up the walks of an audit. What one of them put right is not
// found by the next; what it did not is found again. That other tables could
// not take what changed ahead of a walk is theirs to tell.
func AuditOf(reports []Report) (Audited, error) {
	last := make(map[string]Audited)
	var sum Audited
	for _, r := range reports {
		if r.Kind == Changes && r.Failure == nil {
			continue
		}
		if err := r.err(); err != nil {
			return Audited{}, err
		}
		for _, t := range r.Tables {
			a := t.Settled.Audit
			if a == nil {
				continue
			}
			id := r.Partition + " " + t.Table
			sum.add(last[id].righted())
			last[id] = *a
		}
	}
	for _, a := range last {
		sum.add(a)
	}
	return sum, nil
}

func auditOutcome(reports []Report) (string, error) {
	sum, err := AuditOf(reports)
	if err != nil {
		return "", err
	}
	return sum.String(), nil
}

const (
	auditLine = "audit: %d compared: %d missing, %d extra, %d different; %d repaired"
	keysLine  = "; keys alone"
)

// String is the line by which an order to audit is answered. ParseAudited reads
// it back.
func (a Audited) String() string {
	line := fmt.Sprintf(auditLine, a.Compared, a.Missing, a.Extra, a.Different, a.Repaired)
	if a.Held > 0 {
		line += fmt.Sprintf("; %d deletions are held by the guard", a.Held)
	}
	if a.Suspects > 0 {
		line += fmt.Sprintf("; %d more have not lasted long enough to count", a.Suspects)
	}
	if a.Quarantined > 0 {
		line += fmt.Sprintf("; %d in quarantine, not compared", a.Quarantined)
	}
	if a.Keys {
		line += keysLine
	}
	return line
}

// ParseAudited reads the answer to an order to audit; false if it is none, as
// another version of larder may give it.
func ParseAudited(line string) (a Audited, ok bool) {
	parts := strings.Split(line, "; ")
	if len(parts) < 2 {
		return a, false
	}
	if _, err := fmt.Sscanf(parts[0]+"; "+parts[1], auditLine, &a.Compared, &a.Missing, &a.Extra, &a.Different, &a.Repaired); err != nil {
		return a, false
	}
	for _, more := range parts[2:] {
		switch count, what, _ := strings.Cut(more, " "); what {
		case "deletions are held by the guard":
			a.Held, _ = strconv.Atoi(count)
		case "more have not lasted long enough to count":
			a.Suspects, _ = strconv.Atoi(count)
		case "in quarantine, not compared":
			a.Quarantined, _ = strconv.Atoi(count)
		case "alone":
			a.Keys = true
		}
	}
	return a, a.String() == line
}

// righted is what an audit put right, of each kind: rows that are missing or
// differ are written at once, all or none of them, and extra ones deleted
// unless the guard holds them.
func (a Audited) righted() Audited {
	if a.Repaired == 0 {
		return Audited{}
	}
	return Audited{Missing: a.Missing, Different: a.Different, Extra: a.Extra - a.Held, Repaired: a.Repaired}
}

func (a *Audited) add(b Audited) {
	a.Compared += b.Compared
	a.Missing += b.Missing
	a.Extra += b.Extra
	a.Different += b.Different
	a.Repaired += b.Repaired
	a.Held += b.Held
	a.Suspects += b.Suspects
	a.Quarantined += b.Quarantined
	a.Keys = a.Keys || b.Keys
}
