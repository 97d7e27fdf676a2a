package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Error is why a receiver did not take a message. Its text is one bounded line
// without secrets and without the receiver's address.
type Error struct {
	text       string
	reason     string
	permanent  bool
	gone       bool
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

// RetryAfter is how long the receiver wishes not to be asked, within a year; 0:
// it did not say.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Reason is what kind of failure it is, of a closed set that can label a metric:
// rate_limited, auth, client, server, redirect, timeout, stopped, dns, connect,
// tls, blocked, exec or other.
func (e *Error) Reason() string { return e.reason }

// ofStatus is the error of an answer that is no success; nil if it is one.
func (s *sender) ofStatus(r *http.Response, answer string) error {
	status := r.StatusCode
	if status >= 200 && status <= 299 {
		return nil
	}
	e := &Error{text: "receiver answered " + answer, reason: reasonOf(status), gone: status == http.StatusGone}
	switch {
	case status < 200, status >= 300 && status < 400:
		e.text = "receiver redirects, which is not followed: " + answer
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		e.retryAfter = retryAfter(r.Header)
	default:
		e.permanent = true
	}
	return e
}

func reasonOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limited"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "auth"
	case status == http.StatusRequestTimeout:
		return "timeout"
	case status >= 300 && status < 400:
		return "redirect"
	case status >= 400 && status < 500:
		return "client"
	case status >= 500:
		return "server"
	}
	return "other"
}

// ofCarriage is the error of a message that got no answer. The address is taken
// out: it may be the secret itself.
func (h *hider) ofCarriage(step string, err error) *Error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	e := &Error{reason: carriageReason(err), cause: err}
	e.text = step + ": " + h.line(err.Error())
	switch e.reason {
	case "timeout":
		e.text = fmt.Sprintf("%s: no answer within the time it has", step)
	case "stopped":
		e.text = step + ": stopped"
	}
	return e
}

func carriageReason(err error) string {
	var (
		dns      *net.DNSError
		op       *net.OpError
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
		alert    tls.AlertError
		host     x509.HostnameError
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		timeouts interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, errBlocked):
		return "blocked"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeouts) && timeouts.Timeout():
		return "timeout"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &host), errors.As(err, &unknown), errors.As(err, &invalid):
		return "tls"
	case errors.As(err, &op):
		return "connect"
	}
	return "other"
}

// joined is one error of several, which is as permanent as all of them are.
func joined(text string, all []error) *Error {
	out := &Error{text: text, permanent: true, gone: true, cause: errors.Join(all...)}
	for _, err := range all {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{reason: "other"}
		}
		out.reason = cmp.Or(out.reason, e.reason)
		out.permanent = out.permanent && (e.permanent || e.gone)
		out.gone = out.gone && e.gone
		out.retryAfter = max(out.retryAfter, e.retryAfter)
	}
	return out
}
