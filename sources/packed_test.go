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
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// gzipped packs each part as a member of its own.
func gzipped(parts ...string) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, part)
		_ = z.Close()
	}
	return b.Bytes()
}

// zstandard packs each part as a frame of its own.
func zstandard(t testing.TB, parts ...string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, part := range parts {
		b = z.EncodeAll([]byte(part), b)
	}
	return b
}

// packed is an owner that answers with a body of the given coding.
func packed(coding string, body []byte) sources.Owner {
	owner := scripted(nil)
	owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("Accept-Encoding"); got != "gzip, zstd" {
			return nil, fmt.Errorf("accepts %q", got)
		}
		return answer(string(body), "Content-Encoding", coding), nil
	})
	return owner
}

const packedBody = `{"data":[{"id":1},{"id":2}]}`

// TestPackedBodies are read whole, in any number of members or frames.
func TestPackedBodies(t *testing.T) {
	halves := []string{packedBody[:9], packedBody[9:]}
	skippable := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	for name, c := range map[string]struct {
		coding string
		body   []byte
	}{
		"gzip":              {"gzip", gzipped(packedBody)},
		"x-gzip":            {"X-GZIP", gzipped(packedBody)},
		"members":           {"gzip", gzipped(halves...)},
		"an empty member":   {"gzip", gzipped("", packedBody, "")},
		"zstd":              {"zstd", zstandard(t, packedBody)},
		"frames":            {"ZStd", zstandard(t, halves...)},
		"a skippable frame": {"zstd", append(skippable, zstandard(t, packedBody)...)},
		"not packed":        {"identity", []byte(packedBody)},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, packed(c.coding, c.body), list(sources.Paging{}))
			for range 3 { // readers are used again
				if batches, _ := complete(t, s, snapshot()); len(ids(batches)) != 2 {
					t.Errorf("reads %q", ids(batches))
				}
			}
		})
	}
}

// TestBrokenPackedBodies: one that ends too early is tried again like any cut
// connection; one that is broken or followed by something is no answer; and what
// nobody asked for is refused by its name.
func TestBrokenPackedBodies(t *testing.T) {
	flipped := gzipped(packedBody)
	flipped[len(flipped)-6] ^= 1                                               // the checksum
	window := append([]byte("\x28\xb5\x2f\xfd"), 0x00, 0xa8, 0x01, 0x00, 0x00) // 2 GiB
	for name, c := range map[string]struct {
		coding string
		body   []byte
		class  syncer.Class
		asked  int
		says   string
	}{
		"gzip and garbage": {"gzip", append(gzipped(packedBody), "canary-body"...), syncer.ClassDecode, 1, "gzip"},
		"gzip and zeros":   {"gzip", append(gzipped(packedBody), make([]byte, 12)...), syncer.ClassDecode, 1, "gzip"},
		"a wrong checksum": {"gzip", flipped, syncer.ClassDecode, 1, "gzip"},
		"no gzip":          {"gzip", []byte(packedBody), syncer.ClassDecode, 1, "gzip"},
		"zstd and garbage": {"zstd", append(zstandard(t, packedBody), "canary-body"...), syncer.ClassDecode, 1, "zstd"},
		"no zstd":          {"zstd", []byte(packedBody), syncer.ClassDecode, 1, "zstd"},
		"a huge window":    {"zstd", window, syncer.ClassTooLarge, 1, "8388608"},
		"br":               {"br", []byte("x"), syncer.ClassAnswer, 1, `"br"`},
		"deflate":          {"deflate", []byte("x"), syncer.ClassAnswer, 1, `"deflate"`},
		"twice":            {"gzip, gzip", gzipped(string(gzipped(packedBody))), syncer.ClassAnswer, 1, `"gzip, gzip"`},
		"an odd name":      {strings.Repeat("\x01x", 400), nil, syncer.ClassAnswer, 1, `\x01`},
	} {
		for _, spec := range []sources.Spec{list(sources.Paging{}), lines(t)} {
			t.Run(name+" "+string(spec.Records.Format), func(t *testing.T) {
				owner, asked := packed(c.coding, c.body), 0
				inner := owner.Transport
				owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) { asked++; return inner.RoundTrip(r) })
				owner.Retry = sources.Retry{Attempts: 2, Min: time.Microsecond, Max: time.Microsecond}
				err := fails(t, source(t, owner, spec), resync(), c.class)
				if asked != c.asked || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 300 {
					t.Errorf("%d requests: %v", asked, err)
				}
			})
		}
	}
}

