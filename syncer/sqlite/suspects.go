package sqlite

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Differences that an audit has found are suspects until they are found again.
// They stand in the consumer's file, because they have to outlast the walk.

// The kinds of a suspect.
const (
	isMissing   = "missing"
	isExtra     = "extra"
	isDifferent = "different"
)

// suspect is a difference as it is found: what the owner has and what the copy
// has are digests, "" for nothing.
type suspect struct{ kind, theirs, ours string }

// suspicions are the statements about suspects. Where nothing else is said
// their parameters are the partition's name and the key.
type suspicions struct {
	createSuspect string
	// suspected reads what is noted of a key. suspectNew and suspectAgain take
	// partition, kind, theirs, ours, since, present and key.
	suspected, suspectNew, suspectAgain string
	// counts notes the walk in which a suspect counted: partition, walk, key.
	counts string
	clear  string
	// dropSuspects and countSuspects are by partition.
	dropSuspects, countSuspects string
	// undecided reads the keys of the suspects that have not counted in a walk:
	// by partition and walk.
	undecided string
	// settled forgets what a complete audit has not found again: the partition
	// and the values that set it apart. vanished does so after any sweep, and
	// anyExtra by partition, where rows are kept.
	settled, vanished, anyExtra string
	// extras reads the rows that the walk has not seen, keys first, by the
	// partition and the values that set it apart.
	extras string
	// countExtras, holdExtras (with confirm), deleteExtras, presentExtras, which
	// ends their absence, and forgetExtras are about those that counted in a
	// walk: by partition and walk.
	countExtras, holdExtras, deleteExtras, presentExtras, forgetExtras string
	// presentSuspects is as present is.
	presentSuspects string
}

func (b *builder) suspicions(name string) suspicions {
	from, key := b.suspect, b.ourKey(2)
	ours := list(b.ours)
	counted := fmt.Sprintf("SELECT %%s FROM %s WHERE partition = ?1 AND kind = '%s' AND counted = ?2", from, isExtra)
	return suspicions{
		createSuspect: fmt.Sprintf(`CREATE TABLE %s (partition TEXT NOT NULL, kind TEXT NOT NULL, theirs TEXT NOT NULL, ours TEXT NOT NULL, since REAL NOT NULL, present REAL, counted TEXT NOT NULL, %s, PRIMARY KEY (partition, %s)) STRICT, WITHOUT ROWID`,
			quote(name), list(b.oursTyped), ours),
		suspected: fmt.Sprintf("SELECT kind, theirs, ours, since, coalesce(present, 0) FROM %s WHERE partition = ?1 AND %s", from, key),
		suspectNew: fmt.Sprintf("INSERT INTO %s (partition, kind, theirs, ours, since, present, counted, %s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', %s) ON CONFLICT DO NOTHING",
			from, ours, list(numbered(7, len(b.ours)))),
		suspectAgain: fmt.Sprintf("UPDATE %s SET kind = ?2, theirs = ?3, ours = ?4, since = ?5, present = ?6, counted = '' WHERE partition = ?1 AND %s", from, b.ourKey(7)),
		counts:       fmt.Sprintf("UPDATE %s SET counted = ?2 WHERE partition = ?1 AND %s", from, b.ourKey(3)),
		clear:        fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND %s", from, key),

		dropSuspects:  fmt.Sprintf("DELETE FROM %s WHERE partition = ?1", from),
		countSuspects: fmt.Sprintf("SELECT count(*) FROM %s WHERE partition = ?1", from),
		undecided:     fmt.Sprintf("SELECT %s FROM %s WHERE partition = ?1 AND counted <> ?2", ours, from),
		settled: fmt.Sprintf("DELETE FROM %s AS m WHERE partition = ?1 AND CASE kind WHEN '%s' THEN %s OR NOT %s ELSE NOT %s END",
			from, isExtra, b.seenAs("m.", b.ours), b.thereAs("m.", 2), b.seenAs("m.", b.ours)),
		vanished: fmt.Sprintf("DELETE FROM %s AS m WHERE partition = ?1 AND kind = '%s' AND NOT %s", from, isExtra, b.thereAs("m.", 2)),
		anyExtra: fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND kind = '%s'", from, isExtra),
		extras: fmt.Sprintf("SELECT t.%s, t.%s FROM %s AS t WHERE %s AND NOT %s",
			strings.Join(b.keys, ", t."), strings.Join(b.columns, ", t."), b.target, b.within(2), b.seenAs("t.", b.keys)),

		countExtras: fmt.Sprintf(counted, "count(*)"),
		holdExtras: fmt.Sprintf("INSERT INTO %s (partition, walks, present_at, %s) %s ON CONFLICT DO UPDATE SET walks = max(walks, excluded.walks)",
			b.missing, ours, fmt.Sprintf(counted, "partition, ?3, present, "+ours)),
		deleteExtras:    b.cut("", and(append([]string{fmt.Sprintf("(%s) IN (%s)", list(b.keys), fmt.Sprintf(counted, ours))}, b.alive("")...)), 3),
		presentExtras:   fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND (%s) IN (%s)", b.missing, ours, fmt.Sprintf(counted, ours)),
		forgetExtras:    fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND kind = '%s' AND counted = ?2", from, isExtra),
		presentSuspects: fmt.Sprintf("SELECT count(*) - count(present), coalesce(min(present), 0) FROM %s WHERE partition = ?1 AND kind = '%s'", from, isExtra),
	}
}

