package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader reads structs from a tree and collects what is wrong on the way.
type reader struct {
	env      func(string) (string, bool)
	dir      string // what relative paths start from
	noOwners bool   // nobody asks owners or tells receivers: see LoadForDatabases
	root     form   // of the file
	mistakes Mistakes
	warnings Mistakes
	misspelt map[*node]bool // tables with an unknown key
}

// wrong notes a mistake at the value of n, under its subject and key path.
func (r *reader) wrong(n *node, format string, args ...any) {
	r.note(n, n.at, fmt.Sprintf(format, args...))
}

func (r *reader) note(n *node, at Position, text string) {
	r.mistakes = append(r.mistakes, n.mistake(at, text))
}

// warn notes what is allowed and rarely meant.
func (r *reader) warn(n *node, format string, args ...any) {
	r.warnings = append(r.warnings, n.mistake(n.at, fmt.Sprintf(format, args...)))
}

// mistake is one of n, at a place of its text.
func (n *node) mistake(at Position, text string) Mistake {
	subject, path := n.subject()
	if path != "" {
		text = path + ": " + text
	}
	return Mistake{at.File, at.Line, at.Column, subject, text}
}

// section is a table whose keys are known: they stand in the table of keys.
type section struct {
	r *reader
	n *node
}

// section begins to read table n, and reports every key that is not known there.
func (r *reader) section(n *node) (section, bool) {
	keys := r.form(n).keyNames()
	if n.kind != kindTable {
		r.wrong(n, "is %s; write a table with %s", n.what(), strings.Join(keys, ", "))
		return section{}, false
	}
	for _, c := range n.below {
		if !slices.Contains(keys, c.key) {
			r.note(c.parent, c.keyAt, fmt.Sprintf("unknown key %q%s", c.key, r.hintKey(n, c.key)))
			r.misspelt[n] = true
		}
	}
	return section{r, n}, true
}

// hintKey is the end of a mistake about an unknown key of table n: the nearest one, one that stands deeper, or in
// another section.
func (r *reader) hintKey(n *node, name string) string {
	here := r.form(n)
	known := here.keyNames()
	if nearest(name, known) == "" {
		for _, key := range known {
			if slices.Contains(here.below(key).keyNames(), name) {
				return fmt.Sprintf("; did you mean %q?", key+"."+name)
			}
		}
		for _, section := range []string{"owner", "source", "table", "consumer", "alert"} {
			if section == "alert" && slices.Contains(targetKeys(), name) {
				continue // words that mean something else elsewhere
			}
			whole := n.parent != nil && n.parent.parent != nil && n.parent.parent.parent == nil // such as source.users
			if whole && slices.Contains(r.root.below("defaults").below(section).keyNames(), name) && elsewhere(name, known) == "" {
				return "; it is a key of " + subjectOf(section)
			}
		}
	}
	return hint(name, known)
}

func subjectOf(section string) string {
	if section == "table" {
		return "[[table]]"
	}
	return "[" + section + ".NAME]"
}

func (s section) child(key string) *node { return s.n.child(key) }

func (s section) has(key string) bool { return s.child(key) != nil }

// need reports a key that must be there, with what to write.
func (s section) need(key, example string) *node {
	n := s.child(key)
	if n == nil {
		s.r.wrong(s.n, "%s is missing; write %s", key, example)
	}
	return n
}

// given is the text of a key that is there, and where it stands.
func (s section) given(key string) (n *node, text string, ok bool) {
	if n = s.child(key); n != nil {
		text, ok = s.r.text(n)
	}
	return n, text, ok
}

func (s section) text(key string, into *string) {
	if n := s.child(key); n != nil {
		if text, ok := s.r.text(n); ok {
			*into = text
		}
	}
}

// choose reads one of a few words.
func choose[T ~string](s section, key string, into *T) {
	n, text, ok := s.given(key)
	if !ok {
		return
	}
	words := s.r.form(n).words()
	if !slices.Contains(words, text) {
		s.r.wrong(n, "unknown value %s%s", s.r.shown(n), hint(text, words))
		return
	}
	*into = T(text)
}

func (s section) secret(key string, into *Secret) {
	if n := s.child(key); n != nil {
		*into = s.r.secret(n, nil)
	}
}

func (s section) flag(key string, into *bool) {
	n := s.child(key)
	if n == nil {
		return
	}
	if n.kind != kindBoolean {
		s.r.wrong(n, "is %s; write true or false", n.what())
		return
	}
	*into = n.text == "true"
}

// integer reads a whole number within its bounds.
func (s section) integer(key string, into *int) {
	n := s.child(key)
	if n == nil {
		return
	}
	if i, ok := s.r.integer(n); ok {
		*into = int(i)
	}
}

func (r *reader) integer(n *node) (int64, bool) {
	low, high := r.bounds(n, isInteger)
	if n.kind != kindInteger {
		r.wrong(n, "is %s; write a whole number from %d to %d", n.what(), low, high)
		return 0, false
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
	if err != nil || i < low || i > high {
		r.wrong(n, "must be from %d to %d, not %s", low, high, n.text)
		return 0, false
	}
	return i, true
}

// bounds are those of the table of keys.
func (r *reader) bounds(n *node, kind variantKind) (low, high int64) {
	v, _ := r.form(n).variant(kind)
	return v.low, v.high
}

// duration reads a span of time within its bounds.
func (s section) duration(key string, into *time.Duration) {
	n := s.child(key)
	if n == nil {
		return
	}
	if d, ok := s.r.duration(n); ok {
		*into = d
	}
}

func (r *reader) duration(n *node) (time.Duration, bool) {
	if n.kind != kindText && n.kind != kindTable {
		r.wrong(n, "is %s and no duration; %s", n.what(), durationForm)
		return 0, false
	}
	text, ok := r.text(n)
	if !ok {
		return 0, false
	}
	d, ok := parseDuration(text)
	if !ok {
		r.wrong(n, "%s is no duration; %s", r.shown(n), durationForm)
		return 0, false
	}
	if low, high := r.bounds(n, isDuration); int64(d) < low || int64(d) > high {
		r.wrong(n, "must be from %s to %s, not %s", showDuration(time.Duration(low)), showDuration(time.Duration(high)), showDuration(d))
		return 0, false
	}
	return d, true
}

// size reads a number of bytes within its bounds.
func (s section) size(key string, into *int64) {
	n, text, ok := s.given(key)
	if !ok {
		return
	}
	size, ok := parseSize(text)
	if !ok {
		s.r.wrong(n, "%s is no size; %s", s.r.shown(n), sizeForm)
		return
	}
	if low, high := s.r.bounds(n, isSize); size < low || size > high {
		s.r.wrong(n, "must be from %s to %s, not %s", showSize(low), showSize(high), text)
		return
	}
	*into = size
}

// share reads a part of a whole, from 0 to 1.
func (s section) share(key string, into *float64) {
	n, text, ok := s.given(key)
	if !ok {
		return
	}
	if *into, ok = parseShare(text); !ok {
		s.r.wrong(n, "%s is no share; %s", s.r.shown(n), shareForm)
	}
}
