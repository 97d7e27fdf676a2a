package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// readEvery is the pace at which each consumer reads.
const readEvery = 100 * time.Millisecond

// counts is how the two designs fared: reads of copies, and the calls that a
// chain of services would have made for them.
type counts struct {
	reads, failedReads, calls, failedCalls int
}

// minus is what came since an earlier count.
func (c counts) minus(o counts) counts {
	return counts{c.reads - o.reads, c.failedReads - o.failedReads, c.calls - o.calls, c.failedCalls - o.failedCalls}
}

// tally counts for all consumers at once.
type tally struct {
	mu sync.Mutex
	counts
	first error // the first read that failed
}

func (t *tally) read(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads++
	if err == nil {
		return
	}
	t.failedReads++
	if t.first == nil {
		t.first = err
	}
}

func (t *tally) call(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if err != nil {
		t.failedCalls++
	}
}

func (t *tally) now() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// err tells of the first failed read; nil if all succeeded.
func (t *tally) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		return nil
	}
	return fmt.Errorf("%d of %d reads by the consumers failed, the first: %w", t.failedReads, t.reads, t.first)
}

// work lets a consumer read at a steady pace until ctx ends. Where a chain of
// services would ask the users service for a read, it is really asked.
func (c *consumer) work(ctx context.Context, users *owners.Service, t *tally) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// What has begun is finished, so that the end of the demo is nobody's
		// failure.
		whole := context.WithoutCancel(ctx)
		rows, err := c.readOnce(whole)
		t.read(err)
		if c.saw != nil {
			c.saw(rows, time.Now())
		}
		if c.needsUsers() {
			t.call(callOnce(whole, client, users))
		}
	}
}

var errNothing = errors.New("no rows")

// readOnce reads what the consumer needs from its own tables.
func (c *consumer) readOnce(ctx context.Context) ([]owners.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := c.db.query(ctx, c.read)
	if err == nil && len(rows) == 0 {
		err = errNothing
	}
	if err != nil {
		return nil, fmt.Errorf("read the tables of %s: %w", c.name, err)
	}
	return rows, nil
}

// callOnce asks the users service for a record, as a link of a chain would.
func callOnce(ctx context.Context, client *http.Client, users *owners.Service) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, users.URL()+"/v1/users?limit=1", nil)
	if err != nil {
		return err
	}
	users.Credentials().Authorize(r)
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("users answers %s", answer.Status)
	}
	return nil
}
