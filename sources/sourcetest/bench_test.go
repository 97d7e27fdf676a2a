package sourcetest_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

// logOf is an owner with a log of so many changes of half as many records.
func logOf(o *sourcetest.Owner, changes int) *sourcetest.Owner {
	start := time.Now().Add(-time.Hour)
	for i := range changes {
		at := start.Add(time.Duration(i) * time.Second)
		o.Commit(sourcetest.Change{ID: int64(i/2 + 1), Name: "name", Stamp: at, Commit: at, Visible: at, Gone: i%11 == 10})
	}
	return o
}

// BenchmarkPage is what one page of a log of forty changes costs, in each style.
func BenchmarkPage(b *testing.B) {
	for _, style := range []sourcetest.Style{
		sourcetest.Whole, sourcetest.Cursor, sourcetest.NextURL, sourcetest.Keyset, sourcetest.Page, sourcetest.Delta, sourcetest.Log,
	} {
		b.Run(string(style), func(b *testing.B) {
			o := logOf(&sourcetest.Owner{Style: style, PageSize: 5, Cache: sourcetest.Cache{ETags: true}}, 40)
			carrier := o.Transport()
			r, err := http.NewRequest(http.MethodGet, "https://owner.example/users?since=2020-01-01T00:00:00.000000Z&size=5", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := carrier.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		})
	}
}

// BenchmarkHistory is what a log of forty changes costs to make and to read once.
func BenchmarkHistory(b *testing.B) {
	r, err := http.NewRequest(http.MethodGet, "https://owner.example/users", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		o := logOf(&sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 5}, 40)
		if _, err := o.Transport().RoundTrip(r); err != nil {
			b.Fatal(err)
		}
	}
}
