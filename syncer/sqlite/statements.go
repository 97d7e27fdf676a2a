package sqlite

import (
	"fmt"
	"strings"

	"github.com/larder-sync/larder/syncer/row"
)

// statements are the texts of what is run for one table. Values are always
// parameters; the only names in them are those of the configuration, quoted.
//
// In our own tables the key's columns are called k0, k1 and so on, so that no
// name of the consumer's can be one of ours.
type statements struct {
	create string

	// look reads version and sameness of a row: parameters are all values.
	look string
	// held reads the version of a row by its key, and whole all of it.
	held, whole string
	// insert and update take all values, remove takes the key. It cuts, as sweep
	// and deleteExtras do: see Table.cutting.
	insert, update, remove string
	// countRows counts a partition's rows by the values that set it apart.
	countRows string
	// countAll counts all rows.
	countAll string

	createSeen, dropSeen, sumSeen string
	// createList makes the table of which walk's notes are there, and what they
	// add up to. startList takes partition and walk, growList partition and by
	// how much, dropList the partition; listIs takes partition, walk and sum.
	createList, startList, growList, dropList, listIs string
	// note and renote take partition, version and key.
	note, renote string
	// unnote, noted, touch and retouch take partition and key.
	unnote, noted, touch, retouch string

	createMissing string
	// back forgets what was seen again, or is gone; again and first count what
	// is missing still, or for the first time. Their parameters are the
	// partition's name and the values that set it apart; first has present_at
	// after the name.
	back, again, first string
	// moved forgets what is gone, or belongs to another partition by its values;
	// its parameters are those of back.
	moved string
	// found forgets that a key of the partition is missing; isMissing counts it.
	found, isMissing string
	// confirmed and waiting count what is missing, and sweep deletes it from
	// the table: by confirm, and by partition; sweep, after them, by the values
	// that set the partition apart.
	confirmed, waiting, sweep, swept string
	// missAll takes every row of a partition for missing: by its name, confirm
	// and the values that set it apart. forgetMissing is by name.
	missAll, forgetMissing string
	// present tells since when deletions are not proven, by partition.
	present string

	suspicions
}

func newStatements(spec *row.Spec, own ownNames) statements {
	b := builder{spec: spec, target: "main." + quote(spec.Target), seen: "side." + quote(own.seen),
		missing: "main." + quote(own.missing), suspect: "main." + quote(own.suspect)}
	for _, c := range spec.Columns {
		b.columns = append(b.columns, quote(c.Name))
	}
	for n, i := range spec.Key {
		b.keys = append(b.keys, b.columns[i])
		b.ours = append(b.ours, fmt.Sprintf("k%d", n))
		b.oursTyped = append(b.oursTyped, fmt.Sprintf("k%d %s NOT NULL", n, columnType(spec.Columns[i].Type.Kind)))
	}
	s := statements{create: b.create(spec.Target)}
	b.rows(&s)
	b.notes(&s, own.seen)
	b.lists(&s, own.list)
	b.absences(&s, own.missing)
	s.suspicions = b.suspicions(own.suspect)
	return s
}

// builder holds the pieces that statements are put together from.
type builder struct {
	spec                           *row.Spec
	target, seen, missing, suspect string
	columns                        []string
	keys, ours, oursTyped          []string
}

func (b *builder) create(target string) string {
	var defs []string
	for i, c := range b.spec.Columns {
		def := b.columns[i] + " " + columnType(c.Type.Kind)
		if c.NotNull || b.isKey(i) {
			def += " NOT NULL"
		}
		defs = append(defs, def)
	}
	if b.spec.Mark != "" {
		defs = append(defs, quote(b.spec.Mark)+" "+columnType(row.Timestamptz))
	}
	defs = append(defs, "PRIMARY KEY ("+list(b.keys)+")")
	return "CREATE TABLE main." + quote(target) + " (\n  " + strings.Join(defs, ",\n  ") + "\n) STRICT"
}

func (b *builder) isKey(i int) bool {
	for _, k := range b.spec.Key {
		if k == i {
			return true
		}
	}
	return false
}

