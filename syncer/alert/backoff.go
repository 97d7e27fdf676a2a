package alert

import (
	"math/rand/v2"
	"time"
)

const (
	// attemptTime is how long one attempt may take.
	attemptTime = 15 * time.Second
	// lastWords is how much longer an attempt may take that is under way when
	// the desk is stopped.
	lastWords = 5 * time.Second
	// longestWait bounds every wait between two attempts, whatever a receiver
	// wishes.
	longestWait = time.Hour
	// messageTTL is how old a message may get.
	messageTTL = 72 * time.Hour
	// relieveAfter is how long a receiver must have been failing for another one
	// to be told in its place.
	relieveAfter = 5 * time.Minute
)

// backoff is the longest wait after the nth failure in a row.
func backoff(n int) time.Duration {
	switch n {
	case 0, 1:
		return 5 * time.Second
	case 2:
		return 30 * time.Second
	case 3:
		return 2 * time.Minute
	case 4:
		return 10 * time.Minute
	}
	return longestWait
}

// fullJitter draws a wait of at most base.
func fullJitter(base time.Duration) time.Duration { return rand.N(base) + 1 }
