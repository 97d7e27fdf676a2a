package sources

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

const (
	drainBytes = 4 << 10
	// mostExpected bounds the room made for a body that announces no length.
	mostExpected = 1 << 20
	// mostRefusal bounds what is read of a body that tells why not.
	mostRefusal = 64 << 10
)

// question is one request, ready to be sent as often as it takes.
type question struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte // nil: none
	// streamed says that a body of more than a window is read as it comes.
	streamed bool
	// expect is about how large the body will be, as the page before tells; 0
	// if nothing does. It is for bodies that do not announce their length.
	expect int
	// most bounds the body where the owner's MaxBody is too much; 0: it is not.
	most int64
	// examine lists the statuses, other than success, whose bodies are kept.
	examine []int
}

// response is an owner's response of any status that is worth a look: success,
// or not modified.
type response struct {
	status int
	header http.Header
	url    *url.URL      // after redirects
	body   []byte        // of success, read to its end
	stream io.ReadCloser // instead of body, where that is long and may be streamed
	// by is who answered. Of an answer that is not from home the header's Date is
	// that of the owner's own redirect, or not there: other clocks say nothing.
	by reach
	// whole says that a body that was cut off would have shown.
	whole bool
	// took is how long the owner took until the headers were there.
	took time.Duration
}

// exchange is a question, asked until there is a response or no sense in
// asking again.
type exchange struct {
	client   *Client
	question question
	attempts int
	body     []byte
	long     bool // body is the first window of one that is to be streamed
	rests    rest // what the last attempt was told of asking again
	owns     bool // and that the owner told it, not a host that it led to
}

// ask sends q. The error is of a known class and shows no query, credential or
// body.
func (c *Client) ask(ctx context.Context, q question) (*response, error) {
	x := &exchange{client: c, question: q}
	start := time.Now()
	resp, err := x.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if log := c.owner.Log.Debug(); log.Enabled() {
		status := 0
		if resp != nil {
			status = resp.status
		}
		log.Str("method", q.method).Str("path", c.redact.Replace(q.url.EscapedPath())).
			Int("status", status).Int("attempts", x.attempts).Dur("took_ms", time.Since(start)).Msg("asked")
	}
	if err != nil {
		return nil, c.redact.wrap(err)
	}
	return resp, nil
}

