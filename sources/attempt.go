package sources

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxRedirects   = 3
	maxHeaderBytes = 256 << 10
)

// errAttemptTimeout is the cause of an attempt that took too long.
var errAttemptTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string { return "owner takes too long" }
func (timeoutError) Timeout() bool { return true }

// attempts sends single requests, redirects included: it waits for its turn,
// adds the credentials, and bounds how long one may take. It is an
// http.RoundTripper below the http.Client, so that neither the client nor its
// errors ever see a credential.
type attempts struct {
	base    http.RoundTripper
	owner   *Owner
	limiter *rate.Limiter // nil: no bound
	slots   chan struct{}
}

func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	release, err := a.turn(r.Context())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	body := &attemptBody{timeout: a.owner.Timeout}
	body.late = func() bool { return errors.Is(context.Cause(ctx), errAttemptTimeout) }
	body.done = sync.OnceFunc(func() { cancel(nil); release() })
	body.timer = time.AfterFunc(a.owner.Timeout, func() { cancel(errAttemptTimeout) })

	sent := r.Clone(ctx)
	sent.Header.Del("Referer")
	resp, took, err := a.send(sent, body.timer)
	body.took = took
	if err != nil {
		err = body.explain(err)
		body.stop()
		return nil, err
	}
	resp.Request = r // without the credentials
	body.inner, resp.Body = resp.Body, body
	return resp, nil
}

// send sends a request with the credentials, and once more where the owner
// refuses them and others can be had. It also tells how long the owner took.
func (a *attempts) send(r *http.Request, timer *time.Timer) (*http.Response, time.Duration, error) {
	via := errands{a, timer}
	resp, number, took, err := a.sendOnce(r, via)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || a.owner.Auth == nil || r.Body != nil && r.GetBody == nil {
		return resp, took, err
	}
	others, err := a.owner.Auth.Refused(r.Context(), number)
	if err != nil {
		a.owner.Log.Warn().Err(err).Msg("credentials that the owner refused are not renewed")
	}
	if !others {
		return resp, took, nil
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	_ = resp.Body.Close()
	if r.Body != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, 0, err
		}
	}
	if err := via.wait(r.Context()); err != nil {
		return nil, 0, err
	}
	resp, _, took, err = a.sendOnce(r, via)
	return resp, took, err
}

// sendOnce also tells which credentials the request had.
func (a *attempts) sendOnce(r *http.Request, via errands) (resp *http.Response, number int, took time.Duration, err error) {
	if a.owner.Auth != nil {
		if number, err = a.owner.Auth.Apply(r, via); err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, 0, 0, err
		}
	}
	start := time.Now()
	resp, err = a.base.RoundTrip(r)
	return resp, number, time.Since(start), err
}

// errands carries what an attempt asks the owner besides, to have credentials:
// in the attempt's slot, by the owner's rate. The time that the rate takes is
// not the attempt's.
type errands struct {
	attempts *attempts
	timer    *time.Timer
}

// RoundTrip implements http.RoundTripper. It follows no redirects.
func (e errands) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range e.attempts.owner.Headers {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
	if err := e.wait(r.Context()); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return e.attempts.base.RoundTrip(r)
}

// wait waits for the rate, while the attempt's time stands still.
func (e errands) wait(ctx context.Context) error {
	if e.attempts.limiter == nil {
		return nil
	}
	if e.timer.Stop() {
		defer e.timer.Reset(e.attempts.owner.Timeout)
	}
	return e.attempts.wait(ctx)
}

// turn waits for a slot and for the rate, in this order, so that a request
// that waits for a slot has not used up its share of the rate.
func (a *attempts) turn(ctx context.Context) (release func(), err error) {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	release = func() { <-a.slots }
	if a.limiter != nil {
		if err := a.wait(ctx); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// wait is limiter.Wait without its refusal of deadlines that it foresees to
// miss, which would hide the context's own error.
func (a *attempts) wait(ctx context.Context) error {
	reserved := a.limiter.Reserve()
	timer := time.NewTimer(reserved.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reserved.Cancel()
		return context.Cause(ctx)
	}
}

// attemptBody ends its attempt when it is closed.
type attemptBody struct {
	inner   io.ReadCloser
	late    func() bool // whether the attempt was cut off by its timeout
	timer   *time.Timer
	timeout time.Duration
	// streamed bodies are as long as they are: for them the timeout bounds
	// each wait for bytes, not the whole.
	streamed bool
	done     func()
	took     time.Duration // until the headers were there
}

// stream says that the body is long, and read while it arrives.
func (b *attemptBody) stream() {
	b.timer.Stop()
	b.streamed = true
}

func (b *attemptBody) Read(p []byte) (int, error) {
	if b.streamed {
		b.timer.Reset(b.timeout)
		defer b.timer.Stop()
	}
	n, err := b.inner.Read(p)
	if err != nil && err != io.EOF {
		err = b.explain(err)
	}
	return n, err
}

// explain says "too slow" instead of "canceled" where that is why.
func (b *attemptBody) explain(err error) error {
	if b.late() {
		return errAttemptTimeout
	}
	return err
}

func (b *attemptBody) Close() error {
	err := b.inner.Close()
	b.stop()
	return err
}

func (b *attemptBody) stop() {
	b.timer.Stop()
	b.done()
}

// newTransport dials for one owner: TLS 1.2 and up, and no link-local address,
// judged after the name was resolved.
func newTransport(o origin, concurrency int) *http.Transport {
	dialer := &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if o.blockedAddress(address) {
				return blockedError("owner's name leads to a link-local address")
			}
			return nil
		},
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
