package sourcetest

import (
	"net/http"
	"time"
)

// Fault is an answer that is none.
type Fault struct {
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
}

// Status answers with a status and an empty object.
func Status(status int) *Fault { return &Fault{Status: status, Body: `{}`} }

// RetryAfter answers with a status and how long to stay away.
func RetryAfter(status int, text string) *Fault {
	return &Fault{Status: status, Body: `{}`, Header: http.Header{"Retry-After": {text}}}
}

// HTML answers with a login page and 200, under the given media type.
func HTML(mediaType string) *Fault {
	return &Fault{Header: http.Header{"Content-Type": {mediaType}}, Body: "\n<!DOCTYPE html><html><body>Please log in</body></html>"}
}

// ErrorBody answers 200 and says in the body what went wrong.
func ErrorBody() *Fault {
	return &Fault{Body: `{"error":{"code":"internal","message":"canary-body"}}`}
}

// EmptyList answers 200 with no records, as a broken owner does.
func EmptyList() *Fault {
	return &Fault{Body: `{"data":[],"meta":{"next_cursor":null,"total":0,"pages":0,"more":false},"links":{"next":null}}`}
}

// Redirect leads elsewhere.
func Redirect(status int, to string) *Fault {
	return &Fault{Status: status, Header: http.Header{"Location": {to}}}
}

// CutAt breaks off after n bytes of the owner's own body.
func CutAt(n int) *Fault { return &Fault{Keep: true, Cut: n + 1} }
