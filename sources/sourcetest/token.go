package sourcetest

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// tokenPrefix holds what goes wrong when a token is encoded twice or not.
const tokenPrefix = "t+/=%2B &"

// cursor is what a token holds: where a page begins, of which number, and when
// it was handed out. The zero cursor is the first page.
type cursor struct {
	number int64 // of the page, from 1
	shown  int64
	id     int64
	part   string
	empty  bool // the page is an empty one in between
	// from and upto bound the numbers of the changes of a delta, skip of which
	// were handed out.
	from, upto, skip int64
	terminal         bool   // it is the token that a delta ends with
	issue, era       int64  // of the history that it was handed out in
	issued           int64  // nanoseconds of the owner's clock
	before           string // the token of the page before, if that is led back to
}

// write is the token, handed out at an instant.
func (c cursor) write(h *history, now time.Time) string {
	flags := int64(0)
	if c.empty {
		flags |= 1
	}
	if c.terminal {
		flags |= 2
	}
	var b []byte
	for _, n := range []int64{c.number, c.shown, c.id, flags, c.from, c.upto, c.skip, h.issue, h.era, now.UnixNano()} {
		b = append(strconv.AppendInt(b, n, 36), '|')
	}
	b = append(append(append(b, c.before...), '|'), c.part...)
	return tokenPrefix + base64.StdEncoding.EncodeToString(b)
}

// readCursor reads a token; "" is the first page.
func readCursor(token string) (c cursor, ok bool) {
	if token == "" {
		return cursor{number: 1}, true
	}
	text, prefixed := strings.CutPrefix(token, tokenPrefix)
	raw, err := base64.StdEncoding.DecodeString(text)
	fields := strings.SplitN(string(raw), "|", 12)
	if !prefixed || err != nil || len(fields) != 12 {
		return c, false
	}
	var n [10]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(fields[i], 36, 64); err != nil {
			return c, false
		}
	}
	c.before, c.part = fields[10], fields[11]
	c.number, c.shown, c.id, c.empty, c.terminal = n[0], n[1], n[2], n[3]&1 > 0, n[3]&2 > 0
	c.from, c.upto, c.skip, c.issue, c.era, c.issued = n[4], n[5], n[6], n[7], n[8], n[9]
	return c, true
}
