package sources

import (
	"net/http"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// ownerClock is what the last answer told of the owner's time. It only chooses
// how far a walk asks: what a walk proves is bounded by its own answers. What
// is no answer, but perhaps a proxy's word, tells nothing.
type ownerClock struct {
	mu    sync.Mutex
	date  time.Time // zero: never heard
	heard time.Time // on this machine's clock
}

func (c *ownerClock) hear(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.date, c.heard = date.Add(age(h)), time.Now()
}

// now is the owner's time, or this machine's where none was heard.
func (c *ownerClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.date.IsZero() {
		return now
	}
	return c.date.Add(syncer.Age(c.heard, now))
}
