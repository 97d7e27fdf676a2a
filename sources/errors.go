package sources

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// StatusError says that the owner answered with something else than success.
// It tells the status, never the body.
type StatusError struct {
	Status int
	// Attempts is how often the owner was asked.
	Attempts int
	// Retry is when the owner wants to be asked again, at most an hour ahead;
	// zero if it did not say.
	Retry time.Time
	// header and body are kept to be judged, never to be shown. The body only
	// where somebody asked for it.
	header http.Header
	body   []byte
	// throttled says that it was asked too often, whatever the status.
	throttled bool
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("owner answers %d %s", e.Status, http.StatusText(e.Status))
	if e.throttled && e.Status != http.StatusTooManyRequests {
		text += ", and says that it is asked too often,"
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(" after %d attempts", e.Attempts)
	}
	return text
}

// HTTPStatus is the status of the owner's answer.
func (e *StatusError) HTTPStatus() int { return e.Status }

// FailureClass tells throttling, refused credentials and the rest apart.
func (e *StatusError) FailureClass() syncer.Class {
	switch {
	case e.throttled, e.Status == http.StatusTooManyRequests:
		return syncer.ClassRateLimited
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return syncer.ClassAuth
	case e.Status >= 500:
		return syncer.ClassHTTP5xx
	case e.Status >= 400:
		return syncer.ClassHTTP4xx
	}
	return syncer.ClassAnswer
}

// RetryAt is the moment before which asking again makes no sense.
func (e *StatusError) RetryAt() time.Time { return e.Retry }

// failure is an error of a known class. Its text is bounded and holds nothing
// of a body.
type failure struct {
	class syncer.Class
	text  string
	cause error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.text + ": " + f.cause.Error()
	}
	return f.text
}

func (f *failure) Unwrap() error              { return f.cause }
func (f *failure) FailureClass() syncer.Class { return f.class }

// delayed is a failure that passes at a known moment.
type delayed struct {
	*failure
	at time.Time
}

// RetryAt is the moment before which asking again makes no sense.
func (d *delayed) RetryAt() time.Time { return d.at }

func pagingError(format string, args ...any) error {
	return &failure{class: syncer.ClassPaging, text: fmt.Sprintf(format, args...)}
}

func answerError(format string, args ...any) error {
	return &failure{class: syncer.ClassAnswer, text: fmt.Sprintf(format, args...)}
}

func blockedError(format string, args ...any) error {
	return &failure{class: syncer.ClassBlockedURL, text: fmt.Sprintf(format, args...)}
}

func decodeError(format string, args ...any) error {
	return &failure{class: syncer.ClassDecode, text: fmt.Sprintf(format, args...)}
}

// unreadable gives what the decoder found wrong its class.
func unreadable(err error) error {
	class := syncer.ClassConnect
	switch {
	case errors.Is(err, decode.ErrTooLarge), errors.Is(err, decode.ErrTooDeep):
		class = syncer.ClassTooLarge
	case errors.Is(err, decode.ErrNoArray), errors.Is(err, decode.ErrNotArray),
		errors.Is(err, decode.ErrNotMap), errors.Is(err, decode.ErrUneven), errors.Is(err, decode.ErrNoHeader):
		class = syncer.ClassAnswer
	case errors.Is(err, decode.ErrSyntax), errors.Is(err, decode.ErrNotObject), errors.Is(err, decode.ErrNotValue):
		class = syncer.ClassDecode
	default:
		return unreachable(err)
	}
	return &failure{class: class, text: "read answer", cause: err}
}

// unreachable gives an error of the network its class, and takes every URL out
// of its text: a URL's query may hold credentials.
func unreachable(err error) error {
	if full, ok := errors.AsType[*quotaError](err); ok {
		return full // also where it is a login that would not be sent
	}
	var known interface{ FailureClass() syncer.Class }
	if errors.As(err, &known) {
		return bare(err)
	}
	if token, ok := errors.AsType[*auth.TokenError](err); ok {
		failed := &failure{class: tokenClass(token), text: "sign request", cause: token}
		if wait, ok := retryAfter(token.Header); ok {
			return &delayed{failed, time.Now().Add(min(wait, longestRetryAfter))}
		}
		return failed
	}
	var dns *net.DNSError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	reach := func(class syncer.Class) error {
		return &failure{class: class, text: "reach owner", cause: bare(err)}
	}
	switch {
	case isCertificate(err):
		return reach(syncer.ClassTLS)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return reach(syncer.ClassTimeout)
	case errors.As(err, &dns):
		return reach(syncer.ClassDNS)
	case errors.As(err, &op), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reach(syncer.ClassConnect)
	}
	// What net/http says of a malformed answer quotes the answer.
	return &failure{class: syncer.ClassConnect, text: "reach owner: its answer breaks off or is not HTTP"}
}

// tokenClass tells refused credentials from an endpoint in trouble.
func tokenClass(e *auth.TokenError) syncer.Class {
	switch {
	case e.Local():
		return syncer.ClassInternal
	case e.Status == http.StatusTooManyRequests:
		return syncer.ClassRateLimited
	case e.Status >= 500, e.Status > 0 && e.Temporary():
		return syncer.ClassHTTP5xx
	case e.Refused():
		return syncer.ClassAuth
	case e.Temporary():
		if class, ok := errors.AsType[*failure](unreachable(e.Cause)); ok {
			return class.class
		}
	}
	return syncer.ClassAnswer
}

// bare unwraps the errors that print URLs.
func bare(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return err
		}
		err = u.Err
	}
}

// isCertificate reports whether TLS failed in a way that trying again cannot
// mend.
func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	// An alert, such as of an owner that wants another certificate of ours.
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host) ||
		errors.As(err, &invalid) || errors.As(err, &record)
}
