package sources_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// TestWhatIsNoAnswer: a 200 that must not count as one.
func TestWhatIsNoAnswer(t *testing.T) {
	typed := func(mediaType, body string) sources.Owner {
		return scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			fmt.Fprint(w, body)
		})
	}
	spec := list(sources.Paging{})
	spec.Records.Error = "error"
	strict := spec
	strict.Records.Require = sources.Test{At: "ok", Equals: []string{"true"}}
	for name, c := range map[string]struct {
		owner sources.Owner
		spec  sources.Spec
		class syncer.Class
	}{
		"HTML":                        {typed("text/html; charset=utf-8", `<html>`), spec, syncer.ClassAnswer},
		"JSON that is called HTML":    {typed("text/html", `{"data":[]}`), spec, syncer.ClassAnswer},
		"HTML that is called JSON":    {typed("application/json", "\ufeff \n<!DOCTYPE html>"), spec, syncer.ClassAnswer},
		"an error body":               {pages(`{"error":{"code":1}}`), spec, syncer.ClassAnswer},
		"an error beside the records": {pages(`{"data":[{"id":1}],"error":"half of it"}`), spec, syncer.ClassAnswer},
		"no array":                    {pages(`{"items":[]}`), spec, syncer.ClassAnswer},
		"null for the array":          {pages(`{"data":null}`), spec, syncer.ClassAnswer},
		"an object for the array":     {pages(`{"data":{}}`), spec, syncer.ClassAnswer},
		"a record that is none":       {pages(`{"data":[1]}`), spec, syncer.ClassDecode},
		"ok false":                    {pages(`{"data":[],"ok":false}`), strict, syncer.ClassAnswer},
		"ok missing":                  {pages(`{"data":[]}`), strict, syncer.ClassAnswer},
		"an empty body":               {pages(``), spec, syncer.ClassDecode},
		"two values":                  {pages(`{"data":[]}{"data":[]}`), spec, syncer.ClassDecode},
		"a 304 nobody asked for":      {scripted(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }), spec, syncer.ClassAnswer},
		"204":                         {scripted(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), spec, syncer.ClassDecode},
		"401":                         {scripted(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }), spec, syncer.ClassAuth},
		"404":                         {scripted(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }), spec, syncer.ClassHTTP4xx},
	} {
		t.Run(name, func(t *testing.T) {
			batches, err := walk(t, source(t, c.owner, c.spec), snapshot())
			if len(batches) > 0 || syncer.Classify(err) != c.class {
				t.Errorf("%d batches, class %q, want %q: %v", len(batches), syncer.Classify(err), c.class, err)
			}
		})
	}
}

// TestWhatIsAnAnswer: nothing of this makes a 200 a failure.
func TestWhatIsAnAnswer(t *testing.T) {
	spec := list(sources.Paging{})
	spec.Records.Error = "error"
	spec.Records.Require = sources.Test{At: "ok", Equals: []string{`"yes"`, "true"}}
	for _, body := range []string{
		`{"data":[],"ok":true}`,
		`{"ok":"y\u0065s","data":[]}`,
		`{"data":[],"ok":true,"error":null}`,
		`{"data":[],"ok":true,"error":false}`,
		`{"data":[],"ok":true,"error":""}`,
		`{"data":[],"ok":true,"error":[ ]}`,
		`{"data":[],"ok":true,"error":{}}`,
	} {
		if _, end := complete(t, source(t, pages(body), spec), snapshot()); !end.Listed {
			t.Error(body)
		}
	}
}

