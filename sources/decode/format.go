package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is a way that bodies hold records: one value, which one file makes.
type Format struct {
	// Name is what the format is called.
	Name string
	// Accept is what a request for it says that it takes.
	Accept string
	// Bare bodies hold records and nothing around them: the layout must have
	// neither At, As nor Body. An empty one may be a sound list, and one that is
	// cut between two records shows only as the reader's error, so a reader must
	// fail where the body did not end as announced.
	Bare bool
	// Texts says that each value is a text, whatever it says, and an absent one
	// perhaps the empty text.
	Texts bool
	// page reads a whole body.
	page func(*Decoder, io.Reader) (Page, error)
	// windows reads a body in windows. With an error that is Sound comes a page
	// without records; errEnough says that yield did.
	windows func(d *Decoder, r io.Reader, w Window, yield func(Page) bool) (Page, error)
	// never lists media types that cannot be the format, as "json" for all that
	// end so.
	never []string
}

// Formats are all that there are.
func Formats() []Format { return []Format{JSON(), NDJSON(), CSV()} }

// FormatNamed finds a format; "" is JSON.
func FormatNamed(name string) (Format, error) {
	if name == "" {
		return JSON(), nil
	}
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("unknown format %q", name)
}

// Denies reports whether a media type, without its parameters, says that a body
// is something else. Most say little: owners send everything as text/plain.
func (f Format) Denies(media string) bool {
	_, kind, _ := strings.Cut(strings.ToLower(media), "/")
	_, suffix, _ := strings.Cut(kind, "+")
	for _, never := range f.never {
		if kind == never || suffix == never {
			return true
		}
	}
	return false
}

// gather reads a whole body of a format that only has windows: one window, whose
// bounds are those of a page. What does not fit into it is too large.
func gather(d *Decoder, r io.Reader) (Page, error) {
	var all *Page
	_, err := d.format.windows(d, r, Window{}, func(p Page) bool {
		if all != nil {
			return false
		}
		all = &p
		return true
	})
	switch {
	case errors.Is(err, errEnough):
		return Page{}, fmt.Errorf("%w: more than %d bytes, or more than %d records of %d slots in one page", ErrTooLarge, d.maxBytes, len(all.Records), d.slots)
	case err != nil:
		return Page{}, err
	case all == nil:
		return Page{}, nil
	}
	return *all, nil
}

// blank reports whether a line holds nothing.
func blank(line []byte) bool { return len(bytes.Trim(line, " \t\r\n")) == 0 }
