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
	if broken {
		if rec.Code == http.StatusOK && rec.Body.Len() == 0 && resp.Header.Get("Content-Length") == "" {
			return nil, io.EOF // no answer at all
		}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rec.Body.Bytes()), brokenOff{}))
	}
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

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
