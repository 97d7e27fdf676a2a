package simulation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"
)

// The knobs of Postgres; the last is SQLite's, too.
const (
	cutAhead   = "connection cut before a write"
	cutBetween = "connection cut between messages"
	cutWithin  = "connection cut in a message"
	cutBehind  = "connection cut behind a message"
	cutCommit  = "connection cut before a commit"
)

// line is one connection of a daemon. What is written at a time is a number of
// whole messages. It tells the session the time of the bubble, and asks whether
// a write strikes.
type line struct {
	net.Conn
	of *lines

	mu sync.Mutex
	// head and left are of the message that is being read: what there is of its
	// first five bytes, and how many are to come after them.
	head []byte
	left int
	// due counts the answers that are to come; idle lines have none. swallow says
	// that the next is to a statement of ours.
	due     int
	swallow bool
	// status is the last one told: idle, in a transaction, in a failed one; 0
	// before the first.
	status byte
	// greeting is what the server said to begin with, but for the questions that
	// it had; ready is what of an answer of ours was not read yet.
	greeting, ready []byte
	// told is the time of the session, and within that of its transaction.
	told, within time.Time
	// writing says that a write is under way, asked that it need not be asked for
	// any more, after how many more messages it is; committing, that its commit
	// was sent, committed that this was obeyed.
	writing, asked        bool
	after                 int
	committing, committed bool
	// gone lines have given their session back.
	gone bool
}

// Write implements net.Conn.
func (c *line) Write(b []byte) (int, error) {
	before, send, err := c.send(b)
	if err != nil || !send {
		return len(b), err
	}
	n, err := c.Conn.Write(append(before, b...))
	return max(0, n-len(before)), err
}

// send gets ready for what is about to be written. It returns what must be said
// before it, and whether the server has to hear it at all.
func (c *line) send(b []byte) (before []byte, send bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return nil, false, net.ErrClosed
	case c.status == 0 && c.greeting != nil: // a session that was given back
		c.status, c.ready = 'I', c.greeting
		return nil, false, nil
	case c.status == 0:
		return nil, true, nil
	case b[0] == 'X' && c.idle():
		return nil, false, nil
	case says(b, "-- ping") && c.idle():
		c.ready = []byte{'I', 0, 0, 0, 4, 'Z', 0, 0, 0, 5, 'I'}
		return nil, false, nil
	}
	if err := c.strike(b); err != nil {
		return nil, false, err
	}
	if c.due == 0 {
		before = c.tell(time.Now())
	}
	if before != nil {
		c.swallow = true
		c.due++
	}
	for rest := b; len(rest) >= 5; {
		if rest[0] == 'Q' || rest[0] == 'S' {
			c.due++
		}
		rest = rest[min(len(rest), 1+int(binary.BigEndian.Uint32(rest[1:]))):]
	}
	return before, true, nil
}

// idle reports whether the session waits for a statement, outside of transactions.
func (c *line) idle() bool { return c.status == 'I' && c.due == 0 && len(c.ready) == 0 }

// tell is the statement that brings the session to the time, or nil if it
// knows it. Within a transaction now() stays where it was.
func (c *line) tell(now time.Time) []byte {
	at := now.UTC().Format("2006-01-02 15:04:05.000000+00")
	switch {
	case c.status == 'I' && !now.Equal(c.told):
		c.told, c.within = now, now
		return query(fmt.Sprintf("SET larder.now = '%s'; SET larder.clock = '%[1]s'", at))
	case c.status == 'I':
		c.within = now // the end of a transaction takes back what it was told
	case c.status == 'T' && !now.Equal(c.within):
		c.within = now
		return query(fmt.Sprintf("SET LOCAL larder.clock = '%s'", at))
	}
	return nil
}

// query is a simple query's message.
func query(sql string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(4+len(sql)+1))
	return append(append(b, sql...), 0)
}

// says reports whether a message is a simple query that begins so.
func says(b []byte, text string) bool {
	return len(b) > 5 && b[0] == 'Q' && bytes.HasPrefix(b[5:], []byte(text))
}

// strike asks whether the write ends here, before b, in it or behind it.
func (c *line) strike(b []byte) error {
	switch {
	case says(b, "begin") && !bytes.Contains(b, []byte("read only")):
		c.writing, c.asked, c.after = true, false, c.of.turn()
		if err := c.of.ask("begin"); err != nil {
			return c.cut(b, cutAhead, 0, err)
		}
	case !c.writing:
	case says(b, "rollback"):
		c.writing = false
	case says(b, "commit"):
		c.writing, c.committing = false, true
		if err := c.object(); err != nil {
			return c.cut(b, cutCommit, 0, err)
		}
	default:
		if c.after--; c.after > 0 {
			return nil
		}
		return c.between(b)
	}
	return nil
}

// between asks about the commit ahead of it.
func (c *line) between(b []byte) error {
	err := c.object()
	if err == nil {
		return nil
	}
	switch c.of.turn() % 3 {
	case 0:
		return c.cut(b, cutBetween, 0, err)
	case 1:
		return c.cut(b, cutWithin, len(b)/2, err)
	default:
		return c.cut(b, cutBehind, len(b), err)
	}
}

// object asks about the commit, once a write.
func (c *line) object() error {
	if c.asked {
		return nil
	}
	c.asked = true
	return c.of.ask("commit")
}

// cut ends the connection after so many bytes of b.
func (c *line) cut(b []byte, knob string, sent int, err error) error {
	c.of.hits.hit(knob)
	_, _ = c.Conn.Write(b[:sent])
	c.drop()
	return err
}

// Read implements net.Conn. It keeps answers to our own statements back, and
// asks whether that to a commit is to arrive.
func (c *line) Read(b []byte) (int, error) {
	for {
		if n, err := c.answer(b); n > 0 || err != nil {
			return n, err
		}
		n, err := c.Conn.Read(b)
		n, lost := c.receive(b[:n])
		if lost {
			if err := c.of.ask("committed"); err != nil {
				c.of.hits.hit(unanswered)
				c.mu.Lock()
				defer c.mu.Unlock()
				c.drop()
				return 0, err
			}
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// answer reads what we answer ourselves.
func (c *line) answer(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0, net.ErrClosed
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// receive follows the messages of the server, and returns how many bytes are
// for the daemon: those it moves to the front. lost says that they tell of a
// commit, which may be lost.
func (c *line) receive(b []byte) (kept int, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(b); {
		swallow, n := c.swallow, 1
		if len(c.head) < 5 {
			if c.head = append(c.head, b[i]); len(c.head) == 5 {
				c.left = int(binary.BigEndian.Uint32(c.head[1:])) - 4
			}
		} else {
			n = min(c.left, len(b)-i)
			c.body(b[i : i+n])
			c.left -= n
		}
		if !swallow {
			kept += copy(b[kept:], b[i:i+n])
		}
		if i += n; len(c.head) == 5 && c.left == 0 {
			c.head = c.head[:0]
		}
	}
	lost = c.committed && c.status == 'I'
	c.committing, c.committed = c.committing && !lost, c.committed && !lost
	return kept, lost
}

// body looks at what there is of a message's body.
func (c *line) body(b []byte) {
	if c.status == 0 && c.of.greets(c.head[0], b) {
		c.greeting = append(append(c.greeting, c.head...), b...)
		c.head = c.head[:5]
	}
	switch c.head[0] {
	case 'C':
		c.committed = c.committing && bytes.HasPrefix(b, []byte("COMMIT"))
	case 'Z':
		c.status = b[0]
		c.due--
		c.swallow = false
	}
}
