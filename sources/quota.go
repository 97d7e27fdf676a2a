package sources

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/sources/decode"
)

// Quota is where an owner's answers tell how many requests it still takes. The
// zero value reads the usual headers.
type Quota struct {
	// Off reads nothing.
	Off bool
	// Remaining is the place of what remains, in requests or in whatever Cost
	// counts. "" with all that follows but Refused: the usual headers.
	Remaining string
	// Reset is the place of when all of it is back, Format how that is written:
	// "" tells seconds from stamps by their size.
	Reset  string
	Format ResetFormat
	// Cost is the place of what a request takes; "": one. The next request waits
	// unless as much remains.
	Cost string
	// Restore is the place of how much comes back a second, instead of Reset.
	Restore string
	// Refused tells of an answer of success that it is none: the owner was
	// asked too often.
	Refused Test
}

// ResetFormat is how the reset of a quota is written.
type ResetFormat string

// The formats.
const (
	ResetSeconds ResetFormat = "seconds" // from the answer on
	ResetUnix    ResetFormat = "unix"
	ResetUnixMS  ResetFormat = "unix_ms"
	ResetRFC3339 ResetFormat = "rfc3339"
	ResetHTTP    ResetFormat = "http" // as in Date
)

// told is what one answer tells.
type told struct {
	left   float64
	counts bool // left is known
	// wait is from the answer until all is back; 0: not known, or past.
	wait          time.Duration
	cost, restore float64 // 0: not told
}

// quota is a compiled Quota.
type quota struct {
	off                             bool
	remaining, reset, cost, restore place
	format                          ResetFormat
	refused                         test
	decoder                         *decode.Decoder // nil: no place is in the body
}

func (o *Owner) compileQuota() (*quota, error) {
	var body places
	q := &quota{off: o.Quota.Off, format: o.Quota.Format}
	var err error
	for _, p := range []struct {
		text string
		into *place
	}{{o.Quota.Remaining, &q.remaining}, {o.Quota.Reset, &q.reset}, {o.Quota.Cost, &q.cost}, {o.Quota.Restore, &q.restore}} {
		if *p.into, err = body.add(p.text); err != nil {
			return nil, fmt.Errorf("read quota: %w", err)
		}
	}
	if q.refused, err = body.test(o.Quota.Refused); err != nil {
		return nil, fmt.Errorf("read quota: %w", err)
	}
	if len(body) > 0 {
		layout := decode.Layout{As: decode.One, Body: body, MaxDepth: o.MaxDepth, MaxBytes: o.MaxBody}
		if q.decoder, err = layout.Compile(); err != nil {
			return nil, fmt.Errorf("read quota: %w", err)
		}
	}
	return q, nil
}

// places are what stands in a body at the quota's places.
func (q *quota) places(body []byte) [][]byte {
	if q.decoder == nil {
		return nil
	}
	page, err := q.decoder.Page(bytes.NewReader(body))
	if err != nil && !decode.Sound(err) {
		return nil
	}
	return page.Body
}

// read takes what an answer tells. What a cache kept tells of another time.
func (q *quota) read(h http.Header, body [][]byte) told {
	switch {
	case q.off || age(h) > 0:
		return told{}
	case !q.remaining.set():
		return usualQuota(h)
	}
	var t told
	t.left, t.counts = number(q.remaining.in(h, body))
	t.cost, _ = number(q.cost.in(h, body))
	t.restore, _ = number(q.restore.in(h, body))
	if text, ok, err := decode.Text(q.reset.in(h, body)); ok && err == nil {
		t.wait = untilReset(text, q.format, ownerTime(h))
	}
	return t
}

// refuses reports whether an answer of success is none.
func (q *quota) refuses(h http.Header, body [][]byte) bool {
	return q.refused.at.set() && holds(q.refused.at.in(h, body), q.refused.equals)
}

// number reads a number at a place, written as such or as text.
func number(raw []byte) (float64, bool) {
	text, ok, err := decode.Text(raw)
	if err != nil || !ok {
		return 0, false
	}
	return amount(text)
}

// amount reads a finite number.
func amount(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "-0123456789.eE+") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

// usualNames are the headers by which quotas are told, in pairs of what remains
// and when it is back. The first that is there counts.
func usualNames() [][2]string {
	return [][2]string{
		{"RateLimit-Remaining", "RateLimit-Reset"},
		{"X-RateLimit-Remaining", "X-RateLimit-Reset"},
		{"X-RateLimit-Remaining", "X-RateLimit-Reset-After"},
		{"X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"},
		{"Rate-Limit-Remaining", "Rate-Limit-Reset"},
		{"X-RateLimit-Requests-Remaining", "X-RateLimit-Requests-Reset"},
		{"X-RateLimit-Remaining-Requests", "X-RateLimit-Reset-Requests"},
		{"X-Quota-Remaining", "X-Quota-Reset"},
	}
}

