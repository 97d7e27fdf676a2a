package sources_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// BenchmarkWalk is one page of 1,000 records and about 110 KB, without a network.
func BenchmarkWalk(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"data":[`)
	for i := range 1000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"id":%d,"name":"user number %d","email":"user%d@example.org","updated_at":"2026-01-02T03:04:05.%06dZ"}`, i, i, i, i)
	}
	body.WriteString(`]}`)
	owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body.Bytes()) })
	spec := users(b, sources.None)
	s := source(b, owner, spec)
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		for batch, err := range s.Walk(b.Context(), syncer.Walk{Kind: syncer.Resync}) {
			if err != nil || len(batch.Records) != 1000 {
				b.Fatal(err)
			}
		}
	}
}