func (b *builder) rows(s *statements) {
	var byKey, byKeyOnly, same, set, all []string
	for n, i := range b.spec.Key {
		byKey = append(byKey, fmt.Sprintf("%s = ?%d", b.columns[i], i+1))
		byKeyOnly = append(byKeyOnly, fmt.Sprintf("%s = ?%d", b.columns[i], n+1))
	}
	for i, c := range b.columns {
		// BINARY, for to a column without regard to case "a" is no news of "A".
		same = append(same, fmt.Sprintf("%s IS ?%d COLLATE BINARY", c, i+1))
		all = append(all, fmt.Sprintf("?%d", i+1))
		if !b.isKey(i) {
			set = append(set, fmt.Sprintf("%s = ?%d", c, i+1))
		}
	}
	version := "NULL"
	if b.spec.Version >= 0 {
		version = b.columns[b.spec.Version]
	}
	byKey, byKeyOnly = append(byKey, b.alive("")...), append(byKeyOnly, b.alive("")...)
	s.look = fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s", version, and(same), b.target, and(byKey))
	s.held = fmt.Sprintf("SELECT %s FROM %s WHERE %s", version, b.target, and(byKeyOnly))
	s.whole = fmt.Sprintf("SELECT %s FROM %s WHERE %s", list(b.columns), b.target, and(byKeyOnly))
	into, values := b.unmarked(b.columns, all)
	s.insert = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", b.target, list(into), list(values)) + b.revive(set)
	if len(set) > 0 {
		s.update = fmt.Sprintf("UPDATE %s SET %s WHERE %s", b.target, list(set), and(byKey))
	}
	s.remove = b.cut("", and(byKeyOnly), len(b.spec.Key)+1)
	s.countAll = fmt.Sprintf("SELECT count(*) FROM %s AS t WHERE %s", b.target, and(append([]string{"true"}, b.alive("t.")...)))
	s.countRows = fmt.Sprintf("SELECT count(*) FROM %s AS t WHERE %s", b.target, b.within(1))
}

// scopeSize is how many values set a partition's rows apart.
func (b *builder) scopeSize() int {
	n := 0
	for _, c := range b.spec.Columns {
		if c.Each != "" {
			n++
		}
	}
	if floors(b.spec) {
		n++
	}
	return n
}

// within is the condition that sets a partition's rows, as t, apart from
// others; its parameters begin at the number first.
func (b *builder) within(first int) string {
	terms := append([]string{"true"}, b.alive("t.")...)
	for _, c := range b.spec.Columns {
		if c.Each != "" {
			terms = append(terms, fmt.Sprintf("t.%s IS ?%d", quote(c.Name), first))
			first++
		}
	}
	return and(append(terms, b.inList(first)...))
}

func (b *builder) notes(s *statements, seen string) {
	s.createSeen = fmt.Sprintf("CREATE TABLE %s (partition TEXT NOT NULL, version TEXT NOT NULL, touched INTEGER NOT NULL, %s, PRIMARY KEY (partition, %s)) STRICT, WITHOUT ROWID",
		quote(seen), list(b.oursTyped), list(b.ours))
	s.dropSeen = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1", b.seen)
	s.sumSeen = fmt.Sprintf("SELECT count(*) + coalesce(sum(touched), 0) FROM %s WHERE partition = ?1", b.seen)
	s.note = fmt.Sprintf("INSERT INTO %s (partition, version, touched, %s) VALUES (?1, ?2, 0, %s) ON CONFLICT DO NOTHING",
		b.seen, list(b.ours), list(numbered(3, len(b.ours))))
	s.renote = fmt.Sprintf("UPDATE %s SET version = ?2 WHERE partition = ?1 AND %s AND version <> ?2", b.seen, b.ourKey(3))
	s.unnote = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND %s AND touched = 0", b.seen, b.ourKey(2))
	s.noted = fmt.Sprintf("SELECT touched FROM %s WHERE partition = ?1 AND %s", b.seen, b.ourKey(2))
	s.touch = fmt.Sprintf("INSERT INTO %s (partition, version, touched, %s) VALUES (?1, '', 1, %s) ON CONFLICT DO NOTHING",
		b.seen, list(b.ours), list(numbered(2, len(b.ours))))
	s.retouch = fmt.Sprintf("UPDATE %s SET touched = 1 WHERE partition = ?1 AND %s AND touched = 0", b.seen, b.ourKey(2))
}

