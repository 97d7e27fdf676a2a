package decode_test

import (
	"errors"
	"testing"

	"github.com/larder-sync/larder/sources/decode"
)

func TestText(t *testing.T) {
	tests := []struct {
		raw, want string
		ok        bool
		err       error
	}{
		{raw: ``}, {raw: `null`},
		{`""`, "", true, nil},
		{`"a\u00e9\n\ud83d\ude00"`, "aé\n😀", true, nil},
		{`"\ufffd"`, "\ufffd", true, nil},
		{`"2026-01-02T03:04:05+02:00"`, "2026-01-02T03:04:05+02:00", true, nil},
		{`"null"`, "null", true, nil},
		{`9007199254740993`, "9007199254740993", true, nil},
		{`1e400`, "1e400", true, nil},
		{`-0.10`, "-0.10", true, nil},
		{`true`, "true", true, nil},
		{`false`, "false", true, nil},
		{`"\ud800"`, "", false, decode.ErrBrokenText},
		{`"\ud800x"`, "", false, decode.ErrBrokenText},
		{"\"a\xff\"", "", false, decode.ErrBrokenText},
		{"\"\xed\xa0\x80\"", "", false, decode.ErrBrokenText},
		{`"a`, "", false, decode.ErrBrokenText},
		{`{}`, "", false, decode.ErrNotScalar},
		{`["a"]`, "", false, decode.ErrNotScalar},
		{`nul`, "", false, decode.ErrNotScalar},
	}
	for _, tt := range tests {
		got, ok, err := decode.Text([]byte(tt.raw))
		if got != tt.want || ok != tt.ok || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %t, %v, want %q, %t, %v", tt.raw, got, ok, err, tt.want, tt.ok, tt.err)
		}
	}
}
