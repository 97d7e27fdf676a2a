package decode

import (
	"errors"
	"fmt"
)

// What is wrong with an answer. Each may come wrapped; none carries anything
// of the body, which may hold secrets.
var (
	// ErrSyntax: not sound JSON, cut off, followed by more, or with a member
	// named twice. The error is a *SyntaxError.
	ErrSyntax = errors.New("unsound JSON")
	// ErrNoArray: the place of the records is not there.
	ErrNoArray = errors.New("no records")
	// ErrNotArray: something else than an array is there, null included.
	ErrNotArray = errors.New("no array of records")
	// ErrNotObject: a record is something else than an object.
	ErrNotObject = errors.New("not an object")
	// ErrTooLarge: more bytes than Layout.MaxBytes, or so many records that
	// their slots would take far more memory than that.
	ErrTooLarge = errors.New("too large")
	// ErrTooDeep: more nesting than Layout.MaxDepth.
	ErrTooDeep = errors.New("nested too deep")
	// ErrBrokenText: a string with a lone surrogate or with bytes that are not
	// UTF-8, where its text is needed.
	ErrBrokenText = errors.New("broken text")
	// ErrNotScalar: an object or an array where one text is needed.
	ErrNotScalar = errors.New("neither text, number nor boolean")
)

// SyntaxError says where a body stopped being sound JSON. It is an ErrSyntax.
type SyntaxError struct {
	// Offset is how many bytes of the body were sound, about.
	Offset int64
	// Why is one of a few fixed phrases, never a part of the body.
	Why string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%v after byte %d: %s", ErrSyntax, e.Offset, e.Why)
}

// Is makes a SyntaxError an ErrSyntax.
func (e *SyntaxError) Is(target error) bool { return target == ErrSyntax }
