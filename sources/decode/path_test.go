package decode_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources/decode"
)

func TestParsePath(t *testing.T) {
	for written, want := range map[string]decode.Path{
		`id`:                         {"id"},
		`meta.next_cursor`:           {"meta", "next_cursor"},
		`items.0.id`:                 {"items", "0", "id"},
		`@removed`:                   {"@removed"},
		`$oid.größe`:                 {"$oid", "größe"},
		`First Name`:                 {"First Name"},
		`"@odata.nextLink"`:          {"@odata.nextLink"},
		`'@odata.nextLink'`:          {"@odata.nextLink"},
		`a."b.c".'d"e'.f`:            {"a", "b.c", `d"e`, "f"},
		`"say \"a\\b\"\t\u00e9\x41"`: {"say \"a\\b\"\té" + "A"},
		`"\U0001F600\b\n\f\r\e"`:     {"😀\b\n\f\r\x1b"},
		`"".''`:                      {"", ""},
		`" a "`:                      {" a "},
	} {
		got, err := decode.ParsePath(written)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", written, diff)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for written, want := range map[string]string{
		``:             "read segment 1 of path",
		`.a`:           "read segment 1 of path",
		`a.`:           "read segment 2 of path",
		`a..b`:         "read segment 2 of path",
		`a[0]`:         "must stand in quotes",
		`a .b`:         "must stand in quotes",
		`it's`:         "must stand in quotes",
		`a\b`:          "must stand in quotes",
		`"a`:           "its quote is not closed",
		`'a`:           "its quote is not closed",
		`"a\"`:         "its quote is not closed",
		`"a"b`:         "want a dot after segment 1",
		`"a".`:         "read segment 2 of path",
		`"\q"`:         "not an escape",
		`"\u12"`:       "not an escape",
		`"\ud800"`:     "not an escape",
		`"\U00110000"`: "not an escape",
		"a\x00":        "control character",
		"\"a\nb\"":     "control character",
		"'a\nb'":       "control character",
		"a\xff":        "not UTF-8",
	} {
		if path, err := decode.ParsePath(written); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", written, path, err, want)
		}
	}
}

func TestPathComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := decode.Path(rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "path"))
		got, err := decode.ParsePath(path.String())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, path) {
			t.Fatalf("%q became %q by way of %s", path, got, path)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"id", "a.0.b", `"@odata.nextLink".x`, `'a.b'`, `"\u00e9\"\\"`, "a..b", `"`, `"a"b`, " ", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		path, err := decode.ParsePath(written)
		if err != nil {
			return
		}
		again, err := decode.ParsePath(path.String())
		if err != nil || !slices.Equal(again, path) {
			t.Fatalf("%q is %q, which is written %s and read as %q, %v", written, path, path, again, err)
		}
	})
}
