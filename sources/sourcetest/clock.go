package sourcetest

import "time"

// Clock is how late it is at the owner, and how late its readers are.
type Clock struct {
	// Skew is how far the owner's clock is ahead. A consumer whose clock is ahead
	// sees an owner whose clock is behind.
	Skew   time.Duration
	NoDate bool
	// Nodes answer in turns: the n-th request is answered by Nodes[(n-1)%len].
	// None: by one that has neither skew nor lag.
	Nodes []Node
	// Takes is how long an answer takes. What it tells is read half-way.
	Takes time.Duration
}

// Node is one of the machines that answer.
type Node struct {
	// Skew is how far its clock is ahead of the owner's. It shows in Date.
	Skew time.Duration
	// Lag is how far its replica is behind: reads are as of then.
	Lag time.Duration
}

// node is who answers the n-th request.
func (c *Clock) node(n int) Node {
	if len(c.Nodes) == 0 {
		return Node{}
	}
	return c.Nodes[max(n-1, 0)%len(c.Nodes)]
}

// read says as of when a request is answered, and what Date says then.
func (o *Owner) read(a *ask, kept time.Duration) (date time.Time) {
	node := o.Clock.node(a.n)
	seen := a.now.Add(-kept)
	if a.at = nanos(seen.Add(-node.Lag)); len(o.Clock.Nodes) > 0 {
		before := nanos(seen.Add(-o.Clock.node(a.n - 1).Lag))
		o.hits.when(o.history.differs(a.at, nanos(seen)), replicaLag)
		o.hits.when(a.n > 1 && o.history.differs(a.at, before), lagGrows)
		o.hits.when(a.n > 1 && o.history.differs(before, a.at), lagShrinks)
	}
	return seen.Add(node.Skew)
}
