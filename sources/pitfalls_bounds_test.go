package sources_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// Pages that are packed a thousand to one, of a million records, nested a
// hundred thousand deep, or of one huge text: each fails its poll as too large,
// by the bytes that it unpacks to, and moves nothing.
func TestHugePagesMoveNothing(t *testing.T) {
	const room = 4 << 20
	huge := map[string]*sourcetest.Fault{
		"zeros in gzip":     {Header: http.Header{"Content-Encoding": {"gzip"}}, Body: string(gzipped(string(make([]byte, 3*room))))},
		"a bomb":            sourcetest.Bomb(3 * room),
		"a million records": {Body: `{"data":[` + strings.Repeat(`{"id":1},`, 1_000_000) + `{}]}`},
		"a million nothing": {Body: `{"data":[` + strings.Repeat(`{},`, 1_000_000) + `{}]}`},
		"deep":              {Body: `{"data":[{"id":1,"name":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}]}`},
		"deep and open":     {Body: `{"data":[` + strings.Repeat(`{"a":`, 100_000)},
		"a huge text":       {Body: `{"data":[{"id":1,"name":"` + strings.Repeat("x", 2*room) + `"}]}`},
		"a huge key":        {Body: `{"data":[{"` + strings.Repeat("x", 2*room) + `":1}]}`},
	}
	for name, fault := range huge {
		t.Run(name, func(t *testing.T) {
			o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true}
			b := &bent{owner: o}
			spec := users(t, sources.Cursor)
			s := newShelf(t, b, spec)
			s.Source = source(t, sources.Owner{Name: "fake", URL: "https://owner.example", Transport: sourcetest.Transport(b), Log: zerolog.Nop(),
				Retry: sources.Retry{Attempts: 1}, MaxBody: room}, spec)
			o.Put("old", 1, 2, 3)
			s.heals("first poll", o)
			o.Put("new", 1, 2, 3)
			b.by(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/json")
				for name, values := range fault.Header {
					w.Header()[name] = values
				}
				_, _ = io.WriteString(w, fault.Body)
				return true
			})
			s.leaves(name, s.fail, syncer.ClassTooLarge)
			b.by(nil)
			s.heals("small again", o)
		})
	}
}
