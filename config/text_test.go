package config_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/config"
)

// Any text with doubled braces is that text, and placeholders among it are found in order.
func TestTemplateReadsAnyText(t *testing.T) {
	double := strings.NewReplacer("{", "{{", "}", "}}")
	rapid.Check(t, func(t *rapid.T) {
		var written, want strings.Builder
		var names []string
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			if rapid.Bool().Draw(t, "placeholder") {
				name := rapid.SampledFrom([]string{"since", "cursor", "page", "last.a.b", `last."a.b"`, "first.a", "each.x"}).Draw(t, "name")
				names = append(names, "{"+name+"}")
				written.WriteString("{" + name + "}")
				want.WriteString("<>")
				continue
			}
			text := rapid.StringOf(rapid.RuneFrom([]rune("{}ab .é"))).Draw(t, "text")
			written.WriteString(double.Replace(text))
			want.WriteString(text)
		}
		got, err := config.ParseTemplate(written.String())
		if err != nil {
			t.Fatalf("%q: %v", written.String(), err)
		}
		var literal strings.Builder
		for _, p := range got.Parts {
			if p.Placeholder == "" {
				literal.WriteString(p.Literal)
				continue
			}
			literal.WriteString("<>")
		}
		if literal.String() != want.String() {
			t.Errorf("%q is %q, want %q", written.String(), literal.String(), want.String())
		}
		var found []string
		for _, p := range got.Placeholders() {
			found = append(found, p.String())
		}
		if strings.Join(found, "") != strings.Join(names, "") {
			t.Errorf("%q holds %q, want %q", written.String(), found, names)
		}
		if want := len(got.Parts) == 1 && len(names) == 1; got.IsSingle() != want {
			t.Errorf("%q: single %v", written.String(), got.IsSingle())
		}
	})
}

// Whatever a member of an object is called, a path can name it when it is quoted.
func TestPathNamesAnyMember(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "names")
		var quoted []string
		for _, name := range names {
			if rapid.Bool().Draw(t, "single") && !strings.Contains(name, "'") {
				quoted = append(quoted, "'"+name+"'")
				continue
			}
			quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name)+`"`)
		}
		text := strings.Join(quoted, ".")
		p, err := config.ParsePath(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if len(p.Segments) != len(names) || p.Last() != names[len(names)-1] {
			t.Fatalf("%s has the segments %v", text, p.Segments)
		}
		for i, s := range p.Segments {
			if s.Name != names[i] || s.Index >= 0 {
				t.Errorf("%s: segment %d is %v, want the name %q", text, i, s, names[i])
			}
		}
		if _, ok := p.Each(); ok {
			t.Errorf("%s is taken for a constant of the partition", text)
		}
	})
}

func TestPath(t *testing.T) {
	for text, want := range map[string]int{"a.0": 0, "a.12.": -2, "a.12": 12, "a.b": -1, `a."0"`: -1, "a..b": -2, "": -2,
		".a": -2, "a.99999999999999999999": -2, `"a`: -2, `"a"b`: -2, `a"b"`: -2, "a. b": -2, "@odata": -1, strings.Repeat("a.", 64) + "a": -2} {
		p, err := config.ParsePath(text)
		got := -2
		if err == nil {
			got = p.Segments[len(p.Segments)-1].Index
		}
		if got != want {
			t.Errorf("%q ends in the index %d (%v), want %d", text, got, err, want)
		}
	}
	if name, ok := path("each.city").Each(); name != "city" || !ok {
		t.Errorf("each.city is %q, %v", name, ok)
	}
	for _, text := range []string{"each", "each.a.b", `"each".city`, "beach.city"} {
		if name, ok := path(text).Each(); ok {
			t.Errorf("%s is the constant %q", text, name)
		}
	}
}

// Durations, sizes, shares and rates are read whole or not at all.
func TestUnits(t *testing.T) {
	for _, x := range []struct {
		line string
		good bool
	}{
		{`owner.users.timeout = "500ms"`, true}, {`owner.users.timeout = "1m30s"`, true},
		{`defaults.source.lag = "1d"`, true}, {`defaults.source.lag = "0s"`, true},
		{`defaults.source.lag = ""`, false}, {`defaults.source.lag = "5"`, false}, {`defaults.source.lag = "5 s"`, false},
		{`defaults.source.lag = "1.5h"`, false}, {`defaults.source.lag = "5S"`, false}, {`defaults.source.lag = "s"`, false},
		{`defaults.source.lag = "9223372036854775807d"`, false}, {`defaults.source.lag = "99999999999999999999s"`, false},
		{`defaults.source.lag = "106751d999999999h"`, false}, {`defaults.source.lag = "+5s"`, false},
		{`owner.users.max_body = "1GiB"`, true}, {`owner.users.max_body = "4096B"`, true},
		{`owner.users.max_body = "+4096B"`, false}, {`owner.users.max_body = "GiB"`, false},
		{`owner.users.max_body = "9999999999GiB"`, false}, {`owner.users.max_body = "1.5GiB"`, false},
		{`owner.users.max_body = 65536`, false},
		{`owner.users.rate = "1/h"`, true}, {`owner.users.rate = "1/d"`, false}, {`owner.users.rate = "/s"`, false},
		{`owner.users.rate = "1/"`, false}, {`owner.users.rate = "-1/s"`, false}, {`owner.users.rate = "1/s/s"`, false},
		{`defaults.table.max_delete.share = "0%"`, true}, {`defaults.table.max_delete.share = "100%"`, true},
		{`defaults.table.max_delete.share = "%"`, false}, {`defaults.table.max_delete.share = "1.2.3%"`, false},
		{`defaults.table.max_delete.share = "100.1%"`, false}, {`defaults.table.max_delete.share = "0.2"`, false},
	} {
		_, err := config.Parse("larder.toml", []byte(x.line+"\n"+shop), environ())
		told := err != nil && strings.HasPrefix(err.Error(), "larder.toml:1:") && !strings.Contains(err.Error(), "\n")
		if (err == nil) != x.good || err != nil && !told {
			t.Errorf("%s: %v", x.line, err)
		}
	}
}

// Auth over plain http stays on this machine.
func TestLoopback(t *testing.T) {
	for host, good := range map[string]bool{"localhost": true, "a.localhost": true, "127.0.0.1": true, "127.9.9.9:80": true,
		"[::1]:8080": true, "10.0.0.1": false, "localhost.evil.example": false, "[::2]": false} {
		text := strings.Replace(shop, `"https://users.internal"`, `"http://`+host+"\"\nowner.users.auth.bearer = \"x\"", 1)
		if _, err := config.Parse("larder.toml", []byte(text), environ()); (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
	}
}
