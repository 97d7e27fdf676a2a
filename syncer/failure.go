package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFenced says that another daemon holds the lease of the consumer's
	// database; nothing was written.
	ErrFenced = errors.New("lease is held by another daemon")
	// ErrNotResumable says that an unfinished walk cannot go on; it starts
	// again from the watermark.
	ErrNotResumable = errors.New("walk cannot be resumed")
	// ErrAltered says that a table, or a column of it, is not there any more, so
	// that the table has to be prepared again.
	ErrAltered = errors.New("table was altered")
	// ErrListLost says that the notes of a listing walk are incomplete.
	ErrListLost = errors.New("notes of seen keys are incomplete")
)

// Class names why a poll failed. The set is closed: it labels metrics and
// stands in the consumer's database.
type Class string

// The classes, from the network inwards.
const (
	ClassDNS         Class = "dns"
	ClassConnect     Class = "connect"
	ClassTLS         Class = "tls"
	ClassTimeout     Class = "timeout"
	ClassRateLimited Class = "rate_limited"
	ClassAuth        Class = "auth"
	ClassHTTP4xx     Class = "http_4xx"
	ClassHTTP5xx     Class = "http_5xx"
	ClassAnswer      Class = "answer" // a 200 that is no answer: HTML, an error body, no array
	ClassDecode      Class = "decode"
	ClassPaging      Class = "paging" // a loop, an endless walk, a broken order
	ClassTooLarge    Class = "too_large"
	ClassBlockedURL  Class = "blocked_url"
	ClassMisfit      Class = "misfit" // too many records do not fit the table
	ClassDatabase    Class = "db"
	ClassFenced      Class = "fenced"
	ClassStopped     Class = "stopped"
	ClassInternal    Class = "internal"
)

// Classes are all of them.
func Classes() []Class {
	return []Class{ClassDNS, ClassConnect, ClassTLS, ClassTimeout, ClassRateLimited, ClassAuth, ClassHTTP4xx, ClassHTTP5xx, ClassAnswer,
		ClassDecode, ClassPaging, ClassTooLarge, ClassBlockedURL, ClassMisfit, ClassDatabase, ClassFenced, ClassStopped, ClassInternal}
}

// Failure is why a poll did not complete, as it is stored and shown.
type Failure struct {
	Class Class
	// Text says what happened, without secrets, in one line.
	Text string
	// Status is that of the HTTP answer; 0: there was none, or it was stored,
	// which leaves it out.
	Status int
}

// Classify asks an error for its class: by a method FailureClass() Class
// anywhere in its chain, or by the sentinels of this package and of context.
func Classify(err error) Class {
	var classed interface{ FailureClass() Class }
	switch {
	case errors.Is(err, ErrFenced):
		return ClassFenced
	case errors.Is(err, ErrExpired):
		return ClassAnswer
	case errors.As(err, &classed):
		return classed.FailureClass()
	case errors.Is(err, ErrAltered):
		return ClassDatabase
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, context.Canceled):
		return ClassStopped
	}
	return ClassInternal
}

// RetryAt asks an error for the earliest moment at which asking again makes
// sense; zero if it does not know.
func RetryAt(err error) time.Time {
	var later interface{ RetryAt() time.Time }
	if errors.As(err, &later) {
		return later.RetryAt()
	}
	return time.Time{}
}

// failureOf turns an error into its stored form; nil stays nil. It asks the
// error for its status by a method HTTPStatus() int.
func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Class: Classify(err), Text: oneLine(err.Error())}
	var answered interface{ HTTPStatus() int }
	if errors.As(err, &answered) {
		f.Status = answered.HTTPStatus()
	}
	return f
}

// oneLine bounds an error's text and takes line breaks and control characters
// out of it, because parts of it may stem from an owner.
func oneLine(s string) string {
	const limit = 500
	out := make([]rune, 0, min(len(s), limit))
	for _, r := range s {
		if len(out) == limit {
			return string(out) + "…"
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}

// MisfitError says that so many records of a walk did not fit that the owner
// must have changed.
type MisfitError struct {
	// First says what is wrong with the first of them; may be empty.
	First                string
	Quarantined, Records int
}

func (e *MisfitError) Error() string {
	text := fmt.Sprintf("%d of %d records do not fit: the owner has changed, or the columns are wrong", e.Quarantined, e.Records)
	if e.First != "" {
		return text + ": " + e.First
	}
	return text + "; see quarantine list"
}

// FailureClass is ClassMisfit.
func (e *MisfitError) FailureClass() Class { return ClassMisfit }