// usualQuota reads the headers that owners use without being told.
func usualQuota(h http.Header) told {
	if t, ok := structuredQuota(h.Values("RateLimit")); ok {
		return t
	}
	var found told
	for _, names := range usualNames() {
		left, reset := h.Values(names[0]), strings.TrimSpace(h.Get(names[1]))
		if len(left) == 0 && reset == "" {
			continue
		}
		t := told{wait: untilReset(reset, "", ownerTime(h))}
		for _, one := range strings.Split(strings.Join(left, ","), ",") {
			if n, ok := amount(one); ok && (!t.counts || n < t.left) {
				t.left, t.counts = n, true
			}
		}
		if reset != "" {
			return t
		}
		if t.counts && !found.counts {
			found = t // says that nothing remains, and not for how long
		}
	}
	if found.counts {
		return found
	}
	return shopifyQuota(h.Get("X-Shopify-Shop-Api-Call-Limit"))
}

// shopifyQuota reads "32/40": how full a bucket is that empties within twenty
// seconds, whatever its size.
func shopifyQuota(text string) told {
	const empties = 20
	usedText, ofText, ok := strings.Cut(text, "/")
	used, good := amount(usedText)
	of, sound := amount(ofText)
	if !ok || !good || !sound || of <= 0 || used < 0 {
		return told{}
	}
	return told{left: of - used, counts: true, restore: of / empties}
}

// structuredQuota reads the RateLimit field of the IETF's draft: today a list
// of policies, each with what remains (r) and the seconds until it is back (t),
// formerly one policy, limit=…, remaining=…, reset=…. Of several policies the
// one that is used up for longest counts, or else the one that remains least.
func structuredQuota(fields []string) (told, bool) {
	var found told
	old := told{}
	for _, policy := range splitOutside(strings.Join(fields, ","), ',') {
		t := told{}
		for _, param := range splitOutside(policy, ';') {
			name, value, _ := strings.Cut(param, "=")
			n, ok := amount(value)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "r":
				t.left, t.counts = n, ok
			case "t":
				t.wait = bounded(n)
			case "remaining":
				old.left, old.counts = n, ok
			case "reset":
				old.wait = bounded(n)
			}
		}
		if t.counts && (!found.counts || worse(t, found)) {
			found = t
		}
	}
	if !found.counts {
		found = old
	}
	return found, found.counts
}

// worse reports whether policy a holds requests back rather than b does.
func worse(a, b told) bool {
	if a.left <= 0 && b.left <= 0 {
		return a.wait > b.wait
	}
	return a.left < b.left
}

// splitOutside splits at a byte, but not inside a quoted string.
func splitOutside(s string, at byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// ownerTime is when an answer was sent by the owner's clock, or this machine's
// where it does not tell.
func ownerTime(h http.Header) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return time.Now()
}

// untilReset is how long it takes from now, in owner time, until a reset; 0
// where it is past or says nothing, and never more than an owner can make us
// wait.
func untilReset(text string, format ResetFormat, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	at := time.Time{}
	var err error
	switch format {
	case ResetRFC3339:
		at, err = time.Parse(time.RFC3339, text)
	case ResetHTTP:
		at, err = http.ParseTime(text)
	case "":
		if n, ok := amount(text); ok {
			return resetNumber(n, guessReset(n), now)
		}
		if d, err := time.ParseDuration(text); err == nil {
			return bounded(d.Seconds())
		}
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			at, err = http.ParseTime(text)
		}
	default:
		n, ok := amount(text)
		if !ok {
			return 0
		}
		return resetNumber(n, format, now)
	}
	if err != nil {
		return 0
	}
	return bounded(at.Sub(now).Seconds())
}

// guessReset tells what a number stands for by its size: no quota lasts a year,
// and no stamp is of 1970.
func guessReset(n float64) ResetFormat {
	const year, farSecond = 366 * 24 * 3600, 1e11
	switch {
	case n < year:
		return ResetSeconds
	case n < farSecond:
		return ResetUnix
	}
	return ResetUnixMS
}

func resetNumber(n float64, format ResetFormat, now time.Time) time.Duration {
	unix := float64(now.UnixMilli()) / 1e3
	switch format {
	case ResetUnix:
		n -= unix
	case ResetUnixMS:
		n = n/1e3 - unix
	}
	return bounded(n)
}
