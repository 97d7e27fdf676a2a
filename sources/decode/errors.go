package decode

import (
	"cmp"
	"errors"
	"fmt"
)

// What is wrong with an answer. Each may come wrapped; none carries anything
// of the body, which may hold secrets.
var (
	// ErrSyntax: not sound JSON, cut off, followed by more, or with a member
	// named twice; not sound CSV. The error is a *SyntaxError.
	ErrSyntax = errors.New("unsound body")
	// ErrNoHeader: the first line of CSV does not name the fields, names one
	// twice, or lacks one that must be there.
	ErrNoHeader = errors.New("no header")
	// ErrNoArray: the place of the records is not there.
	ErrNoArray = errors.New("no records")
	// ErrNotArray: something else than an array is there, null included.
	ErrNotArray = errors.New("no array of records")
	// ErrNotMap: something else than an object is there, null included, where
	// one holds the records or is the only one.
	ErrNotMap = errors.New("no object of records")
	// ErrUneven: parallel arrays differ in length, or one is no array.
	ErrUneven = errors.New("columns do not make records")
	// ErrNotObject: a record is something else than an object.
	ErrNotObject = errors.New("not an object")
	// ErrNotValue: a record is no text, number or boolean, where one is wanted.
	ErrNotValue = errors.New("not a single value")
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

// SyntaxError says where a body stopped being sound. It is an ErrSyntax.
type SyntaxError struct {
	// Format is what the body is not; "": JSON.
	Format string
	// Offset is how many bytes of the body were sound, about.
	Offset int64
	// Why is one of a few fixed phrases, never a part of the body.
	Why string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("unsound %s after byte %d: %s", cmp.Or(e.Format, "JSON"), e.Offset, e.Why)
}

// Is makes a SyntaxError an ErrSyntax.
func (e *SyntaxError) Is(target error) bool { return target == ErrSyntax }

// Sound reports whether err is told of a body that was read to its end and is
// sound, though it does not hold records as the layout wants them.
func Sound(err error) bool {
	for _, misfit := range []error{ErrNoArray, ErrNotArray, ErrNotMap, ErrUneven, ErrNotObject, ErrNotValue} {
		if errors.Is(err, misfit) {
			return true
		}
	}
	return false
}
