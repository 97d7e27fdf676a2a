package sources

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/larder-sync/larder/syncer"
)

const (
	// acceptEncoding names the codings that larder unpacks.
	acceptEncoding = "gzip, zstd"
	// widestWindow is what a zstd body may make its reader hold: no more goes
	// over HTTP (RFC 9659).
	widestWindow = 8 << 20
)

// unpackers lends the readers that unpack bodies. They are reused, because each
// of them holds a window. It is safe for concurrent use.
type unpackers struct{ gzip, zstd sync.Pool }

// reader is what unpacks a body of the given Content-Encoding; nil where it is
// not packed. What it cannot unpack fails when it is read, not before: where the
// status alone counts, nobody has to know.
func (u *unpackers) reader(coding string, body io.Reader) io.Reader {
	switch coding = strings.ToLower(strings.TrimSpace(coding)); coding {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		return &unpacked{pool: &u.gzip, coding: "gzip", body: watched{r: body}, open: openGzip}
	case "zstd":
		return &unpacked{pool: &u.zstd, coding: "zstd", body: watched{r: body}, open: openZstd}
	}
	const limit = 40
	if len(coding) > limit {
		coding = coding[:limit]
	}
	return unknownCoding(coding)
}

// unknownCoding is a body that nobody asked for in this form.
type unknownCoding string

func (c unknownCoding) Read([]byte) (int, error) {
	return 0, answerError("answer is encoded as %q; only %s was asked for", string(c), acceptEncoding)
}

// resettable is a reader of one of the formats.
type resettable interface {
	io.Reader
	reset(io.Reader) error
}

type gzipReader struct{ *gzip.Reader }

func (g gzipReader) reset(r io.Reader) error { return g.Reset(r) }

func openGzip(r io.Reader) (resettable, error) {
	z, err := gzip.NewReader(r)
	return gzipReader{z}, err
}

type zstdReader struct{ *zstd.Decoder }

func (z zstdReader) reset(r io.Reader) error { return z.Reset(r) }

// openZstd decodes in the caller's goroutine, so that a reader needs no end.
func openZstd(r io.Reader) (resettable, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(widestWindow))
	return zstdReader{z}, err
}

// unpacked reads a packed body as it comes. Several members or frames are one
// body; what follows them and is none is an error, and so is an end before
// theirs. A body of no bytes at all is empty.
type unpacked struct {
	pool   *sync.Pool
	coding string
	body   watched
	open   func(io.Reader) (resettable, error)
	from   resettable // nil: nothing was read yet, or all was
	err    error      // sticks
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.err == nil && u.from == nil {
		u.err = u.begin()
	}
	if u.err != nil {
		return 0, u.err
	}
	n, err := u.from.Read(p)
	if err != nil {
		if u.err = u.explain(err); err == io.EOF {
			_ = u.from.reset(strings.NewReader("")) // lets go of the body
			u.pool.Put(u.from)
		}
		u.from = nil
	}
	return n, u.err
}

func (u *unpacked) begin() error {
	r := bufio.NewReader(&u.body)
	if _, err := r.Peek(1); err != nil {
		return err
	}
	if lent, ok := u.pool.Get().(resettable); ok {
		u.from = lent
		if err := lent.reset(r); err != nil {
			u.from = nil
			return u.explain(err)
		}
		return nil
	}
	from, err := u.open(r)
	if err != nil {
		return u.explain(err)
	}
	u.from = from
	return nil
}

// explain tells what went wrong on the way from what is wrong with the body.
func (u *unpacked) explain(err error) error {
	switch {
	case u.body.err != nil:
		return u.body.err
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &failure{class: syncer.ClassTooLarge, text: fmt.Sprintf("body needs more than %d bytes to unpack", widestWindow)}
	}
	return decodeError("body is no sound %s to its end", u.coding)
}

// watched notes what its reader failed with.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// provesItsEnd reports whether a body that is cut off would show: by its
// length, by chunks, or by HTTP/2's frames. That it is packed proves nothing: a
// cut between two members leaves a sound body.
func provesItsEnd(resp *http.Response) bool {
	if resp.ContentLength >= 0 || resp.ProtoMajor > 1 {
		return true
	}
	for _, coding := range resp.TransferEncoding {
		if coding == "chunked" {
			return true
		}
	}
	return false
}
