package sources

import (
	"net/http"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer/row"
)

// ownerStart is the owner's clock when its first read was evaluated, or an
// instant before that.
//
// An owner that sends Date tells it. Of one that does not, it is known that a
// stamp on the first page cannot lie after it, and a stamp on a later page not
// by more than the walk had taken by then. Both hold for every honest stamp
// whatever clocks are compared, because a stamp is taken before it is seen. A
// stamp that lies in the future of this machine's clock is not believed, so
// that one poisoned row does not carry the watermark away.
type ownerStart struct {
	at   time.Time
	told bool
}

// hear takes the owner's clock from a response. since is how long before the
// response the walk's first read may have been evaluated.
func (o *ownerStart) hear(header http.Header, since time.Duration) {
	if o.told {
		return
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	*o = ownerStart{at: date.Add(-since - age(header)), told: true}
}

// saw takes a bound from a page's newest stamp where the owner tells no date.
func (o *ownerStart) saw(stamp row.Stamp, since time.Duration, now time.Time) {
	at, ok := stamp.Time()
	if !ok || o.told || at.After(now) {
		return
	}
	if bound := at.Add(-since); bound.After(o.at) {
		o.at = bound
	}
}

// after reports whether the walk began after a stamp, as far as that is known.
func (o ownerStart) after(stamp row.Stamp) bool {
	at, dated := stamp.Time()
	return dated && o.told && o.at.After(at)
}

func (o ownerStart) stamp() (row.Stamp, bool) {
	return row.StampAt(o.at), !o.at.IsZero()
}

// String is the form that a Resume keeps: an instant, with ">=" where it is
// only a bound.
func (o ownerStart) String() string {
	switch {
	case o.at.IsZero():
		return ""
	case o.told:
		return o.at.UTC().Format(time.RFC3339Nano)
	}
	return ">=" + o.at.UTC().Format(time.RFC3339Nano)
}

func parseOwnerStart(text string) (ownerStart, error) {
	if text == "" {
		return ownerStart{}, nil
	}
	bound, isBound := strings.CutPrefix(text, ">=")
	at, err := time.Parse(time.RFC3339Nano, bound)
	return ownerStart{at: at, told: !isBound}, err
}
