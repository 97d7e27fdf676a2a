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
	if body.turn, err = a.turn(r.Context()); err != nil {
		release()
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	body.late = func() bool { return errors.Is(context.Cause(ctx), errAttemptTimeout) }
	body.done = sync.OnceFunc(func() { cancel(nil); body.turn.end(); release() })
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

// receive unpacks the body. Where that tells of the quota, the turn lasts until
// it is read.
func (a *attempts) receive(resp *http.Response, to reach, body *attemptBody) {
	if body.counted = to >= trusted; a.quota.decoder == nil || !body.counted {
		body.turn.end()
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
		a.echoed.withhold(r.URL)
		return a.timed(r) // of the owner's quota it takes nothing
	}
	resp, number, took, err := a.sendOnce(r, body)
	if err != nil || !a.refuses(resp) || r.Body != nil && r.GetBody == nil {
		return resp, took, err
	}
	others, err := a.owner.Auth.Refused(r.Context(), number)
	if err != nil {
		a.owner.Log.Warn().Err(err).Msg("credentials that the owner refused cannot be read again")
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
	body.turn.end()
	resp, _, took, err = a.sendOnce(r, body)
	return resp, took, err
}

// refuses reports whether an answer may say that the owner does not take the
// credentials. One that says that it was asked too often does not.
func (a *attempts) refuses(resp *http.Response) bool {
	return a.owner.Auth != nil && a.owner.Auth.Refusal(resp.StatusCode) && !a.quota.rests(resp.StatusCode, resp.Header).throttles
}

// sendOnce also tells which credentials the request had.
func (a *attempts) sendOnce(r *http.Request, body *attemptBody) (resp *http.Response, number int, took time.Duration, err error) {
	err = a.renew(r.Context(), body) // before it is signed, with a time
	if err == nil && a.owner.Auth != nil {
		number, err = a.owner.Auth.Apply(r, errands{a, body})
	}
	if err == nil {
		err = a.renew(r.Context(), body)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, 0, 0, err
	}
	resp, took, err = a.counted(r, body)
	return resp, number, took, err
}

// counted sends a request to the owner in the attempt's turn. It hears what the
// headers tell of the quota, and tells how long the owner took.
func (a *attempts) counted(r *http.Request, body *attemptBody) (*http.Response, time.Duration, error) {
	body.turn.sent = true
	resp, took, err := a.timed(r)
	if err == nil {
		a.gate.hear(body.turn.request, a.quota.read(resp.Header, nil))
	}
	return resp, took, err
}

// timed sends a request, and tells how long it took until the headers of its
// answer were there.
func (a *attempts) timed(r *http.Request) (*http.Response, time.Duration, error) {
	start := time.Now()
	resp, err := a.base.RoundTrip(r)
	took := time.Since(start)
	a.requested(r.Context(), resp, took)
	return resp, took, err
}

// errands carries what an attempt asks the owner besides, to have credentials:
// in the attempt's slot and by the attempt's turn, after which the attempt needs
// another one.
type errands struct {
	attempts *attempts
	body     *attemptBody
}

// RoundTrip implements http.RoundTripper. It follows no redirects.
func (e errands) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range e.attempts.owner.Headers {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
	if err := e.attempts.renew(r.Context(), e.body); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, _, err := e.attempts.counted(r, e.body)
	e.body.turn.end()
	return resp, err
}

// turn is the owner's leave to send one request. It is of one goroutine.
type turn struct {
	gate        *gate
	request     uint64 // its number at the gate
	sent, ended bool
}

// end says at the gate that the owner has counted the request, or that it was
// not sent.
func (t *turn) end() {
	switch {
	case t.ended:
	case t.sent:
		t.gate.answered()
	default:
		t.gate.spare()
	}
	t.ended = true
}

// turn waits until the owner takes a request, and then for the rate: those that
// waited for the owner together may not be sent together.
func (a *attempts) turn(ctx context.Context) (*turn, error) {
	for {
		request, err := a.gate.pass(ctx, a.owner.Retry.Max)
		if err != nil {
			return nil, err
		}
		if err = a.budget.share(ctx); err == nil && a.gate.open() {
			return &turn{gate: &a.gate, request: request}, nil
		}
		a.gate.spare()
		if err != nil {
			return nil, err
		}
	}
}

// renew gives an attempt another turn where it has used its own. The attempt's
// time stands still meanwhile.
func (a *attempts) renew(ctx context.Context, body *attemptBody) error {
	if !body.turn.sent {
		return nil
	}
	body.turn.end()
	if body.timer.Stop() {
		defer body.timer.Reset(a.owner.Timeout)
	}
	next, err := a.turn(ctx)
	if err == nil {
		body.turn = next
	}
	return err
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
	turn     *turn
	counted  bool // it tells of the owner's quota
}

// stream says that the body is long, and read while it arrives. It tells of no
// quota, so that nobody has to wait for its end.
func (b *attemptBody) stream() {
	b.turn.end()
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
