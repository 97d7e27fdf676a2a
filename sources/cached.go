package sources

import (
	"net/http"
	"time"
)

// cached is how old the answers of a walk were when they were sent, as shared
// caches say (RFC 9111, section 5.1).
type cached struct {
	// age is at least that of the oldest answer; 0: none told its age.
	age time.Duration
	// shows is the latest moment at which the owner can have given that answer;
	// zero: none came out of a cache.
	shows time.Time
}

// hear takes down what an answer that has just come tells. Ages are cut down to
// whole seconds, so that the owner may have given it a second earlier still.
func (c *cached) hear(h http.Header) {
	if age := age(h); age > 0 {
		c.join(cached{age: age + time.Second, shows: time.Now().Add(-age)})
	}
}

func (c *cached) join(other cached) {
	c.age = max(c.age, other.age)
	if c.shows.IsZero() || !other.shows.IsZero() && other.shows.Before(c.shows) {
		c.shows = other.shows
	}
}
