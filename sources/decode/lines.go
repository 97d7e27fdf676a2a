package decode

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Window is how much of a stream of lines is handed out at once. Zero fields
// leave only the layout's MaxBytes.
type Window struct {
	// Records is the most records of a window.
	Records int
	// Bytes is the most bytes of a window, line ends included. A single
	// longer line is a window of its own.
	Bytes int64
}

// errPlaces: a line holds a record and nothing around it.
var errPlaces = errors.New("read lines: the layout has places outside the records, or does not list them")

// Lines reads one record a line (NDJSON) and yields them in windows; Size and
// the slots of a window are its own. Blank lines are skipped. The sequence
// ends with the body, or with one error, which Page describes; ErrNotObject
// and ErrSyntax end it too, and the window that they fall into is not yielded.
// A body without records yields nothing. A line may end with the body instead
// of a line feed, because an object shows by itself that it is whole; a body
// cut between two lines shows only as the reader's error, so r must fail when
// the body did not end as announced.
//
// The layout must have neither At, As nor Body.
func (d *Decoder) Lines(r io.Reader, window Window) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if !d.top || d.places > 0 || d.as != Array {
			yield(Page{}, errPlaces)
			return
		}
		s := stream{
			reading: d.open(),
			window:  window,
			in:      bufio.NewReaderSize(r, 64<<10),
		}
		if err := s.run(func(p Page) bool { return yield(p, nil) }); err != nil {
			yield(Page{}, err)
		}
	}
}

// stream reads lines. Its reading is not given back: it ends with buffers as
// large as the largest line.
type stream struct {
	*reading
	window Window
	in     *bufio.Reader
	long   []byte // a line that in could not hold
	line   bytes.Buffer
	number int   // of the line, from 1
	size   int64 // bytes of the window
}

func (s *stream) run(yield func(Page) bool) error {
	for ended := false; !ended; {
		line, err := s.next()
		if ended = err == io.EOF; err != nil && !ended {
			return fmt.Errorf("read line %d: %w", s.number, err)
		}
		if s.count > 0 && s.full(len(line)) && !yield(s.hand()) {
			return nil
		}
		if s.size += int64(len(line)); s.size > s.maxBytes {
			return fmt.Errorf("read line %d: %w", s.number, s.excess())
		}
		if err := s.take(line); err != nil {
			return fmt.Errorf("read line %d: %w", s.number, err)
		}
		s.base += int64(len(line))
	}
	if s.count > 0 {
		yield(s.hand())
	}
	return nil
}

// next returns the next line with its end. The error is io.EOF with the last
// one, which may be empty.
func (s *stream) next() ([]byte, error) {
	s.number++
	s.long = s.long[:0]
	for {
		part, err := s.in.ReadSlice('\n')
		if int64(len(s.long)+len(part)) > s.maxBytes {
			return nil, s.excess()
		}
		if err != bufio.ErrBufferFull && len(s.long) == 0 {
			return part, err
		}
		s.long = append(s.long, part...)
		if err != bufio.ErrBufferFull {
			return s.long, err
		}
	}
}

func (s *stream) excess() error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.maxBytes)
}

// full reports whether n more bytes belong to the next window.
func (s *stream) full(n int) bool {
	limit := s.maxBytes
	if s.window.Bytes > 0 {
		limit = min(limit, s.window.Bytes)
	}
	return s.size+int64(n) > limit || s.crowded() || s.window.Records > 0 && s.count >= s.window.Records
}

// hand cuts the window off and begins the next.
func (s *stream) hand() Page {
	page := s.cut(s.size)
	s.clear()
	s.size = 0
	return page
}

// take reads one line.
func (s *stream) take(line []byte) error {
	if len(bytes.Trim(line, " \t\r\n")) == 0 {
		return nil
	}
	nesting := nesting{max: s.maxDepth}
	if nesting.scan(line) < len(line) {
		return nesting.exceeded()
	}
	s.line = *bytes.NewBuffer(line)
	s.json.Reset(&s.line, s.options...)
	if err := s.one(); err != nil {
		return s.explain(err)
	}
	if err := s.end(); err != nil {
		return err
	}
	if s.misfit != nil {
		return ErrNotObject
	}
	return nil
}
