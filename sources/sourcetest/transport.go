package sourcetest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Transport carries requests to h in the caller's goroutine and without a
// socket, so that they can be part of a synctest bubble.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

// Transport carries requests to the owner.
func (o *Owner) Transport() http.RoundTripper { return Transport(o) }

type transport struct{ http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	served := *r
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := &recorded{header: http.Header{}}
	broken := t.serve(w, &served)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if broken && w.sent == nil {
		return nil, io.EOF // no answer at all
	}
	w.WriteHeader(http.StatusOK)
	return w.response(r, broken), nil
}

// serve reports whether the handler broke off, as http.Server would see it.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			broken = true
		} else if v != nil {
			panic(v)
		}
	}()
	t.ServeHTTP(w, r)
	return false
}

// recorded is an answer as a handler writes it.
type recorded struct {
	header, sent http.Header // sent is nil until the status is
	status       int
	body         []byte
}

func (w *recorded) Header() http.Header { return w.header }
func (w *recorded) Flush()              { w.WriteHeader(http.StatusOK) }

func (w *recorded) WriteHeader(status int) {
	if w.sent == nil {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorded) Write(p []byte) (int, error) {
	if _, typed := w.header["Content-Type"]; !typed && w.sent == nil {
		w.header.Set("Content-Type", http.DetectContentType(p))
	}
	w.WriteHeader(http.StatusOK)
	if w.status == http.StatusNotModified || w.status == http.StatusNoContent {
		return 0, http.ErrBodyNotAllowed
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *recorded) response(r *http.Request, broken bool) *http.Response {
	for name, values := range w.sent {
		bodiless := w.status == http.StatusNotModified && (name == "Content-Type" || name == "Content-Length")
		if len(values) == 0 || bodiless {
			delete(w.sent, name)
		}
	}
	length, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	body := io.Reader(bytes.NewReader(w.body))
	if broken {
		body = io.MultiReader(body, brokenOff{})
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: length, Request: r,
		Body: io.NopCloser(&bounded{body, r.Context().Err}),
	}
}

// bounded is a body that ends with its request's context, as a socket's does.
type bounded struct {
	io.Reader
	ended func() error
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ended(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
