package sourcetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
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
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	broken := t.serve(rec, served)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = r
	body := io.Reader(bytes.NewReader(rec.Body.Bytes()))
	if broken {
		if rec.Code == http.StatusOK && rec.Body.Len() == 0 && resp.Header.Get("Content-Length") == "" {
			return nil, io.EOF // no answer at all
		}
		body = io.MultiReader(body, brokenOff{})
	}
	resp.Body = io.NopCloser(&bounded{body, r.Context().Err})
	return resp, nil
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
