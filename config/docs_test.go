package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/larder-sync/larder/config"
)

var (
	headingLine = regexp.MustCompile("^#+ (.*)$")
	sectionName = regexp.MustCompile(`^\[+([a-z]+)(\.NAME)?\]+$`)
	keyCell     = regexp.MustCompile("^`([a-z_.A-Z0-9]+)`$")
)

// row is what README.md says of a key.
type row struct{ byDefault, is string }

// documented returns the rows of README.md's tables of keys, by key path: "owner.NAME.auth.bearer". A table of keys
// begins with a cell "key" or "section"; its keys are those of the last heading that names a section, and of the
// subsection that a heading below it names.
func documented(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	section, part, inKeys := "", "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := headingLine.FindStringSubmatch(line); m != nil {
			section, part = under(section, part, m[1])
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		first := strings.TrimSpace(cells[0])
		switch {
		case !strings.HasPrefix(line, "|"):
			inKeys = false
		case first == "key" || first == "section":
			inKeys = true
		case inKeys && strings.Trim(first, "- |") != "":
			m := keyCell.FindStringSubmatch(first)
			if m == nil {
				t.Errorf("%q is no key; one a row, in backquotes", first)
				continue
			}
			path := strings.Join(slices.DeleteFunc([]string{section, part, m[1]}, func(s string) bool { return s == "" }), ".")
			if _, twice := rows[path]; twice {
				t.Errorf("%s has two rows", path)
			}
			rows[path] = row{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[len(cells)-1])}
		}
	}
	return rows
}

// under follows the headings. Below "[source.NAME]", "### request" is the table of that key, while the rows
// below "### auth" write out the whole path and "### schedule and budget" has no table of keys.
func under(section, part, heading string) (string, string) {
	if m := sectionName.FindStringSubmatch(heading); m != nil {
		return m[1] + m[2], ""
	}
	switch heading {
	case "request", "paging", "records", "watermark", "audit", "epoch", "expired", "resync":
		return section, heading
	case "Sections", "Defaults", "Rules":
		return "", ""
	}
	return section, ""
}

// known is a key of the schema.
type known struct {
	pointer string // where the schema describes it: one place for all requests
	is      map[string]any
}

// keysOf returns every key of the schema, by key path.
func keysOf(t *testing.T) map[string]known {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	w := walker{defs: root["$defs"].(map[string]any), found: map[string]known{}}
	w.walk("", "#", root)
	return w.found
}

type walker struct {
	defs  map[string]any
	found map[string]known
}

func (w walker) walk(path, pointer string, s map[string]any) {
	if ref, ok := s["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/$defs/")
		if name != "file" && name != "environment" {
			w.walk(path, ref, w.defs[name].(map[string]any))
		}
	}
	for i, one := range values(s["anyOf"]) {
		w.walk(path, fmt.Sprintf("%s/anyOf/%d", pointer, i), one.(map[string]any))
	}
	if items, ok := s["items"].(map[string]any); ok {
		w.walk(path, pointer+"/items", items)
	}
	if named, ok := s["additionalProperties"].(map[string]any); ok {
		w.walk(path+".NAME", pointer+"/additionalProperties", named)
	}
	properties, _ := s["properties"].(map[string]any)
	for name, one := range properties {
		below := strings.TrimPrefix(path+"."+name, ".")
		at := pointer + "/properties/" + name
		w.found[below] = known{at, one.(map[string]any)}
		w.walk(below, at, one.(map[string]any))
	}
}

func values(v any) []any {
	all, _ := v.([]any)
	return all
}

// Every key has its row in README.md, and every row its key. A table that stands in several places, such as a
// request, has its rows at one of them.
func TestEveryKeyIsDocumented(t *testing.T) {
	rows, keys := documented(t), keysOf(t)
	told := map[string]bool{}
	for path := range rows {
		if _, ok := keys[path]; !ok {
			t.Errorf("README.md has a row for %s, and there is no such key", path)
		}
		told[keys[path].pointer] = true
	}
	for path, k := range keys {
		if !told[k.pointer] {
			t.Errorf("README.md has no row for %s", path)
		}
	}
	if len(rows) < 100 || len(keys) < 100 {
		t.Errorf("only %d rows and %d keys: this test does not see them", len(rows), len(keys))
	}
}