// suspect notes a difference and reports whether it counts: it was found by an
// earlier audit, has lasted for as long as it must, and nothing changed on
// either side.
func (m *merge) suspect(key []any, found suspect, present instant) (counts bool, err error) {
	partition := m.w.Partition.Name
	var held suspect
	var since, known instant
	err = each(m.x.Conn, m.sql.suspected, func(s *sqlite.Stmt) error {
		held, since, known = suspect{s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)}, instant(s.ColumnFloat(3)), instant(s.ColumnFloat(4))
		return nil
	}, append([]any{partition}, key...)...)
	if err != nil {
		return false, err
	}
	sent := m.x.ago(m.age)
	if held == found && since <= m.x.now { // unless the database's clock was set back
		// With nothing to wait for it is enough that another walk found it.
		return m.w.Audit.Persist <= 0 || since <= sent-instant(m.w.Audit.Persist.Seconds()), nil
	}
	if held.kind == isExtra && found.kind == isExtra {
		present = known // no list has had it since
	}
	note := m.sql.suspectAgain
	if held.kind == "" {
		note = m.sql.suspectNew
		m.st.suspects++
	}
	return false, run(m.x.Conn, note, append([]any{partition, found.kind, found.theirs, found.ours, sent, present}, key...)...)
}

// sampled reports whether an audit compares the key that stands in the first
// columns of a row.
func (m *merge) sampled(s *sqlite.Stmt) bool {
	c := m.w.Audit
	if c.Compare != syncer.CompareSample {
		return true
	}
	key := make([]any, len(m.spec.Key))
	for n, i := range m.spec.Key {
		key[n] = column(s, n, m.spec.Columns[i].Type.Kind)
	}
	return row.InSample(m.spec.KeyText(key), c.Sample, c.Samples)
}

// count notes that a difference counts in this walk.
func (m *merge) count(key []any) error {
	return run(m.x.Conn, m.sql.counts, append([]any{m.w.Partition.Name, m.w.ID}, key...)...)
}

// clear takes a key out of the suspects.
func (m *merge) clear(key []any) error {
	if m.st.suspects == 0 {
		return nil
	}
	err := run(m.x.Conn, m.sql.clear, append([]any{m.w.Partition.Name}, key...)...)
	m.st.suspects -= int64(m.x.Changes())
	return err
}

// digest names what a row holds, from its column number first on, as SQLite
// holds it: an adopted table may not give back what was written.
func digest(s *sqlite.Stmt, first int) string {
	var b []byte
	for i := first; i < s.ColumnCount(); i++ {
		b = append(b, byte(s.ColumnType(i)))
		switch s.ColumnType(i) {
		case sqlite.TypeInteger:
			b = binary.BigEndian.AppendUint64(b, uint64(s.ColumnInt64(i)))
		case sqlite.TypeFloat:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(s.ColumnFloat(i)))
		case sqlite.TypeText, sqlite.TypeBlob:
			held := raw(s, i)
			b = binary.AppendUvarint(b, uint64(s.ColumnLen(i)))
			if text, ok := held.(string); ok {
				b = append(b, text...)
			} else {
				b = append(b, held.([]byte)...)
			}
		}
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
