package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// ErrNoBookkeeping says that larder never wrote to the database.
var ErrNoBookkeeping = errors.New("larder has written nothing here yet")

// Fault is something that the database itself refused or could not do.
type Fault struct {
	// File is the database.
	File string
	Err  error
}

func (f *Fault) Error() string {
	text := f.Err.Error()
	switch sqlite.ErrCode(f.Err).ToPrimary() {
	case sqlite.ResultFull:
		text = "disk is full: " + text
	case sqlite.ResultReadOnly:
		text = "database is read-only: " + text
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		text = "database is damaged: " + text
	case sqlite.ResultCantOpen:
		text = "file cannot be opened: " + text
	}
	return fmt.Sprintf("database %q: %s", f.File, text)
}

func (f *Fault) Unwrap() error { return f.Err }

// FailureClass is syncer.ClassDatabase.
func (f *Fault) FailureClass() syncer.Class { return syncer.ClassDatabase }

// Is reports whether target is syncer.ErrAltered and a table or a column was not
// there.
func (f *Fault) Is(target error) bool {
	if target != syncer.ErrAltered || sqlite.ErrCode(f.Err) != sqlite.ResultError {
		return false
	}
	text := f.Err.Error()
	return strings.Contains(text, "no such table: ") || strings.Contains(text, "no such column: ") || strings.Contains(text, "has no column named ")
}

// BusyError says that the write lock was not to be had in time.
type BusyError struct {
	// Holder is whom the lease names; "" if nobody.
	Holder string
	Err    error
}

func (e *BusyError) Error() string {
	text := "write lock is held by another process, perhaps a stopped one"
	if e.Holder != "" {
		text += fmt.Sprintf("; the lease names %q", e.Holder)
	}
	return text
}

// FailureClass is syncer.ClassDatabase.
func (e *BusyError) FailureClass() syncer.Class { return syncer.ClassDatabase }

func (e *BusyError) Unwrap() error { return e.Err }

// fault gives an error of the database its class. What is none of the
// database's faults, an ended context first of all, passes as it is.
func (d *Database) fault(ctx context.Context, err error) error {
	var classed interface{ FailureClass() syncer.Class }
	var refused refusal
	switch {
	case err == nil, errors.As(err, &classed), errors.As(err, &refused), errors.Is(err, ErrNoBookkeeping),
		errors.Is(err, syncer.ErrFenced), errors.Is(err, syncer.ErrListLost):
		return err
	case ctx.Err() != nil && (sqlite.ErrCode(err) == sqlite.ResultInterrupt || errors.Is(err, ctx.Err())):
		if cause := context.Cause(ctx); cause != ctx.Err() {
			return fmt.Errorf("%w: %w", ctx.Err(), cause)
		}
		return ctx.Err()
	}
	return &Fault{File: d.file, Err: err}
}
