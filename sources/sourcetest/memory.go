package sourcetest

import (
	"math"
	"net/http"
	"time"
)

// Memory is what the owner forgets. A zero duration: nothing.
type Memory struct {
	// Cursors is how long a page's token is good for, Tokens how long the token
	// is that a delta ends with.
	Cursors, Tokens time.Duration
	// Tombstones is how long deletions are told, Events how long events are
	// listed. To ask for what lies behind a trimmed event is refused.
	Tombstones, Events time.Duration
	// Compact drops events that a later one of the same record replaces.
	Compact bool
	// Refusal answers who comes with something that is forgotten; nil: 410.
	Refusal *Fault
}

// refusal is the answer to a token that is good no more; nil: it is good.
func (o *Owner) refusal(a *ask) (c cursor, f *Fault) {
	text, kind, life := a.q.Get("cursor"), cursorExpired, o.Memory.Cursors
	if token := a.q.Get("token"); text == "" && token != "" && a.style == Delta {
		text, kind, life = token, tokenExpired, o.Memory.Tokens
	}
	forgotten := o.Memory.Refusal
	if forgotten == nil {
		forgotten = &Fault{Status: http.StatusGone, Body: `{"error":{"code":"expired"}}`}
	}
	if a.style == Log && o.behindTrimmed(a) {
		o.hits.add(tokenExpired)
		return c, forgotten
	}
	if !a.style.tokened() {
		return cursor{number: 1}, nil
	}
	c, ok := readCursor(text)
	switch {
	case !ok || c.terminal != (kind == tokenExpired):
		o.hits.add(badToken)
		return c, &Fault{Status: http.StatusBadRequest, Body: `{"error":{"code":"bad token"}}`}
	case text == "":
	case c.issue != o.history.issue, life > 0 && a.now.UnixNano()-c.issued > int64(life), a.style == Delta && c.era != o.history.era && !o.Sequence.Blind:
		o.hits.add(kind)
		return c, forgotten
	}
	o.hits.when(c.terminal, tokenUsed)
	return c, nil
}

// behindTrimmed reports whether an event behind the number that is asked for has
// been trimmed.
func (o *Owner) behindTrimmed(a *ask) bool {
	after := a.number("after")
	if o.Memory.Events <= 0 || after == 0 {
		return false
	}
	o.head(a)
	for _, e := range o.history.numbered {
		if e.number > after {
			return e.visible != math.MinInt64 && e.visible+int64(o.Memory.Events) <= a.at
		}
	}
	return false
}

// forgets reports whether a deletion is too old to be told.
func (o *Owner) forgets(a *ask, e *entry) bool {
	return o.Memory.Tombstones > 0 && e.visible+int64(o.Memory.Tombstones) <= a.at
}
