package simulation_test

import (
	"os"
	"strings"
	"testing"
)

const readme = "README.md"

// table is one of README.md's, found by its head.
type table string

// The tables that tests write.
const (
	seeds    table = "| planted bug | caught as | seeds | histories needed |\n|---|---|---|---|\n"
	overlaps table = "| feed | broke a claim | of those, lost a row for good |\n|---|---|---|\n"
)

// cut finds the table's lines.
func (h table) cut(t *testing.T) (before, lines, behind string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), string(h))
	if !ok {
		t.Fatalf("%s has no table %q", readme, h)
	}
	for rest != "" && rest[0] == '|' {
		line, more, _ := strings.Cut(rest, "\n")
		lines, rest = lines+line+"\n", more
	}
	return before, lines, rest
}

// read returns the cells of each line.
func (h table) read(t *testing.T) (out [][]string) {
	t.Helper()
	_, lines, _ := h.cut(t)
	for line := range strings.Lines(lines) {
		out = append(out, strings.Split(strings.Trim(line, "| \n"), " | "))
	}
	return out
}

// write replaces the lines.
func (h table) write(t *testing.T, lines []string) {
	t.Helper()
	before, _, behind := h.cut(t)
	text := before + string(h) + strings.Join(lines, "\n") + "\n" + behind
	if err := os.WriteFile(readme, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
