package sourcetest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
)

// HTML answers with a login page and 200, under the given media type.
func HTML(mediaType string) *Fault {
	return &Fault{Knob: FaultHTML, Header: http.Header{"Content-Type": {mediaType}}, Body: "\n<!DOCTYPE html><html><body>Please log in</body></html>"}
}

// ErrorBody answers 200 and says in the body what went wrong.
func ErrorBody() *Fault {
	return &Fault{Knob: FaultErrorBody, Body: `{"error":{"code":"internal","message":"canary-body"}}`}
}

// GraphQLErrors answers 200 and with errors beside data that is null.
func GraphQLErrors() *Fault {
	return &Fault{Knob: FaultGraphQL, Body: `{"data":null,"errors":[{"message":"canary-body","path":["users"]}]}`}
}

// NotOK answers 200 and ok false, beside a list without records.
func NotOK() *Fault {
	return &Fault{Knob: FaultNotOK, Body: `{"ok":false,"error":"ratelimited","data":[],` + besides}
}

// besides is what stands beside a list that says that nothing follows.
const besides = `"meta":{"next_cursor":null,"total":0,"pages":0,"more":false},"links":{"next":null}}`

// NullList answers 200 with null where the list should be.
func NullList() *Fault { return &Fault{Knob: FaultNullList, Body: `{"data":null,` + besides} }

// NoList answers 200 without a list.
func NoList() *Fault { return &Fault{Knob: FaultNoList, Body: `{` + besides} }

// EmptyList answers 200 with no records, as a broken owner does.
func EmptyList() *Fault { return &Fault{Knob: FaultEmptyList, Body: `{"data":[],` + besides} }

// HalfList lists the first half of the page only, and says that nothing follows.
func HalfList() *Fault {
	return &Fault{Knob: FaultHalfList, Keep: true, whole: true, list: func(all []*entry) []*entry { return all[:len(all)/2] }}
}

// Twice lists each record of the page twice: all of them, and all of them again.
func Twice() *Fault {
	return &Fault{Knob: FaultTwice, Keep: true, list: func(all []*entry) []*entry { return slices.Concat(all, all) }}
}

// Media answers under another media type.
func Media(mediaType string) *Fault {
	return &Fault{Knob: FaultMedia, Keep: true, Header: http.Header{"Content-Type": {mediaType}}}
}

// Bomb answers with a small packed body that unpacks to so many bytes.
func Bomb(unpacked int) *Fault {
	text := slices.Concat([]byte(`{"data":[`), bytes.Repeat([]byte{' '}, max(unpacked-11, 0)), []byte(`]}`))
	return &Fault{Knob: FaultBomb, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: string(pack(text))}
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	packWith(gzip.NewWriter(&b), text)
	return b.Bytes()
}

func packWith(w *gzip.Writer, text []byte) {
	_, _ = w.Write(text) // into memory
	_ = w.Close()
}

// pack packs an answer. To make a packer takes longer than to use it.
func (o *Owner) pack(text []byte) []byte {
	var b bytes.Buffer
	if o.packer == nil {
		o.packer = gzip.NewWriter(&b)
	}
	o.packer.Reset(&b)
	packWith(o.packer, text)
	return b.Bytes()
}