func (b *builder) lists(s *statements, list string) {
	from := "side." + quote(list)
	s.createList = fmt.Sprintf("CREATE TABLE %s (partition TEXT NOT NULL PRIMARY KEY, walk TEXT NOT NULL, notes INTEGER NOT NULL) STRICT, WITHOUT ROWID", quote(list))
	s.startList = fmt.Sprintf("INSERT INTO %s (partition, walk, notes) VALUES (?1, ?2, 0)", from)
	s.growList = fmt.Sprintf("UPDATE %s SET notes = notes + ?2 WHERE partition = ?1", from)
	s.dropList = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1", from)
	s.listIs = fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE partition = ?1 AND walk = ?2 AND notes = ?3) AND (?3 = 0 OR EXISTS (SELECT 1 FROM %s WHERE partition = ?1))",
		from, b.seen)
}

// ourKey is the condition that one of our own rows has a key whose parameters
// begin at the number first.
func (b *builder) ourKey(first int) string {
	var terms []string
	for n, k := range b.ours {
		terms = append(terms, fmt.Sprintf("%s = ?%d", k, first+n))
	}
	return and(terms)
}

// seenAs is the condition that this walk has noted the key of a row, whose
// table and columns are given, in the partition ?1.
func (b *builder) seenAs(table string, columns []string) string {
	var terms []string
	for n, k := range b.ours {
		terms = append(terms, "s."+k+" = "+table+columns[n])
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s AS s WHERE s.partition = ?1 AND %s)", b.seen, and(terms))
}

// thereAs is the condition that a row of the partition has the key of one of
// our own rows; the partition's values begin at the number first.
func (b *builder) thereAs(table string, first int) string {
	var terms []string
	for n, k := range b.ours {
		terms = append(terms, table+k+" = t."+b.keys[n])
	}
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %s AS t WHERE %s AND %s)", b.target, and(terms), b.within(first))
}

func (b *builder) absences(s *statements, missing string) {
	s.createMissing = fmt.Sprintf("CREATE TABLE %s (partition TEXT NOT NULL, walks INTEGER NOT NULL, present_at REAL, %s, PRIMARY KEY (partition, %s)) STRICT, WITHOUT ROWID",
		quote(missing), list(b.oursTyped), list(b.ours))
	s.back = fmt.Sprintf("DELETE FROM %s AS m WHERE partition = ?1 AND (%s OR NOT %s)", b.missing, b.seenAs("m.", b.ours), b.thereAs("m.", 2))
	s.moved = fmt.Sprintf("DELETE FROM %s AS m WHERE partition = ?1 AND NOT %s", b.missing, b.thereAs("m.", 2))
	s.again = fmt.Sprintf("UPDATE %s SET walks = walks + 1 WHERE partition = ?1", b.missing)
	s.first = fmt.Sprintf(`INSERT INTO %s (partition, walks, present_at, %s) SELECT ?1, 1, ?2, %s FROM %s AS t
		WHERE %s AND NOT %s ON CONFLICT DO NOTHING`,
		b.missing, list(b.ours), "t."+strings.Join(b.keys, ", t."), b.target, b.within(3), b.seenAs("t.", b.keys))
	s.missAll = fmt.Sprintf("INSERT INTO %s (partition, walks, %s) SELECT ?1, ?2, %s FROM %s AS t WHERE %s",
		b.missing, list(b.ours), "t."+strings.Join(b.keys, ", t."), b.target, b.within(3))
	s.forgetMissing = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1", b.missing)
	s.found = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND %s", b.missing, b.ourKey(2))
	s.isMissing = fmt.Sprintf("SELECT count(*) FROM %s WHERE partition = ?1 AND %s", b.missing, b.ourKey(2))
	s.confirmed = fmt.Sprintf("SELECT count(*) FROM %s WHERE partition = ?1 AND walks >= ?2", b.missing)
	s.waiting = fmt.Sprintf("SELECT count(*) FROM %s WHERE partition = ?1 AND walks < ?2", b.missing)
	s.sweep = b.cut(" AS t", fmt.Sprintf("(%s) IN (SELECT %s FROM %s WHERE partition = ?1 AND walks >= ?2) AND %s",
		list(b.keys), list(b.ours), b.missing, b.within(3)), 3+b.scopeSize())
	s.swept = fmt.Sprintf("DELETE FROM %s WHERE partition = ?1 AND walks >= ?2", b.missing)
	s.present = fmt.Sprintf("SELECT count(*) - count(present_at), coalesce(min(present_at), 0) FROM %s WHERE partition = ?1", b.missing)
}

func list(terms []string) string { return strings.Join(terms, ", ") }

func and(terms []string) string { return strings.Join(terms, " AND ") }

// numbered are n parameters from the number first.
func numbered(first, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("?%d", first+i)
	}
	return out
}
