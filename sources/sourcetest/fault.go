package sourcetest

import (
	"net/http"
	"time"
)

// Fault is an answer that is none.
type Fault struct {
	// Knob is its name among the hits; "": what it does gives it one.
	Knob   string
	Status int // 0: 200
	Header http.Header
	// Body replaces the body; with Keep the owner's own body stays.
	Body string
	Keep bool
	// Cut breaks the connection off after Cut-1 bytes of the body; 0: it does
	// not.
	Cut int
	// Stall delays the answer.
	Stall time.Duration
	// Drop closes the connection without an answer.
	Drop bool

	// list changes the records of the owner's own page; whole says that it is
	// the last page.
	list  func([]*entry) []*entry
	whole bool
}

// half reports whether the page says that nothing follows, though it may.
func (f *Fault) half() bool { return f != nil && f.whole }

func (f *Fault) name() string {
	switch {
	case f.Knob != "":
		return f.Knob
	case f.Drop:
		return FaultDrop
	case f.Cut > 0:
		return FaultCut
	case f.Stall > 0:
		return FaultStall
	case f.Status != 0:
		return FaultStatus
	}
	return FaultBody
}

// The names of faults, as Hits counts them.
const (
	FaultStatus     = "status"
	FaultRetryAfter = "Retry-After"
	FaultHTML       = "login page"
	FaultErrorBody  = "error body"
	FaultGraphQL    = "GraphQL errors"
	FaultNotOK      = "ok false"
	FaultNullList   = "null list"
	FaultNoList     = "no list"
	FaultEmptyList  = "empty list"
	FaultHalfList   = "half a list"
	FaultTwice      = "keys twice in a page"
	FaultMedia      = "media type"
	FaultRedirect   = "redirect"
	FaultCut        = "cut"
	FaultDrop       = "drop"
	FaultStall      = "stall"
	FaultBomb       = "bomb"
	FaultBody       = "another body"
)

func faultNames() []string {
	return []string{FaultStatus, FaultRetryAfter, FaultHTML, FaultErrorBody, FaultGraphQL, FaultNotOK, FaultNullList, FaultNoList,
		FaultEmptyList, FaultHalfList, FaultTwice, FaultMedia, FaultRedirect, FaultCut, FaultDrop, FaultStall, FaultBomb, FaultBody}
}

// Status answers with a status and an empty object.
func Status(status int) *Fault { return &Fault{Knob: FaultStatus, Status: status, Body: `{}`} }

// RetryAfter answers with a status and how long to stay away.
func RetryAfter(status int, text string) *Fault {
	return &Fault{Knob: FaultRetryAfter, Status: status, Body: `{}`, Header: http.Header{"Retry-After": {text}}}
}

// Redirect leads elsewhere.
func Redirect(status int, to string) *Fault {
	return &Fault{Knob: FaultRedirect, Status: status, Header: http.Header{"Location": {to}}}
}

// CutAt breaks off after n bytes of the owner's own body.
func CutAt(n int) *Fault { return &Fault{Knob: FaultCut, Keep: true, Cut: n + 1} }

// Drop closes the connection without an answer.
func Drop() *Fault { return &Fault{Knob: FaultDrop, Drop: true} }

// Stall delays the owner's own answer.
func Stall(d time.Duration) *Fault { return &Fault{Knob: FaultStall, Keep: true, Stall: d} }
