package sources

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/sources/decode"
)

// page is what was read of one response.
type page struct {
	answer
	size int64
	gone [][]byte // keys of a list of its own
	// unchanged pages are "not modified", and hold nothing.
	unchanged bool
	// long is a response that is too long for a page: it is read as it comes.
	long *response
}

// refusal is a sound answer by which the owner says no.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// read turns a response into a page, if it is an answer: of a media type that
// can hold one, sound to its end, with the array in its place, and with nothing
// in it that says otherwise.
func (s *Source) read(r *response) (*page, error) {
	if err := s.refuse(r, r.body); err != nil {
		return nil, err
	}
	decoded, err := s.decoder.Page(bytes.NewReader(r.body))
	if s.lacksList(err) {
		err = nil
	}
	if err != nil && !decode.Sound(err) {
		return nil, unreadable(err)
	}
	if err := s.verdict(r, decoded.Body, err); err != nil {
		return nil, err
	}
	if err := s.open(decoded.Records); err != nil {
		return nil, err
	}
	p := &page{size: decoded.Held}
	p.header, p.url, p.records, p.body = r.header, r.url, decoded.Records, decoded.Body
	p.gone, err = s.removals.read(r.body)
	return p, err
}

// isHTML reports whether an answer is a page for humans: a login form, or what
// a proxy says.
func isHTML(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// refuseText refuses HTML, also where its media type says JSON, and what says
// that it is written in something else than UTF-8, of which ASCII is a part: as
// UTF-8, another's letters would be broken, or others. body may be only the
// answer's beginning.
func refuseText(h http.Header, body []byte) error {
	_, params, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch charset := params["charset"]; strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	default:
		return answerError("answer says that it is written in %q, and only UTF-8 is read", charset[:min(len(charset), 40)])
	}
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	if isHTML(h) || bytes.HasPrefix(body, []byte("<")) {
		return answerError("answer is an HTML page, perhaps of a login or a proxy")
	}
	return nil
}

// refuse refuses what refuseText does, what says that it is another format, and of a format
// whose bodies hold nothing but records those that could have been cut off
// unseen, or have another status than 200: an empty body is a sound list, and
// "accepted" or "no content" would pass for one.
func (s *Source) refuse(r *response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch {
	case s.format.Bare && r.status != http.StatusOK:
		return answerError("owner answers %d %s instead of a list", r.status, http.StatusText(r.status))
	case s.format.Bare && !r.whole:
		return answerError("answer has no length, so that a cut would not show")
	case s.format.Denies(kind):
		return answerError("answer says by its media type that it is no %s", s.format.Name)
	}
	return refuseText(r.header, body)
}

// sniff refuses the same of a body that is read as it comes.
func sniff(h http.Header, body io.Reader) (io.Reader, error) {
	r := bufio.NewReader(body)
	start, err := r.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreachable(err)
	}
	return r, refuseText(h, start)
}

// age is how old an answer was when it was sent, as a shared cache says.
func age(h http.Header) time.Duration {
	const longest = 10 * 365 * 24 * 3600
	seconds, err := strconv.ParseInt(h.Get("Age"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(max(seconds, 0), longest)) * time.Second
}