// TestCutsOfPackedBodies: a body that is cut at any byte fails, and is asked for
// again. No page is made of what came.
func TestCutsOfPackedBodies(t *testing.T) {
	for coding, whole := range map[string][]byte{"gzip": gzipped(packedBody), "zstd": zstandard(t, packedBody)} {
		for n := range len(whole) {
			asked := 0
			owner := scripted(nil)
			owner.Retry = sources.Retry{Attempts: 2, Min: time.Microsecond, Max: time.Microsecond}
			owner.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				if asked++; asked > 1 {
					return answer(string(whole), "Content-Encoding", coding), nil
				}
				// The length that was told is that of the cut: only the coding shows it.
				return answer(string(whole[:n]), "Content-Encoding", coding), nil
			})
			batches, err := walk(t, source(t, owner, list(sources.Paging{})), snapshot())
			switch {
			case n == 0 && syncer.Classify(err) == syncer.ClassDecode: // an empty body is no JSON
			case err != nil || asked != 2 || len(ids(batches)) != 2:
				t.Errorf("%s cut at %d: %d requests, %q, %v", coding, n, asked, ids(batches), err)
			}
		}
	}
}

// TestPackedBodyWithoutALength: a cut between two members leaves a sound body,
// so a list of lines that ends with its connection proves no end, packed or not.
func TestPackedBodyWithoutALength(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"+string(gzipped("{\"id\":1}\n")))
		_ = conn.Close()
	}))
	defer server.Close()
	err := fails(t, source(t, at(server.URL), lines(t)), resync(), syncer.ClassAnswer)
	if !strings.Contains(err.Error(), "no length") {
		t.Error(err)
	}
}

// TestPackedBombs: what is packed counts as it is unpacked.
func TestPackedBombs(t *testing.T) {
	bomb := strings.Repeat(" ", 32<<20)
	for coding, body := range map[string][]byte{"gzip": gzipped(bomb), "zstd": zstandard(t, bomb)} {
		for _, spec := range []sources.Spec{list(sources.Paging{}), lines(t)} {
			owner := packed(coding, body)
			owner.MaxBody = 1 << 20
			fails(t, source(t, owner, spec), resync(), syncer.ClassTooLarge)
		}
	}
}

// TestPackedStreams: a packed body is read as it comes, in windows; all of it is
// much more than one body may be.
func TestPackedStreams(t *testing.T) {
	var text strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&text, `{"id":%d,"name":"row","updated_at":"2026-01-01T00:00:00Z"}`+"\n", i)
	}
	for coding, body := range map[string][]byte{"gzip": gzipped(text.String()), "zstd": zstandard(t, text.String())} {
		t.Run(coding, func(t *testing.T) {
			owner := packed(coding, body)
			owner.MaxBody = 2 << 20
			batches, _ := complete(t, source(t, owner, lines(t)), resync())
			if len(ids(batches)) != 60_000 || len(batches) < 4 {
				t.Errorf("%d records in %d batches", len(ids(batches)), len(batches))
			}
		})
	}
}

// TestPackedStreamComesInParts: the first window of a packed stream is handed
// out while the owner still has the rest.
func TestPackedStreamComesInParts(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader, writer := io.Pipe()
				owner := scripted(nil)
				owner.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
					resp := answer("", "Content-Encoding", coding, "Content-Type", "application/x-ndjson")
					resp.ContentLength, resp.TransferEncoding, resp.Body = -1, []string{"chunked"}, reader
					return resp, nil
				})
				taken := make(chan struct{})
				go sendParts(writer, coding, taken)
				n := 0
				for b, err := range source(t, owner, lines(t)).Walk(t.Context(), resync()) {
					if err != nil {
						t.Fatal(err)
					}
					if n == 0 && len(b.Records) > 0 {
						close(taken)
					}
					n += len(b.Records)
				}
				if n != 80_000 {
					t.Errorf("%d records", n)
				}
			})
		})
	}
}

// sendParts sends half of a list, and the rest when somebody has taken some.
func sendParts(w *io.PipeWriter, coding string, taken <-chan struct{}) {
	var z interface {
		io.WriteCloser
		Flush() error
	} = gzip.NewWriter(w)
	if coding == "zstd" {
		z, _ = zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) // no options that could be refused
	}
	for half := range 2 {
		for i := range 40_000 {
			fmt.Fprintf(z, `{"id":%d,"updated_at":"2026-01-01T00:00:00Z"}`+"\n", half*40_000+i)
		}
		_ = z.Flush()
		if half == 0 {
			<-taken
		}
	}
	_ = z.Close()
	_ = w.Close()
}

// TestWeakValidators: nginx weakens an ETag when it packs a body, and knows it
// by its weak form.
func TestWeakValidators(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("ETag", `W/"5f-1"`)
		if r.Header.Get("If-None-Match") == `W/"5f-1"` {
			w.Header().Set("Content-Encoding", "gzip") // of what was not sent
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped(packedBody))
	}))
	defer server.Close()
	spec := list(sources.Paging{})
	spec.Request.Conditional = true
	s := source(t, at(server.URL), spec)
	_, end := complete(t, s, snapshot())
	w := snapshot()
	w.From.Validator = end.Validator
	if _, end := complete(t, s, w); !end.Unchanged || asked != 2 || !strings.Contains(w.From.Validator, `W/`) {
		t.Errorf("%d requests, %+v, by %q", asked, end, w.From.Validator)
	}
}
