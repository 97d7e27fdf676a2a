package sources

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
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
// adds the credentials where they may go, and bounds how long one may take. It
// is an http.RoundTripper below the http.Client, so that neither the client nor
// its errors ever see a credential.
type attempts struct {
	*Client
	base http.RoundTripper
}

func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	to := a.hosts.request(r)
	if to < trusted && r.Body != nil && r.Body != http.NoBody {
		_ = r.Body.Close()
		return nil, blockedError("request would carry its body away from the owner's origin")
	}
	release, err := a.budget.slot(r.Context())
	if err != nil {
		return nil, err
	}
	body := &attemptBody{timeout: a.owner.Timeout}
	if body.request, err = a.turn(r.Context()); err != nil {
		release()
		return nil, err
	}
	body.answered = sync.OnceFunc(a.gate.answered)
	ctx, cancel := context.WithCancelCause(r.Context())
	body.late = func() bool { return errors.Is(context.Cause(ctx), errAttemptTimeout) }
	body.done = sync.OnceFunc(func() { cancel(nil); body.answered(); release() })
	body.timer = time.AfterFunc(a.owner.Timeout, func() { cancel(errAttemptTimeout) })

	sent := r.Clone(ctx)
	sent.Header.Set("Accept-Encoding", acceptEncoding)
	sent.Header.Del("Referer")
	resp, took, err := a.send(sent, to, body)
	body.took = took
	if err != nil {
		err = body.explain(err)
		body.stop()
		return nil, err
	}
	a.receive(resp, to, body)
	resp.Request = r // without the credentials
	return resp, nil
}

// receive hears what the headers tell of the quota, and unpacks the body.
func (a *attempts) receive(resp *http.Response, to reach, body *attemptBody) {
	if body.counted = to >= trusted; body.counted {
		a.gate.hear(body.request, a.quota.read(resp.Header, nil))
	}
	if a.quota.decoder == nil {
		body.answered()
	}
	body.whole = provesItsEnd(resp)
	body.inner, resp.Body = resp.Body, body
	if body.unpacked = a.unpackers.reader(resp.Header.Get("Content-Encoding"), timed{body}); body.unpacked != nil {
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength = -1
	}
}

// send sends a request with the credentials, and once more where the owner
// refuses them and others can be had. It also tells how long the owner took.
func (a *attempts) send(r *http.Request, to reach, body *attemptBody) (*http.Response, time.Duration, error) {
	if to < trusted {
		r.Header = withoutOwner(r.Header)
		if a.owner.Auth != nil {
			a.owner.Auth.Strip(r.URL)
		}
		start := time.Now()
		resp, err := a.base.RoundTrip(r)
		return resp, time.Since(start), err
	}
	via := errands{a, body.timer}
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
	if e.attempts.budget.limiter == nil {
		return nil
	}
	if e.timer.Stop() {
		defer e.timer.Reset(e.attempts.owner.Timeout)
	}
	return e.attempts.budget.share(ctx)
}

// turn waits until the owner takes a request, and then for the rate: those that
// waited for the owner together may not be sent together. It numbers the
// request.
func (a *attempts) turn(ctx context.Context) (uint64, error) {
	for {
		request, err := a.gate.pass(ctx, a.owner.Retry.Max)
		if err != nil {
			return 0, err
		}
		if err = a.budget.share(ctx); err == nil && a.gate.open() {
			return request, nil
		}
		a.gate.answered()
		if err != nil {
			return 0, err
		}
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
	whole    bool          // one that is cut off shows
	unpacked io.Reader     // nil: inner is not packed
	// request is its number at the gate, answered says there that the owner has
	// counted it, and counted that it tells of the owner's quota.
	request  uint64
	answered func()
	counted  bool
}

// stream says that the body is long, and read while it arrives.
func (b *attemptBody) stream() {
	b.timer.Stop()
	b.streamed = true
}

func (b *attemptBody) Read(p []byte) (int, error) {
	if b.unpacked != nil {
		return b.unpacked.Read(p)
	}
	return timed{b}.Read(p)
}

// timed reads a body as it was sent. Each wait for bytes of a stream is bounded,
// not what somebody does with them.
type timed struct{ *attemptBody }

func (b timed) Read(p []byte) (int, error) {
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
