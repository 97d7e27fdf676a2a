package syncertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Age lets d pass for everything that the database has stored.
func (m *Memory) Age(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	back := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(-d)
		}
	}
	for _, t := range m.tables {
		for i := range t.fields {
			back(&t.fields[i].since)
		}
		for _, p := range t.parts {
			for _, at := range []*time.Time{&p.AsOf, &p.DeletesAsOf, &p.Audited, &p.ProvenAsOf, &p.FirstSeen, &p.Newest, &p.LastPoll, &p.failingSince, &p.listAsOf} {
				back(at)
			}
			for _, slot := range []**syncer.Resume{&p.Position.Resume, &p.Listing} {
				if *slot != nil {
					r := **slot
					back(&r.Sent)
					*slot = &r
				}
			}
			for k, v := range p.suspects {
				back(&v.since)
				back(&v.present)
				p.suspects[k] = v
			}
			for k, v := range p.missing {
				back(&v.present)
				p.missing[k] = v
			}
		}
		for k, g := range t.gone {
			back(&g.until)
			t.gone[k] = g
		}
	}
	back(&m.expires)
}

// LoseNotes throws away the notes of seen keys, as a crash may.
func (m *Memory) LoseNotes() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tables {
		for _, p := range t.parts {
			p.lost = p.lost || len(p.seen) > 0
			clear(p.seen)
		}
	}
}

// Rows returns the named columns of all rows as text, null as "NULL".
func (m *Memory) Rows(target string, columns []string) [][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tables[target]
	var out [][]string
	if t == nil {
		return out
	}
	for _, r := range t.rows {
		out = append(out, t.line(r, nil, columns))
	}
	for _, r := range t.marked {
		out = append(out, t.line(r.Row, r.at, columns))
	}
	return out
}

// line is a row as text, mark being what its mark holds.
func (t *memTable) line(r row.Row, mark any, columns []string) (line []string) {
	for _, name := range columns {
		value := "NULL" // of a column that larder does not write
		if name == t.spec.Mark {
			value = text(mark)
		}
		for i, c := range t.spec.Columns {
			if c.Name == name {
				value = text(r.Values[i])
			}
		}
		line = append(line, value)
	}
	return line
}

// text prints a value as Conform compares it.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000000Z")
	case []byte:
		return fmt.Sprintf("%x", v)
	case row.Document:
		return canonical(string(v))
	}
	return fmt.Sprint(v)
}

// canonical brings JSON texts that mean the same to one form.
func canonical(s string) string {
	var v any
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return s
	}
	return string(b)
}
