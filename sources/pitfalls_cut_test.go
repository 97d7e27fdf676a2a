package sources_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// framings are the ways in which a server tells where a body ends, each of a
// body as it is, or packed.
var framings = map[string]func(head, body string) string{
	"length": func(head, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	},
	"chunked": func(head, body string) string {
		half := len(body) / 2
		return fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", head, half, body[:half], len(body)-half, body[half:])
	},
	"close": func(head, body string) string { return head + "Connection: close\r\n\r\n" + body },
}

// wired is an owner at the other end of a wire, which breaks after some bytes.
func wired(answer *string) sources.Owner {
	dial := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		text := *answer
		go func() {
			defer far.Close()
			_, _ = far.Read(make([]byte, 4<<10)) // a request is less
			_, _ = io.WriteString(far, text)     // who has given up reads no more
		}()
		return near, nil
	}
	return sources.Owner{Name: "shop", URL: "http://owner.example", Log: zerolog.Nop(), Retry: sources.Retry{Attempts: 1},
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// An answer that breaks off after any of its bytes, those of its head, too, in
// every format and framing, packed or not: no row comes of it, none goes, and
// nothing moves. One whose end nobody tells is taken where it says so itself.
func TestCutAtEveryByteMovesNothing(t *testing.T) {
	const stamp = `"updated_at":"2026-01-01T00:00:00Z"`
	list := func(name string, around ...string) string {
		return fmt.Sprintf(`%s{"id":1,"name":%q,%s},{"id":2,"name":%q,%s}%s`, around[0], name, stamp, name, stamp, around[1])
	}
	formats := map[string]struct {
		records sources.Records
		media   string
		body    func(name string) string
	}{
		"object": {sources.Records{At: "data"}, "application/json", func(name string) string { return list(name, `{"data":[`, `],"more":0}`) }},
		"array":  {sources.Records{}, "application/json", func(name string) string { return list(name, `[`, `]`) }},
		"lines": {sources.Records{Format: sources.NDJSON}, "application/x-ndjson", func(name string) string {
			return strings.ReplaceAll(list(name, ``, ``), "},{", "}\n{") + "\n"
		}},
		"csv": {sources.Records{Format: sources.CSV}, "text/csv", func(name string) string {
			return fmt.Sprintf("id,name,updated_at\n1,%s,2026-01-01T00:00:00Z\n2,%s,2026-01-01T00:00:00Z\n", name, name)
		}},
	}
	for format, f := range formats {
		for framing, frame := range framings {
			for _, packing := range []string{"", "gzip"} {
				for _, mode := range []sources.Mode{sources.SnapshotAll, sources.Incremental} {
					if mode == sources.Incremental && framing != "chunked" {
						continue // what is told of the end does not depend on it
					}
					t.Run(fmt.Sprint(format, " ", framing, " ", packing, " ", mode), func(t *testing.T) {
						spec := usersBy(t, sources.None, mode)
						spec.Records, spec.Request.Query = f.records, spec.Request.Query[:len(spec.Request.Query)-1]
						spec.Records.Key = []string{"id"}
						write := func(name string, frame func(head, body string) string) string {
							head, body := "HTTP/1.1 200 OK\r\nContent-Type: "+f.media+"\r\n", f.body(name)
							if packing != "" {
								head, body = head+"Content-Encoding: "+packing+"\r\n", string(gzipped(body))
							}
							return frame(head, body)
						}
						cutAtEveryByte(t, spec, write("old", framings["length"]), write("new", frame), framing == "close")
					})
				}
			}
		}
	}
}

// cutAtEveryByte polls a copy, well, and then with each part of another answer
// and the whole of it. Where nothing tells the end, a format whose bodies are sound at any line
// is refused as a whole.
func cutAtEveryByte(t *testing.T, spec sources.Spec, first, whole string, untold bool) {
	t.Helper()
	answer := first
	s := newShelf(t, &sourcetest.Owner{}, spec)
	s.Source = source(t, wired(&answer), spec)
	if r := s.Poll(t.Context(), time.Time{})[0]; !r.OK() {
		t.Fatalf("first poll: %+v", r.Failure)
	}
	held, rows := s.kept(), s.rows()
	if len(rows) != 2 {
		t.Fatalf("holds %v", rows)
	}
	for n := range len(whole) + 1 {
		answer = whole[:n]
		r := s.Poll(t.Context(), time.Time{})[0]
		switch sound := n == len(whole) && !(untold && spec.Records.Format != ""); {
		case r.OK() && !sound && !(untold && endsItself(answer)):
			t.Fatalf("cut after %d of %d bytes: taken for whole: %q", n, len(whole), answer)
		case !r.OK() && sound:
			t.Fatalf("the whole of it: %+v", r.Failure)
		case r.OK():
			if diff := cmp.Diff(map[string]string{"1": "new", "2": "new"}, s.rows()); diff != "" {
				t.Error(diff)
			}
			return
		case r.Failure.Class == syncer.ClassInternal:
			t.Errorf("cut after %d of %d bytes: %+v", n, len(whole), r.Failure)
		}
		if diff := cmp.Diff(held, s.kept()) + cmp.Diff(rows, s.rows()); diff != "" {
			t.Fatalf("cut after %d of %d bytes (-before +after):\n%s", n, len(whole), diff)
		}
	}
}

// endsItself reports whether the body of an answer ends as an object or a list
// does.
func endsItself(answer string) bool {
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	return strings.HasSuffix(body, "]") || strings.HasSuffix(body, "0}")
}