func (x *exchange) run(ctx context.Context) (*response, error) {
	o := &x.client.owner
	caller := &retryablehttp.Client{
		HTTPClient:   x.client.pages,
		RetryMax:     o.Retry.Attempts - 1,
		RetryWaitMin: o.Retry.Min,
		RetryWaitMax: o.Retry.Max,
		CheckRetry:   x.checkedRetry,
		Backoff: func(least, most time.Duration, attempt int, _ *http.Response) time.Duration {
			wait := backoff(least, most, attempt, x.rests)
			if x.rests.told {
				x.client.gate.waits(wait)
			}
			return wait
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(retryablehttp.Logger, *http.Request, int) {
			x.attempts++
		},
	}
	r, err := x.request(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := caller.Do(r)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, unreachable(err)
	}
	return x.judge(resp)
}

func (x *exchange) request(ctx context.Context) (*retryablehttp.Request, error) {
	var body any
	if x.question.body != nil {
		body = x.question.body
	}
	r, err := retryablehttp.NewRequestWithContext(ctx, x.question.method, x.question.url.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", bare(err))
	}
	r.Header = x.question.header.Clone()
	r.SetResponseHandler(x.read)
	return r, nil
}

// read takes the body of a success inside its attempt, so that one that is cut
// off is asked for again; of one that is to be streamed, no more than a window.
func (x *exchange) read(resp *http.Response) error {
	x.long = false
	if !isSuccess(resp.StatusCode) || isHTML(resp.Header) {
		return nil
	}
	limit := cmp.Or(x.question.most, x.client.owner.MaxBody)
	if x.question.streamed {
		limit = min(limit, windowBytes)
	}
	defer func() {
		if !x.long {
			_ = resp.Body.Close()
		}
	}()
	var body bytes.Buffer
	if resp.ContentLength <= limit {
		size := resp.ContentLength
		if size < 0 {
			size = int64(min(x.question.expect, mostExpected)) * 9 / 8
		}
		body.Grow(int(size) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil || int64(body.Len()) <= limit:
	case x.question.streamed:
		x.long = true
		if b, ok := resp.Body.(interface{ stream() }); ok {
			b.stream()
		}
	default:
		err = &failure{class: syncer.ClassTooLarge, text: fmt.Sprintf("body is larger than %d bytes", limit)}
	}
	x.body = body.Bytes()
	if err != nil || x.long {
		return err
	}
	return x.heed(resp)
}

// heed takes what an answer's body tells of the quota. The answer may be that
// the owner was asked too often.
func (x *exchange) heed(resp *http.Response) error {
	c := x.client
	if c.quota.decoder == nil && !c.quota.refused.at.set() {
		return nil
	}
	body := c.quota.places(x.body)
	t := c.quota.read(resp.Header, body)
	b, ok := resp.Body.(*attemptBody)
	if x.owns = ok && b.counted; x.owns {
		c.gate.hear(b.turn.request, t)
	}
	if !c.quota.refuses(resp.Header, body) {
		return nil
	}
	x.rests = rest{throttles: true}
	x.rests.wait, x.rests.told = c.gate.lacking(t)
	return x.refused(resp)
}

// refused is the error of a response of failure.
func (x *exchange) refused(resp *http.Response) *StatusError {
	e := &StatusError{Status: resp.StatusCode, Attempts: x.attempts, header: resp.Header, throttled: x.rests.throttles}
	if x.rests.told {
		e.Retry = time.Now().Add(min(x.rests.wait, longestRetryAfter))
	}
	return e
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// judge turns the last response into an answer or an error.
func (x *exchange) judge(resp *http.Response) (*response, error) {
	r := &response{status: resp.StatusCode, url: resp.Request.URL, body: x.body, whole: provesItsEnd(resp), by: x.client.hosts.request(resp.Request)}
	if b, ok := resp.Body.(*attemptBody); ok {
		r.took, r.whole = b.took, b.whole
	}
	if u := *r.url; r.by <= stranger && x.client.hosts.url(&u) > stranger {
		u.Fragment = ofStranger
		r.url = &u
	}
	r.header = x.client.hosts.dated(resp, &r.took)
	if (isSuccess(resp.StatusCode) || resp.StatusCode == http.StatusNotModified) && !isHTML(resp.Header) {
		x.client.clock.hear(r.header)
	}
	if x.long && isSuccess(resp.StatusCode) {
		r.stream, r.body = begun{io.MultiReader(bytes.NewReader(x.body), resp.Body), resp.Body}, nil
		return r, nil
	}
	failed := x.refused(resp)
	if slices.Contains(x.question.examine, resp.StatusCode) {
		// One that breaks off is no sound JSON and tells nothing.
		failed.body, _ = io.ReadAll(io.LimitReader(resp.Body, mostRefusal))
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	_ = resp.Body.Close()
	if isSuccess(resp.StatusCode) || resp.StatusCode == http.StatusNotModified {
		return r, nil
	}
	return nil, failed
}

// begun is a body whose beginning has been read.
type begun struct {
	io.Reader
	io.Closer
}

// checkRetry decides whether another attempt makes sense.
func (x *exchange) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		if said, ok := errors.AsType[*StatusError](err); ok {
			return x.again(said.Status), nil
		}
		x.rests = rest{} // what an attempt before was told was waited for
		if token, ok := errors.AsType[*auth.TokenError](err); ok {
			_, told := retryAfter(token.Header) // then the poll is planned again for then
			_, later := errors.AsType[*quotaError](err)
			return token.Temporary() && !told && !later && !isCertificate(err), nil
		}
		var judged interface{ FailureClass() syncer.Class }
		return !errors.As(err, &judged) && !isCertificate(err), nil
	}
	x.rests = rest{}
	if isSuccess(resp.StatusCode) {
		return false, nil
	}
	x.rests = x.client.quota.rests(resp.StatusCode, resp.Header)
	x.owns = x.client.hosts.request(resp.Request) >= trusted
	return x.again(resp.StatusCode), nil
}

// again reports whether a status is worth another attempt within this exchange,
// and leaves the owner alone for as long as it asks for, whoever else wants
// something of it. What a host that it led to asks for counts for this exchange
// alone.
func (x *exchange) again(status int) bool {
	o := &x.client.owner
	if x.rests.throttles {
		status = http.StatusTooManyRequests
	}
	if x.owns && x.rests.told && (x.rests.throttles || status == http.StatusServiceUnavailable) {
		x.client.gate.rest(x.rests.wait)
	}
	return slices.Contains(o.Retry.Status, status) && (!x.rests.told || x.rests.wait <= o.Retry.Max)
}
