package sources

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

const (
	// longestRetryAfter bounds how long an owner can make us stay away.
	longestRetryAfter = time.Hour
	drainBytes        = 4 << 10
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
			Int("status", status).Int("attempts", x.attempts).Dur("took", time.Since(start)).Msg("asked")
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
		CheckRetry:   x.checkRetry,
		Backoff:      backoff,
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
	return err
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// judge turns the last response into an answer or an error.
func (x *exchange) judge(resp *http.Response) (*response, error) {
	if (isSuccess(resp.StatusCode) || resp.StatusCode == http.StatusNotModified) && !isHTML(resp.Header) {
		x.client.clock.hear(resp.Header)
	}
	r := &response{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL, body: x.body, whole: provesItsEnd(resp)}
	if b, ok := resp.Body.(*attemptBody); ok {
		r.took = b.took
	}
	if x.long && isSuccess(resp.StatusCode) {
		r.stream, r.body = rest{io.MultiReader(bytes.NewReader(x.body), resp.Body), resp.Body}, nil
		return r, nil
	}
	failed := &StatusError{Status: resp.StatusCode, Attempts: x.attempts, header: resp.Header}
	if slices.Contains(x.question.examine, resp.StatusCode) {
		// One that breaks off is no sound JSON and tells nothing.
		failed.body, _ = io.ReadAll(io.LimitReader(resp.Body, mostRefusal))
	}
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	_ = resp.Body.Close()
	if isSuccess(resp.StatusCode) || resp.StatusCode == http.StatusNotModified {
		return r, nil
	}
	if wait, ok := retryAfter(resp.Header, time.Now()); ok {
		failed.Retry = time.Now().Add(min(wait, longestRetryAfter))
	}
	return nil, failed
}

// rest is a body whose beginning has been read.
type rest struct {
	io.Reader
	io.Closer
}

// provesItsEnd reports whether a body that is cut off would show: by its
// length, by chunks, by HTTP/2's frames, or by the trailer of gzip.
func provesItsEnd(resp *http.Response) bool {
	return resp.ContentLength >= 0 || resp.ProtoMajor > 1 || resp.Uncompressed ||
		slices.Contains(resp.TransferEncoding, "chunked")
}

// checkRetry decides whether another attempt makes sense.
func (x *exchange) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		if token, ok := errors.AsType[*auth.TokenError](err); ok {
			return token.Temporary() && !isCertificate(err), nil
		}
		var judged interface{ FailureClass() syncer.Class }
		return !errors.As(err, &judged) && !isCertificate(err), nil
	}
	o := &x.client.owner
	if !slices.Contains(o.Retry.Status, resp.StatusCode) {
		return false, nil
	}
	wait, ok := retryAfter(resp.Header, time.Now())
	return !ok || wait <= o.Retry.Max, nil
}

// backoff waits as long as the owner asks for, within the bounds, or else a
// random time whose bound doubles with every attempt. attempt counts from 0.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait, ok := retryAfter(resp.Header, time.Now()); ok {
			return min(max(wait, least)+rand.N(least/4+1), most)
		}
	}
	bound := most
	if attempt < 30 && least < most>>(attempt+1) {
		bound = least << (attempt + 1)
	}
	return least + rand.N(bound-least+1)
}

// retryAfter reads how long the owner wants to be left alone: seconds, or a
// date, which is measured by the owner's own clock where it tells it.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if strings.Trim(text, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, false
		}
		const year = 365 * 24 * 3600
		return time.Duration(math.Ceil(min(seconds, year)*1e3)) * time.Millisecond, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}
