package decode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// rows reads a body that is one record behind the other, each in lines of its
// own. Its reading is not given back: it ends with buffers as large as the
// largest record.
type rows struct {
	*reading
	window Window
	in     *bufio.Reader
	long   []byte // a line that in could not hold
	number int    // of the line, from 1
	size   int64  // bytes of the window
}

func (d *Decoder) rows(r io.Reader, w Window) rows {
	return rows{reading: d.open(), window: w, in: bufio.NewReaderSize(r, 64<<10)}
}

// unmark leaves a mark of UTF-8 out, and returns what the body begins with.
func (s *rows) unmark() (start string, err error) {
	peeked, err := s.in.Peek(len(mark))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read line 1: %w", err)
	}
	start = string(peeked)
	if start == mark {
		_, _ = s.in.Discard(len(mark))
		s.base, s.size = int64(len(mark)), int64(len(mark))
	}
	return start, nil
}

// run reads records to the body's end: next gives the text of one, with io.EOF
// for the last, which may be empty, and take reads it.
func (s *rows) run(next func() ([]byte, error), take func([]byte) error, yield func(Page) bool) error {
	for ended := false; !ended; {
		first := s.number + 1
		text, err := next()
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return fmt.Errorf("read line %d: %w", s.number, err)
		}
		if s.count > 0 && s.full(len(text)) && !yield(s.hand()) {
			return errEnough
		}
		if s.size += int64(len(text)); s.size > s.maxBytes {
			return fmt.Errorf("read line %d: %w", first, s.excess())
		}
		if err := take(text); err != nil {
			return fmt.Errorf("read line %d: %w", first, err)
		}
		s.base += int64(len(text))
	}
	if s.count > 0 && !yield(s.hand()) {
		return errEnough
	}
	return nil
}

// line returns the next line with its end, good until the next one is read. The
// error is io.EOF with the last one, which may be empty.
func (s *rows) line() ([]byte, error) {
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

func (s *rows) excess() error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.maxBytes)
}

// full reports whether n more bytes belong to the next window.
func (s *rows) full(n int) bool {
	limit := s.maxBytes
	if s.window.Bytes > 0 {
		limit = min(limit, s.window.Bytes)
	}
	return s.size+int64(n) > limit || s.crowded() || s.window.Records > 0 && s.count >= s.window.Records
}

// hand cuts the window off and begins the next.
func (s *rows) hand() Page {
	page := s.cut(s.size)
	s.clear()
	s.size = 0
	return page
}
