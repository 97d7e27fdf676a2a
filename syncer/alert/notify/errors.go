package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Error is why a receiver did not take a message. Its text is one bounded line
// without secrets and without the receiver's address.
type Error struct {
	text       string
	permanent  bool
	gone       bool
	timeout    bool
	notTaken   bool
	retryAfter time.Duration
	cause      error
}

func (e *Error) Error() string { return e.text }

// Unwrap is what happened below; its text may hold secrets.
func (e *Error) Unwrap() error { return e.cause }

// Permanent reports whether the same message will never be taken.
func (e *Error) Permanent() bool { return e.permanent }

// Gone reports whether no message will ever be taken.
func (e *Error) Gone() bool { return e.gone }

// NotTaken reports whether the message has certainly not arrived: it was not
// sent, or the receiver itself refused it. What may have arrived is not told so:
// an answer did not come, or a proxy's says that the receiver's did not.
func (e *Error) NotTaken() bool { return e.notTaken }

// Is reports whether target is context.DeadlineExceeded and there was no answer
// in time, whatever it was that ran out.
func (e *Error) Is(target error) bool { return e.timeout && target == context.DeadlineExceeded }

// RetryAfter is how long the receiver wishes not to be asked, within a year; 0:
// it did not say.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// ofStatus is the error of an answer that is no success; nil if it is one. A
// redirect may be that of a proxy that is in the way for a while, as what asks
// for credentials of its own (407) is and what sends to the wrong server (421),
// so these are tried again as what a server cannot do at the moment is.
func ofStatus(r *http.Response, answer string) error {
	status := r.StatusCode
	e := &Error{text: "receiver answered " + answer, gone: status == http.StatusGone, notTaken: status <= 501 || status == http.StatusServiceUnavailable}
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status < 400:
		e.text = "receiver redirects, which is not followed: " + answer
	case status == http.StatusProxyAuthRequired, status == http.StatusRequestTimeout, status == http.StatusMisdirectedRequest,
		status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		e.retryAfter = retryAfter(r.Header)
	default:
		e.permanent = true
	}
	return e
}

// ofCarriage is the error of a message that got no answer. The address is taken
// out: it may be the secret itself.
func (h *hider) ofCarriage(step string, err error) *Error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	e := &Error{text: step + ": " + h.line(err.Error()), cause: err}
	var waited interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		e.text = step + ": stopped"
	case errors.As(err, &waited) && waited.Timeout():
		e.text, e.timeout = step+": no answer in time", true
	}
	return e
}

// ofEncoding is the error of a message that could not be written down.
func ofEncoding(err error) *Error {
	return &Error{text: "write message as JSON: " + newHider().line(err.Error()), permanent: true, notTaken: true, cause: err}
}

// joined is one error of several, which is as permanent, and as certain, as all of
// them are.
func joined(text string, all []error) *Error {
	out := &Error{text: text, permanent: true, gone: true, notTaken: true, cause: errors.Join(all...)}
	for _, err := range all {
		e := &Error{}
		errors.As(err, &e)
		out.permanent = out.permanent && (e.permanent || e.gone)
		out.gone = out.gone && e.gone
		out.notTaken = out.notTaken && e.notTaken
		out.timeout = out.timeout || e.timeout
		out.retryAfter = max(out.retryAfter, e.retryAfter)
	}
	return out
}

// unsure takes back that a message has not arrived, where a part of it has.
func unsure(err error, inPart bool) error {
	if e := (&Error{}); inPart && errors.As(err, &e) {
		e.notTaken = false
	}
	return err
}

// refuses reports whether an error says that this message, and not any, will
// never be taken.
func refuses(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.permanent && !e.gone
}
