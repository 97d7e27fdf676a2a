package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// mostColumns bounds a header: no table holds as many.
const mostColumns = 10_000

// CSV is a header, which names the fields, and one record a line, as RFC 4180
// writes them: fields between separators, in quotes where they hold a
// separator, a quote, which is written twice, or a line break, which is kept as
// it is. Lines end with LF or CRLF; blank ones are skipped, and so is a mark of
// UTF-8 at the beginning. The encoding is UTF-8: what is broken in a field is
// that record's trouble, in the header the body's.
//
// A field is a JSON string of its text. An empty one is null, and one of quotes
// with nothing between the empty text: databases that export nulls write them
// so. Whoever knows that a field is no text takes both for null. Fields that the
// header does not have are absent.
//
// Everything else fails: a quote inside a field without quotes or text behind a
// closing one, a carriage return alone, a record of more or fewer fields than
// the header has, two fields of one name. Nobody can ask for one without a name.
func CSV() Format {
	return Format{Name: "csv", Accept: "text/csv, text/plain;q=0.5", Bare: true, Texts: true, page: gather, windows: csv,
		never: []string{"json", "ndjson", "x-ndjson", "xml"}}
}

// table reads CSV.
type table struct {
	rows
	record  []byte   // one that takes more than a line
	columns []column // nil before the header
	more    bool     // some that nobody named are not told
	text    []byte   // a field without its quotes
}

// column is what becomes of a field.
type column struct {
	slots   []int  // that it fills
	unnamed string // its name, where it is told because nobody named it
}

func csv(d *Decoder, r io.Reader, w Window, yield func(Page) bool) (Page, error) {
	t := &table{rows: d.rows(r, w)}
	if _, err := t.unmark(); err != nil {
		return Page{}, err
	}
	err := t.run(t.next, t.take, yield)
	if err == nil && t.columns == nil {
		err = fmt.Errorf("%w: the body is empty", ErrNoHeader)
	}
	return Page{}, err
}

// next returns the text of the next record with its end: the lines up to one
// behind which no quote is open, which is one if there is no line break in
// quotes.
func (t *table) next() ([]byte, error) {
	text, err := t.line()
	open := bytes.Count(text, []byte{'"'})%2 == 1
	if !open || err != nil {
		return text, err
	}
	t.record = append(t.record[:0], text...)
	for open && err == nil {
		text, err = t.line()
		if int64(len(t.record)+len(text)) > t.maxBytes {
			return nil, t.excess()
		}
		t.record = append(t.record, text...)
		open = open != (bytes.Count(text, []byte{'"'})%2 == 1)
	}
	return t.record, err
}

func (t *table) take(text []byte) error {
	body := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\r'})
	if len(body) == 0 {
		return nil
	}
	if t.columns == nil {
		return t.header(body)
	}
	t.into = t.grow()
	defer func() { t.into = t.places }()
	n := 0
	err := t.fields(body, func(field []byte, quoted bool) error {
		if n++; n <= len(t.columns) {
			t.put(&t.columns[n-1], field, quoted)
		}
		return nil
	})
	if err == nil && n != len(t.columns) {
		err = t.wrong(0, fmt.Sprintf("a record of %d fields under a header of %d", n, len(t.columns)))
	}
	if err == nil && t.more {
		t.loose = append(t.loose, loose{record: t.count - 1})
	}
	return err
}

