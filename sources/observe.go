package sources

import (
	"context"
	"net/http"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Observer hears of every request that is sent for a source, and of every one
// that is sent again. It must not block and is called by many goroutines.
type Observer interface {
	// Requested tells of a request to the owner, a login included, or to where it
	// led: its answer's status, 0 if there was none, and how long it took until
	// the headers were there.
	Requested(source string, status int, took time.Duration)
	// Retried tells of one that is sent again, and why.
	Retried(source string, why syncer.Class)
}

// sourceKey finds in a context the name of the source that asks: the client is
// shared by all sources of the owner.
type sourceKey struct{}

func asSource(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, sourceKey{}, name)
}

func sourceOf(ctx context.Context) string {
	name, _ := ctx.Value(sourceKey{}).(string)
	return name
}

// requested tells of a request that was sent.
func (c *Client) requested(ctx context.Context, resp *http.Response, took time.Duration) {
	if c.owner.Observer == nil {
		return
	}
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	c.owner.Observer.Requested(sourceOf(ctx), status, took)
}

// checkedRetry is checkRetry, and tells of another attempt.
func (x *exchange) checkedRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	again, fault := x.checkRetry(ctx, resp, err)
	o := &x.client.owner
	if again && o.Observer != nil && x.attempts < o.Retry.Attempts {
		if err != nil {
			err = unreachable(err)
		} else {
			err = x.refused(resp)
		}
		o.Observer.Retried(sourceOf(ctx), syncer.Classify(err))
	}
	return again, fault
}
