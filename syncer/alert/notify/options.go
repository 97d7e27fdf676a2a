package notify

import (
	"errors"
	"fmt"
)

// OptionError says what is wrong with an option of a receiver or of the
// heartbeat. No value of an option is part of it.
type OptionError struct {
	// Option is the option's name as the configuration writes it: "url".
	Option string
	// Index is which of several it is, from 0; -1 where there is only one.
	Index int
	// Err is what is wrong with it, as a verb phrase: "is missing".
	Err error
}

func (e *OptionError) Error() string {
	if e.Index < 0 {
		return e.Option + " " + e.Err.Error()
	}
	return fmt.Sprintf("%s[%d] %v", e.Option, e.Index, e.Err)
}

// Unwrap is what is wrong.
func (e *OptionError) Unwrap() error { return e.Err }

// wrong is what is wrong with the option.
func wrong(option, what string) error { return &OptionError{option, -1, errors.New(what)} }

// wrongOf is what is wrong with one of several.
func wrongOf(option string, index int, what error) error { return &OptionError{option, index, what} }

// bare is what is wrong, without the option that says it.
func bare(err error) error {
	if of, ok := errors.AsType[*OptionError](err); ok {
		return of.Err
	}
	return err
}
