package decode_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/larder-sync/larder/sources/decode"
)

// usersPage is a page of 1,000 records and about 346 KB, wanted in nine slots:
// one from a nested object, one raw JSON value; two members are not wanted.
func usersPage() ([]byte, decode.Layout) {
	var b bytes.Buffer
	b.WriteString(`{"meta":{"next_cursor":"c41","total":20000},"data":[`)
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"email":"user%d@example.org","profile":{"displayName":"User Nr. %d","locale":"de_DE"},`+
			`"balance":%d.50,"active":true,"avatar_url":"https://cdn.example.org/avatars/%d.png",`+
			`"tags":["a","b",{"c":[1,2,3]}],"bio":"She said \"hi\" and left a note of some length here.",`+
			`"updated_at":"2026-01-02T03:04:05.%06dZ","version":%d}`,
			9007199254740993+i, i, i, i, i, i, i%17)
	}
	b.WriteString(`]}`)
	return b.Bytes(), decode.Layout{
		At:       decode.Path{"data"},
		Record:   []decode.Path{{"id"}, {"email"}, {"profile", "displayName"}, {"balance"}, {"active"}, {"avatar_url"}, {"tags"}, {"updated_at"}, {"version"}},
		Body:     []decode.Path{{"meta", "next_cursor"}},
		MaxDepth: 512,
		MaxBytes: 64 << 20,
	}
}

func BenchmarkPage(b *testing.B) {
	body, layout := usersPage()
	d, err := layout.Compile()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if page, err := d.Page(bytes.NewReader(body)); err != nil || len(page.Records) != 1000 {
			b.Fatal(len(page.Records), err)
		}
	}
}
