package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/larder-sync/larder/syncer"
)

// ErrNoBookkeeping says that larder never wrote into this database.
var ErrNoBookkeeping = errors.New("database holds no larder bookkeeping")

// Error is a step that the database did not do.
type Error struct {
	step string
	err  error
}

// Error names the step and, where the server answered, its SQLSTATE. The
// server's detail is left out: it may show rows.
func (e *Error) Error() string {
	var answer *pgconn.PgError
	if errors.As(e.err, &answer) {
		return fmt.Sprintf("%s: %s%s (SQLSTATE %s)", e.step, hint(answer.Code), answer.Message, answer.Code)
	}
	return e.step + ": " + e.err.Error()
}

// hint says what is wrong with the whole database, and not with the statement
// that was the first to meet it.
func hint(state string) string {
	switch state {
	case readOnly:
		return "database is read-only, because it is a standby or default_transaction_read_only is on: "
	case diskFull:
		return "the server's disk is full: "
	}
	return ""
}

// Unwrap returns the driver's error.
func (e *Error) Unwrap() error { return e.err }

// Is reports whether target is syncer.ErrAltered and the table or a column was
// not there.
func (e *Error) Is(target error) bool {
	state := sqlState(e.err)
	return target == syncer.ErrAltered && (state == undefinedTable || state == undefinedColumn)
}

// FailureClass is ClassDatabase, but for a caller that gave up.
func (e *Error) FailureClass() syncer.Class {
	if errors.Is(e.err, context.Canceled) {
		return syncer.ClassStopped
	}
	return syncer.ClassDatabase
}

// SQLState is the server's five-letter code; "" if it did not answer.
func (e *Error) SQLState() string { return sqlState(e.err) }

// failed wraps an error of the driver with the step it happened in; nil stays
// nil, and what is no error of the driver stays as it is.
func failed(step string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, syncer.ErrFenced) {
		return err
	}
	return &Error{step: step, err: err}
}

func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// refused reports whether the server rejects data, not the statement: a value
// that its column's type, length, check or constraint does not take.
func refused(err error) bool {
	state := sqlState(err)
	return strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23") || state == cardinalityViolation
}

// The codes that are looked at by themselves.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	changedPlan          = "0A000"
	uniqueViolation      = "23505"
	undefinedTable       = "42P01"
	undefinedColumn      = "42703"
	undefinedSchema      = "3F000"
	readOnly             = "25006"
	diskFull             = "53100"
	// Two keys of one batch are the same to the database (citext).
	cardinalityViolation = "21000"
)

// passing reports whether the same transaction may succeed when it is begun
// again: a conflict, a plan that an ALTER TABLE voided, or a connection that
// broke under it.
func passing(err error) bool {
	switch state := sqlState(err); state {
	case serializationFailure, deadlockDetected, changedPlan:
		return true
	case "":
		var connect *pgconn.ConnectError
		return !errors.As(err, &connect) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	default:
		return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P")
	}
}

// answerOf is what the server said; empty if it said nothing.
func answerOf(err error) pgconn.PgError {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return *answer
	}
	return pgconn.PgError{Message: "no answer"}
}

// unwritten turns the lack of larder's own tables into ErrNoBookkeeping.
func unwritten(err error) error {
	if state := sqlState(err); state == undefinedTable || state == undefinedSchema {
		return ErrNoBookkeeping
	}
	return err
}

// alteredError is syncer.ErrAltered where the catalogue tells it.
type alteredError struct{ MisfitTableError }

// Is reports whether target is syncer.ErrAltered.
func (e *alteredError) Is(target error) bool { return target == syncer.ErrAltered }
