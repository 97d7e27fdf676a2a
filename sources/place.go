package sources

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
)

// place is where in a response something is: in its body, or in a header.
// The zero place is nowhere.
type place struct {
	text   string
	header string
	slot   int // of the body, from 1; 0: not in the body
}

func (p place) set() bool { return p.text != "" }

func (p place) String() string { return p.text }

// places collects the body places of a source while it is compiled.
type places []decode.Path

func (b *places) add(text string) (place, error) {
	if text == "" {
		return place{}, nil
	}
	if name, ok := strings.CutPrefix(text, "header:"); ok {
		if name == "" {
			return place{}, fmt.Errorf("place %q names no header", text)
		}
		return place{text: text, header: name}, nil
	}
	path, err := decode.ParsePath(strings.TrimPrefix(text, "body:"))
	if err != nil {
		return place{}, err
	}
	*b = append(*b, path)
	return place{text: text, slot: len(*b)}, nil
}

// in returns the JSON text at the place, nil if nothing is there.
func (p place) in(header http.Header, body [][]byte) []byte {
	switch {
	case p.header != "":
		if v := header.Get(p.header); v != "" {
			return quote(v)
		}
	case p.slot > 0 && p.slot <= len(body):
		return body[p.slot-1]
	}
	return nil
}

// test is a compiled Test.
type test struct {
	at     place
	equals [][]byte
}

func (b *places) test(t Test) (test, error) {
	at, err := b.add(t.At)
	return test{at, rawValues(t.Equals)}, err
}

func rawValues(texts []string) [][]byte {
	var all [][]byte
	for _, t := range texts {
		all = append(all, []byte(t))
	}
	return all
}

// holds reports whether raw passes: one of the wanted values, or, where none
// are given, something that is neither null nor false.
func holds(raw []byte, equals [][]byte) bool {
	if len(equals) == 0 {
		return raw != nil && string(raw) != "null" && string(raw) != "false"
	}
	return slices.ContainsFunc(equals, func(want []byte) bool { return sameValue(raw, want) })
}

// sameValue compares JSON scalars: strings by their text, all else by how it
// is written.
func sameValue(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 || a[0] != '"' || b[0] != '"' {
		return false
	}
	ta, oka, erra := decode.Text(a)
	tb, okb, errb := decode.Text(b)
	return oka && okb && erra == nil && errb == nil && ta == tb
}

// empty reports whether a place says nothing: absent, null, false, zero, or
// without contents.
func empty(raw []byte) bool {
	switch string(raw) {
	case "", "null", "false", "0", `""`:
		return true
	}
	if raw[0] == '[' || raw[0] == '{' {
		return len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
	}
	return false
}

// count reads a number or a numeric string that is a whole count.
func (p place) count(raw []byte) (int64, error) {
	text, ok, err := decode.Text(raw)
	if err != nil || !ok {
		return 0, pagingError("%q is not there", p)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0, pagingError("%q holds no count", p)
	}
	return n, nil
}

// flag reads a boolean or the text of one.
func (p place) flag(raw []byte) (bool, error) {
	switch text, ok, _ := decode.Text(raw); {
	case ok && strings.EqualFold(text, "true"):
		return true, nil
	case ok && strings.EqualFold(text, "false"):
		return false, nil
	}
	return false, pagingError("%q is neither true nor false", p)
}