var (
	literal = regexp.MustCompile("^`?([^` ]+|\\[.*\\])`?$")
	spans   = regexp.MustCompile("`([^`]*)`")
	bounds  = regexp.MustCompile(`\b([0-9]+[A-Za-z]*) to ([0-9]+[A-Za-z]*)\b`)
)

// What README.md says of defaults and bounds is so: a value that stands alone in the cell "default" is the key's, and
// what goes from here to there goes so far.
func TestDefaultsAndBoundsAreDocumented(t *testing.T) {
	keys := keysOf(t)
	for path, row := range documented(t) {
		k := keys[path].is
		want, has := k["default"]
		said, isValue := value(row.byDefault)
		switch {
		case strings.HasPrefix(path, "defaults.") || !strings.Contains(path, "."): // sections: their rows have two cells
		case isValue && !has:
			t.Errorf("%s: README.md says that the default is %v, and the schema knows none", path, said)
		case has && (!isValue || !reflect.DeepEqual(said, want)):
			t.Errorf("%s: README.md says %q of the default, and it is %v", path, row.byDefault, want)
		case (row.byDefault == "required") != strings.HasSuffix(k["description"].(string), "Required.") && !strings.HasPrefix(row.byDefault, "required"):
			t.Errorf("%s: README.md says %q, and the schema %q", path, row.byDefault, k["description"])
		}
		if low, high, ok := boundsOf(k); ok {
			m := bounds.FindStringSubmatch(strings.ReplaceAll(row.is, "`", ""))
			if m != nil && (m[1] != low || m[2] != high) {
				t.Errorf("%s: README.md says %s to %s, and it is %s to %s", path, m[1], m[2], low, high)
			}
			if m == nil && len(high) < 10 && !strings.Contains(row.is, "up to `"+high+"`") && !strings.Contains(row.is, "up to "+high) {
				t.Errorf("%s: README.md does not say that it is from %s to %s", path, low, high)
			}
		}
	}
}

// value reads a cell that is nothing but a value of TOML.
func value(cell string) (any, bool) {
	m := literal.FindStringSubmatch(cell)
	if m == nil {
		return nil, false
	}
	var whole struct{ V any }
	if err := toml.Unmarshal([]byte("v = "+m[1]), &whole); err != nil {
		return nil, false
	}
	text, err := json.Marshal(whole.V)
	if err != nil {
		return nil, false
	}
	var v any
	return v, json.Unmarshal(text, &v) == nil
}

// boundsOf are those of a number in the schema; those of a duration or size end its description.
func boundsOf(k map[string]any) (low, high string, ok bool) {
	if low, ok := k["minimum"].(float64); ok {
		return fmt.Sprint(int64(low)), fmt.Sprint(int64(k["maximum"].(float64))), true
	}
	m := bounds.FindStringSubmatch(k["description"].(string))
	if m == nil || !strings.HasSuffix(strings.TrimSuffix(k["description"].(string), " Required."), m[0]+".") {
		return "", "", false
	}
	return m[1], m[2], true
}

// The words that some keys choose from are all in README.md, and so is every placeholder.
func TestEveryWordIsDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range spans.FindAllStringSubmatch(string(text), -1) {
		said[strings.Trim(m[1], `"`)] = true
	}
	words := map[string]string{}
	for path, k := range keysOf(t) {
		for _, one := range append(values(k.is["anyOf"]), k.is) {
			for _, word := range values(one.(map[string]any)["enum"]) {
				words[word.(string)] = path
			}
		}
	}
	_, err = config.ParseTemplate("{qqqqqqqqqqqqqqqqqqqq}")
	_, all, _ := strings.Cut(err.Error(), "known: ")
	for _, word := range strings.Fields(all) {
		words[word] = "a template"
	}
	if len(words) < 60 {
		t.Errorf("only %d words: this test does not see them", len(words))
	}
	for word, path := range words {
		if !said[word] {
			t.Errorf("README.md does not name `%s` of %s", word, path)
		}
	}
}