// TestBodyCutAtEveryByte: no part of a body counts as an answer, and the cut is
// tried again within the poll.
func TestBodyCutAtEveryByte(t *testing.T) {
	for _, style := range []sourcetest.Style{sourcetest.Whole, sourcetest.Lines} {
		t.Run(string(style), func(t *testing.T) {
			o := &sourcetest.Owner{Style: style}
			o.Put("row", 1, 2)
			spec := users(t, sources.None)
			if style == sourcetest.Lines {
				spec = lines(t)
			}
			server := httptest.NewServer(o)
			defer server.Close()
			size := int(length(t, server.URL))
			for cut := range size {
				o.Fault = func(int, *http.Request) *sourcetest.Fault { return sourcetest.CutAt(cut) }
				before := len(o.Requests())
				_, err := walk(t, source(t, at(server.URL), spec), resync())
				if got := syncer.Classify(err); got != syncer.ClassConnect {
					t.Fatalf("cut after %d of %d bytes: class %q: %v", cut, size, got, err)
				}
				if asked := len(o.Requests()) - before; style == sourcetest.Whole && asked != 2 {
					t.Fatalf("cut after %d bytes: %d attempts", cut, asked)
				}
			}
			o.Fault = nil
			complete(t, source(t, at(server.URL), spec), resync())
		})
	}
}

func length(t *testing.T, url string) int64 {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.ContentLength
}

// TestCutOnceIsMended by the next attempt, and no record comes twice.
func TestCutOnceIsMended(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Fault: func(n int, _ *http.Request) *sourcetest.Fault {
		if n == 2 {
			return sourcetest.CutAt(40)
		}
		return nil
	}}
	o.Put("row", sequence(1, 7)...)
	batches, _ := complete(t, source(t, quick(o), users(t, sources.Cursor)), resync())
	if got := len(ids(batches)); got != 7 {
		t.Errorf("%d records", got)
	}
}

// TestLinesWithoutAList: an empty body is a sound list of lines, but for those
// who say that they have none.
func TestLinesWithoutAList(t *testing.T) {
	for status, class := range map[int]syncer.Class{200: "", 202: syncer.ClassAnswer, 204: syncer.ClassAnswer} {
		owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(status)
		})
		paged := lines(t)
		paged.Paging = sources.Paging{By: sources.Link}
		for _, spec := range []sources.Spec{lines(t), paged} {
			_, err := walk(t, source(t, owner, spec), resync())
			if (err != nil || class != "") && syncer.Classify(err) != class {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}

// TestStreamWithoutALength: a body that ends with its connection shows no cut.
func TestStreamWithoutALength(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n{\"id\":1}\n")
		_ = conn.Close()
	}))
	defer server.Close()
	fails(t, source(t, at(server.URL), lines(t)), resync(), syncer.ClassAnswer)
}

// TestBounds: bodies that inflate, nest or stream beyond them fail by name.
func TestBounds(t *testing.T) {
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 10<<20))
	_ = z.Close()
	for name, body := range map[string][]byte{
		"large":      []byte(`{"data":["` + strings.Repeat("x", 2<<20) + `"]}`),
		"deep":       []byte(`{"data":[` + strings.Repeat("[", 100)),
		"compressed": bomb.Bytes(),
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if name == "compressed" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			_, _ = w.Write(body)
		}))
		owner := at(server.URL)
		owner.MaxBody, owner.MaxDepth = 1<<20, 50
		for _, spec := range []sources.Spec{list(sources.Paging{}), lines(t)} {
			t.Run(fmt.Sprintf("%s %s", name, spec.Records.Format), func(t *testing.T) {
				err := fails(t, source(t, owner, spec), snapshot(), syncer.ClassTooLarge)
				if len(err.Error()) > 300 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			})
		}
		server.Close()
	}
}

// TestGzipIsUnpacked, whatever the configuration asks for.
func TestGzipIsUnpacked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip, zstd" {
			t.Errorf("accepts %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"data":[{"id":1}]}`)
		_ = z.Close()
	}))
	defer server.Close()
	owner := at(server.URL)
	owner.Headers = map[string]string{"Accept-Encoding": "br"}
	batches, _ := complete(t, source(t, owner, list(sources.Paging{})), snapshot())
	if len(ids(batches)) != 1 {
		t.Error(batches)
	}
}
