package killtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// labels names the messages of one connection by what they are about. It keeps
// the texts of prepared statements, and which of them each portal runs.
type labels struct {
	statements, portals map[string]string
	// muted says that the server hears no more of this connection.
	muted bool
}

func newLabels() *labels {
	return &labels{statements: make(map[string]string), portals: make(map[string]string)}
}

// kinds are the frontend's messages.
func kindOf(b byte) string {
	switch b {
	case 0:
		return "Startup"
	case 'p':
		return "Password"
	case 'Q':
		return "Query"
	case 'P':
		return "Parse"
	case 'B':
		return "Bind"
	case 'D':
		return "Describe"
	case 'E':
		return "Execute"
	case 'C':
		return "Close"
	case 'S':
		return "Sync"
	case 'd':
		return "CopyData"
	case 'c':
		return "CopyDone"
	case 'f':
		return "CopyFail"
	case 'X':
		return "Terminate"
	}
	return fmt.Sprintf("message %q", b)
}

func (l *labels) of(m message) string {
	about := ""
	switch m.kind {
	case 'Q':
		about, _ = text(m.body)
	case 'P':
		name, rest := text(m.body)
		about, _ = text(rest)
		l.statements[name] = about
	case 'B':
		portal, rest := text(m.body)
		name, _ := text(rest)
		about = l.statements[name]
		l.portals[portal] = about
	case 'E':
		portal, _ := text(m.body)
		about = l.portals[portal]
	case 'D':
		if len(m.body) > 0 {
			name, _ := text(m.body[1:])
			about = l.statements[name]
		}
	}
	return strings.TrimSpace(kindOf(m.kind) + " " + brief(about))
}

// text reads a string that ends with a NUL.
func text(b []byte) (string, []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// brief is a statement on one short line.
func brief(statement string) string {
	const most = 76
	words := strings.Join(strings.Fields(statement), " ")
	if len(words) > most {
		return words[:most] + "…"
	}
	return words
}

// Tally counts what was struck, by label.
type Tally map[string]int

// Add counts one more; "" is nothing.
func (t Tally) Add(label string) {
	if label != "" {
		t[label]++
	}
}

// Total is how often something was struck.
func (t Tally) Total() (n int) {
	for _, c := range t {
		n += c
	}
	return n
}

// String lists the labels, a line each, most frequent first.
func (t Tally) String() string {
	lines := make([]string, 0, len(t))
	for label, n := range t {
		lines = append(lines, fmt.Sprintf("%5d  %s", n, label))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(b, a) })
	return strings.Join(lines, "\n")
}
