package row

import (
	"cmp"
	"math/big"
	"time"
)

// Stamp is an instant or a counter as a Format reads it. Stamps of one format
// are equal by == exactly if Compare says so. The zero Stamp is older than
// every other.
type Stamp struct {
	kind stampKind
	// An instant: seconds since 1970 and nanoseconds, floored.
	sec  int64
	nsec int32
	// A counter: its canonical decimal text, of any length.
	count string
}

type stampKind uint8

const (
	noStamp stampKind = iota
	counter
	instantStamp
)

// The instants that a Stamp can be: years 1 to 9999, as far as RFC 3339 and
// both databases go.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// StampAt is the stamp of an instant; instants outside the years 1 to 9999
// come to the nearest inside.
func StampAt(t time.Time) Stamp {
	switch sec := t.Unix(); {
	case sec < firstSecond:
		return Stamp{kind: instantStamp, sec: firstSecond}
	case sec > lastSecond:
		return Stamp{kind: instantStamp, sec: lastSecond, nsec: 999_999_999}
	default:
		return Stamp{kind: instantStamp, sec: sec, nsec: int32(t.Nanosecond())}
	}
}

// Compare orders stamps exactly: instants by time, counters by value, of
// whatever length. A counter is older than an instant.
func Compare(a, b Stamp) int {
	if a.kind != b.kind || a.kind == noStamp {
		return cmp.Compare(a.kind, b.kind)
	}
	if a.kind == counter {
		return counterNumber(a.count).compare(counterNumber(b.count))
	}
	return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.nsec, b.nsec))
}

func counterNumber(s string) number {
	n, _ := parseNumber(s)
	return n
}

// Time is the instant in UTC; false for a counter.
func (s Stamp) Time() (time.Time, bool) {
	if s.kind != instantStamp {
		return time.Time{}, false
	}
	return time.Unix(s.sec, int64(s.nsec)).UTC(), true
}

// IsZero reports whether s holds nothing.
func (s Stamp) IsZero() bool { return s.kind == noStamp }

// Add moves an instant by d, not beyond the years 1 to 9999; a counter stays
// as it is.
func (s Stamp) Add(d time.Duration) Stamp {
	t, ok := s.Time()
	if !ok {
		return s
	}
	return StampAt(t.Add(d))
}

// AddInt moves a counter by n; an instant stays as it is.
func (s Stamp) AddInt(n int64) Stamp {
	if s.kind != counter {
		return s
	}
	v, ok := new(big.Int).SetString(s.count, 10)
	if !ok {
		return s
	}
	s.count = v.Add(v, big.NewInt(n)).String()
	return s
}
