package decode

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// guard keeps the bounds of a page: a body that is too large or too deep ends
// in an error before the byte that breaks the bound reaches the parser.
type guard struct {
	r         io.Reader
	left, max int64
	read      int64
	// windowed bodies have no bound as a whole: left is given anew now and then,
	// so that what is read ahead may not break it.
	windowed bool
	nesting  nesting
	err      error // what every further Read answers
	start    [3]byte
	ahead    []byte // of start: read, and not handed out yet
	broke    error  // what the reader said behind ahead
}

// mark is what some write before UTF-8. One at the very beginning of a body is
// left out; anywhere else it is a character.
const mark = "\ufeff"

// unmark leaves a mark out and returns its length. It is read, and counts.
func (g *guard) unmark() (int64, error) {
	n, err := g.fill(g.start[:])
	start := string(g.start[:n])
	if start == mark && g.max >= int64(n) {
		g.left -= int64(n)
		g.read += int64(n)
		g.broke = err
		return int64(n), nil
	}
	g.ahead, g.broke = g.start[:n], err
	return 0, refuseUTF16(start)
}

// refuseUTF16 refuses a body that begins with the mark of UTF-16.
func refuseUTF16(start string) error {
	if strings.HasPrefix(start, "\xff\xfe") || strings.HasPrefix(start, "\xfe\xff") {
		return &SyntaxError{Why: "written in UTF-16, and only UTF-8 is read"}
	}
	return nil
}

// Read fills p unless the body ends. A parser that holds one huge value moves
// what it has at every read, so many small reads would cost it a square.
func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	most := g.left + 1
	if g.windowed && g.left > 0 {
		most = g.left
	}
	n, err := g.fill(p[:min(int64(len(p)), most)])
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read body: %w", err)
	}
	if int64(n) > g.left {
		n, err = int(g.left), fmt.Errorf("%w: more than %d bytes", ErrTooLarge, g.max)
	}
	if sound := g.nesting.scan(p[:n]); sound < n {
		n, err = sound, g.nesting.exceeded()
	}
	g.left -= int64(n)
	g.read += int64(n)
	g.err = err
	return n, err
}

func (g *guard) fill(p []byte) (n int, err error) {
	n = copy(p, g.ahead)
	g.ahead = g.ahead[n:]
	if len(g.ahead) == 0 {
		err = g.broke
	}
	for idle := 0; n < len(p) && err == nil; {
		var m int
		m, err = g.r.Read(p[n:])
		n += m
		if idle++; m > 0 {
			idle = 0
		}
		if idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// failed reports whether err comes from the reader or from a bound, and not
// from the body's syntax.
func (g *guard) failed(err error) bool {
	return g.err != nil && g.err != io.EOF && errors.Is(err, g.err)
}

// nesting counts how deep objects and arrays lie in one another. It follows
// strings just well enough for sound JSON; on anything else the parser stops
// before the count matters.
type nesting struct {
	max, depth    int
	text, escaped bool
}

// scan takes the next bytes and returns how many of them keep the bound.
func (n *nesting) scan(b []byte) int {
	for i, c := range b {
		switch {
		case n.escaped:
			n.escaped = false
		case n.text:
			n.escaped = c == '\\'
			n.text = c != '"'
		case c == '"':
			n.text = true
		case c == '{' || c == '[':
			if n.depth++; n.depth > n.max {
				return i
			}
		case c == '}' || c == ']':
			n.depth--
		}
	}
	return len(b)
}

func (n *nesting) exceeded() error {
	return fmt.Errorf("%w: more than %d levels", ErrTooDeep, n.max)
}