// header reads which column is which field.
func (t *table) header(text []byte) error {
	seen := map[string]bool{"": true}
	columns, unnamed := []column{}, 0
	err := t.fields(text, func(field []byte, _ bool) error {
		name := string(field)
		if name != "" && seen[name] {
			return fmt.Errorf("%w: column %d has the name of one before it", ErrNoHeader, len(columns)+1)
		}
		if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return fmt.Errorf("%w: the name of column %d is no text in UTF-8", ErrNoHeader, len(columns)+1)
		}
		if len(columns) == mostColumns {
			return fmt.Errorf("%w: more than %d columns", ErrTooLarge, mostColumns)
		}
		seen[name] = true
		c := column{}
		if name != "" {
			c.slots = t.Decoder.fields[name]
		}
		if name != "" && t.untold(field) {
			if unnamed++; unnamed <= mostUnnamed {
				c.unnamed = name
			}
		}
		columns = append(columns, c)
		return nil
	})
	if err != nil {
		return err
	}
	t.columns, t.more = columns, unnamed > mostUnnamed
	for _, name := range slices.Sorted(maps.Keys(t.Decoder.fields)) {
		if !seen[name] && t.needs(t.Decoder.fields[name]) {
			return fmt.Errorf("%w: none of its %d columns is called %q", ErrNoHeader, len(columns), name)
		}
	}
	return nil
}

func (t *table) needs(slots []int) bool {
	return slices.ContainsFunc(slots, func(slot int) bool { return slices.Contains(t.must, slot) })
}

// fields reads a record, without its end, and calls f with the text of each
// field, which is good until f returns.
func (t *table) fields(text []byte, f func(field []byte, quoted bool) error) error {
	for at, more := 0, true; more; {
		field, end, quoted := text[at:], 0, at < len(text) && text[at] == '"'
		if quoted {
			var why string
			if field, end, why = t.unwrap(field); why != "" {
				return t.wrong(at, why)
			}
		} else {
			if end = bytes.IndexByte(field, t.separator); end < 0 {
				end = len(field)
			}
			field = field[:end]
			if bytes.IndexByte(field, '"') >= 0 {
				return t.wrong(at, "a quote in a field without quotes")
			}
			if bytes.IndexByte(field, '\r') >= 0 {
				return t.wrong(at, "a carriage return that ends no line")
			}
		}
		at += end
		if more = at < len(text); more && text[at] != t.separator {
			return t.wrong(at, "text behind a closing quote")
		}
		at++
		if err := f(field, quoted); err != nil {
			return err
		}
	}
	return nil
}

// unwrap reads a field in quotes: its text, and its length with them; or why it
// is none.
func (t *table) unwrap(text []byte) (field []byte, end int, why string) {
	t.text = t.text[:0]
	for at := 1; ; {
		n := bytes.IndexByte(text[at:], '"')
		if n < 0 {
			return nil, 0, "a quote is not closed"
		}
		inner := text[at : at+n]
		if at += n + 1; at == len(text) || text[at] != '"' {
			if len(t.text) == 0 {
				return inner, at, ""
			}
			t.text = append(t.text, inner...)
			return t.text, at, ""
		}
		t.text = append(append(t.text, inner...), '"')
		at++
	}
}

func (t *table) wrong(at int, why string) error {
	return &SyntaxError{Format: "CSV", Offset: t.base + int64(at), Why: why}
}

// put keeps a field where somebody wants it.
func (t *table) put(c *column, field []byte, quoted bool) {
	if len(c.slots) == 0 && c.unnamed == "" {
		return
	}
	start := len(t.arena)
	if len(field) == 0 && !quoted {
		t.arena = append(t.arena, "null"...)
	} else {
		t.arena = appendString(t.arena, field)
	}
	value := span{start, len(t.arena)}
	for _, slot := range c.slots {
		t.into[slot] = value
	}
	if c.unnamed != "" {
		t.loose = append(t.loose, loose{t.count - 1, t.copied([]byte(c.unnamed)), value})
	}
}

// appendString writes bytes as a JSON string. Those that are no UTF-8 stay what
// they are.
func appendString(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Separator reads what stands between the fields of CSV, as a configuration
// writes it; "" is the comma.
func Separator(text string) (byte, error) {
	if text == "" {
		return ',', nil
	}
	c := text[0]
	letter := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	if len(text) > 1 || c >= utf8.RuneSelf || letter || strings.IndexByte("\"\r\n\x00 .-+_", c) >= 0 {
		return 0, errors.New("is not one character of ASCII that can stand between fields, as ; or a tab")
	}
	return c, nil
}
