package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a config file. Line and column count from 1, the column in characters.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Mistake is one thing that is wrong in a config file.
type Mistake struct {
	File         string
	Line, Column int
	Subject      string // whose mistake it is, such as `source "users"`; empty for the file as a whole
	Text         string // what is wrong and what to do; never holds a secret
}

func (m Mistake) Error() string {
	at := Position{m.File, m.Line, m.Column}.String()
	if m.Subject == "" {
		return at + ": " + m.Text
	}
	return at + ": " + m.Subject + ": " + m.Text
}

// Mistakes are all that is wrong in a config file. Load gives them sorted by position.
type Mistakes []Mistake

// Error prints one mistake a line, sorted by position.
func (ms Mistakes) Error() string {
	var lines []string
	for _, m := range slices.Clone(ms).sorted() {
		lines = append(lines, m.Error())
	}
	return strings.Join(lines, "\n")
}

// sorted returns the mistakes by position, each once: a value of [defaults] is read by everyone who inherits it.
func (ms Mistakes) sorted() Mistakes {
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Text, b.Text),
		)
	})
	return slices.Compact(ms)
}
