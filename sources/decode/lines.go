package decode

import (
	"bytes"
	"io"
)

// NDJSON is one record a line. Blank lines are skipped. A line may end with the
// body instead of a line feed, because an object shows by itself that it is
// whole.
func NDJSON() Format {
	return Format{Name: "ndjson", Accept: "application/x-ndjson, application/json", Bare: true, page: gather, windows: lines}
}

func lines(d *Decoder, r io.Reader, w Window, yield func(Page) bool) (Page, error) {
	s := d.rows(r, w)
	var text bytes.Buffer
	take := func(line []byte) error {
		if blank(line) {
			return nil
		}
		nesting := nesting{max: s.maxDepth}
		if nesting.scan(line) < len(line) {
			return nesting.exceeded()
		}
		text = *bytes.NewBuffer(line)
		s.json.Reset(&text, s.options...)
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
	start, err := s.unmark()
	if err == nil {
		err = refuseUTF16(start)
	}
	if err != nil {
		return Page{}, err
	}
	return Page{}, s.run(s.line, take, yield)
}
