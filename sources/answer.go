package sources

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
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
	if s.expired.inAnswer(r.status, r.header, decoded.Body) {
		return nil, refusal{errSaysExpired}
	}
	// What the owner says went wrong explains why the array is not there.
	if wrong := s.judge(r.header, decoded.Body); wrong != nil {
		return nil, refusal{wrong}
	}
	if err != nil {
		return nil, refusal{unreadable(err)}
	}
	if err := s.open(decoded.Records); err != nil {
		return nil, err
	}
	p := &page{size: decoded.Held}
	p.header, p.url, p.records, p.body = r.header, r.url, decoded.Records, decoded.Body
	p.gone, err = s.removals.read(r.body)
	return p, err
}

// judge looks at the places that make a 200 a failure.
func (s *Source) judge(header http.Header, body [][]byte) error {
	if err := s.client.redact.wrong(s.errorAt, header, body); err != nil {
		return err
	}
	if s.require.at.set() && !holds(s.require.at.in(header, body), s.require.equals) {
		return answerError("answer does not hold what is required at %q", s.require.at)
	}
	return nil
}

// isHTML reports whether an answer is a page for humans: a login form, or what
// a proxy says.
func isHTML(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// refuseHTML refuses HTML, also where its media type says JSON. body may be
// only the answer's beginning.
func refuseHTML(h http.Header, body []byte) error {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	if isHTML(h) || bytes.HasPrefix(body, []byte("<")) {
		return answerError("answer is an HTML page, perhaps of a login or a proxy")
	}
	return nil
}

// refuse refuses HTML, what says that it is another format, and of a format
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
	return refuseHTML(r.header, body)
}

// sniff refuses HTML in a body that is read as it comes.
func sniff(h http.Header, body io.Reader) (io.Reader, error) {
	r := bufio.NewReader(body)
	start, err := r.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreachable(err)
	}
	return r, refuseHTML(h, start)
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
