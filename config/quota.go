package config

import "strings"

// Quota is where an owner's answers tell how much it still takes. The zero value is the usual headers.
type Quota struct {
	Off       bool
	Remaining Place
	Reset     Place // when all is back; zero with Restore
	Format    ResetFormat
	Cost      Place // of a request; zero: one
	Restore   Place // what comes back a second
	Refused   Test  // of an answer of success that is none
}

// ResetFormat is how the reset of a quota is written.
type ResetFormat string

// The formats of a reset. ResetGuessed tells seconds from stamps by their size.
const (
	ResetGuessed ResetFormat = ""
	ResetSeconds ResetFormat = "seconds"
	ResetUnix    ResetFormat = "unix"
	ResetUnixMS  ResetFormat = "unix_ms"
	ResetRFC3339 ResetFormat = "rfc3339"
	ResetHTTP    ResetFormat = "http"
)

func resetFormats() []ResetFormat {
	return []ResetFormat{ResetSeconds, ResetUnix, ResetUnixMS, ResetRFC3339, ResetHTTP}
}

// quota reads false, or where quotas are told.
func (r *reader) quota(n *node) (q Quota) {
	if n.kind == kindBoolean {
		if q.Off = n.text == "false"; !q.Off {
			r.wrong(n, "true is the default; leave it out, or write false or the places that tell it")
		}
		return q
	}
	s, ok := r.section(n)
	if !ok {
		return q
	}
	if len(n.below) == 0 {
		r.wrong(n, "is an empty table; leave it out for the usual headers, or write remaining and reset")
	}
	s.quotaPlace("remaining", &q.Remaining)
	s.quotaPlace("reset", &q.Reset)
	s.quotaPlace("cost", &q.Cost)
	s.quotaPlace("restore", &q.Restore)
	choose(s, "format", &q.Format)
	if refused := s.child("refused"); refused != nil {
		q.Refused = r.test(refused)
	}
	r.checkQuota(s)
	return q
}

// checkQuota checks what goes with what.
func (r *reader) checkQuota(s section) {
	for _, key := range []string{"reset", "restore", "cost"} {
		if n := s.child(key); n != nil && !s.has("remaining") {
			r.wrong(n, `says nothing without remaining; write remaining = "X-NAME" too`)
		}
	}
	if n := s.child("format"); n != nil && !s.has("reset") {
		r.wrong(n, "is how reset is written, and there is none; leave it out")
	}
	switch n := s.child("remaining"); {
	case s.has("reset") && s.has("restore"):
		r.wrong(s.child("restore"), "what is used up comes back at once or bit by bit; write reset or restore")
	case n != nil && !s.has("reset") && !s.has("restore"):
		r.wrong(n, "does not tell when more comes back; write reset or restore too")
	}
}

// quotaPlace reads the name of a header, alone or as a place, or `body:PATH`.
func (s section) quotaPlace(key string, into *Place) {
	n, text, ok := s.given(key)
	if !ok {
		return
	}
	if isToken(text) && !strings.Contains(text, ".") {
		*into = Place{Header: text}
		return
	}
	if !strings.HasPrefix(text, "body:") && !strings.HasPrefix(text, "header:") {
		s.r.wrong(n, `%s is no header; write its name, or "body:PATH" for a place in the body`, s.r.shown(n))
		return
	}
	*into, _ = s.r.place(n)
}
