package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/larder-sync/larder/config"
)

// update writes anew what the two tests below compare with a file.
var update = flag.Bool("update", false, "write larder.schema.json and testdata/only-program.txt")

const toUpdate = "if it should be, run\n\tgo test ./config -run TestSchema -update\nand read the difference"

// compiled is the schema, ready to validate; draft 2020-12's own schema has judged it.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	text, err := config.Schema()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(config.SchemaID, doc); err != nil {
		return nil, err
	}
	return c.Compile(config.SchemaID)
})

// validate holds TOML against the schema, as an editor does.
func validate(t testing.TB, data []byte) error {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := toml.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	return s.Validate(asJSON(whole))
}

// asJSON writes dates and times as text, for JSON has none.
func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = asJSON(v[name])
		}
	case []any:
		for i := range v {
			v[i] = asJSON(v[i])
		}
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case toml.LocalDate:
		return v.String()
	case toml.LocalTime:
		return v.String()
	case toml.LocalDateTime:
		return v.String()
	}
	return v
}

// The copy that editors load is the one that the program prints.
func TestSchemaFile(t *testing.T) {
	want, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, "larder.schema.json", want)
	got, err := os.ReadFile("larder.schema.json")
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("larder.schema.json is not what the program prints (%v); %s\n(-program +file):\n%s", err, toUpdate, cmp.Diff(string(want), string(got)))
	}
}

func rewrite(t *testing.T, name string, data []byte) {
	t.Helper()
	if !*update {
		return
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What the program takes is valid: the good files, every whole file of the docs, and the examples.
func TestSchemaTakesWhatIsGood(t *testing.T) {
	files := map[string]string{}
	for _, pattern := range []string{"testdata/good/*.toml", "../deploy/examples/*.toml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(text)
		}
	}
	for _, page := range []string{"README.md", "../README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```toml\n")
		if len(blocks) == 1 {
			t.Errorf("%s has no TOML", page)
		}
		for _, block := range blocks[1:] {
			block, _, _ = strings.Cut(block, "```")
			first, _, _ := strings.Cut(block, "\n")
			files[page+": "+first] = block
		}
	}
	for name, text := range files {
		if err := validate(t, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// onlyProgram are the bad files of which the schema knows no harm, because it takes more than one key, a value from
// elsewhere, or the meaning of a text to see it.
func onlyProgram(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "only-program.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// A file that is wrong in form is refused by the schema, too; the list of the others is exact.
func TestSchemaRefusesWrongForms(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	var accepted []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var whole map[string]any
		if strings.HasPrefix(name, "toml-") || toml.Unmarshal(data, &whole) != nil {
			continue // no TOML: there is nothing to hold against a schema
		}
		err = validate(t, data)
		if err == nil {
			accepted = append(accepted, name)
		} else if _, ok := errors.AsType[*jsonschema.ValidationError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	slices.Sort(accepted)
	rewrite(t, filepath.Join("testdata", "only-program.txt"), []byte(strings.Join(accepted, "\n")+"\n"))
	if diff := cmp.Diff(onlyProgram(t), accepted); diff != "" {
		t.Errorf("bad files that the schema takes (-testdata/only-program.txt +schema). A new one belongs into that list if it "+
			"takes more than one key, or the meaning of a text, to see what is wrong; %s:\n%s", toUpdate, diff)
	}
}

// Editors mark a mistake below an anyOf at all of its forms, or at its top: an anyOf stands only where there are
// several forms.
func TestSchemaHasNoAnyOfOne(t *testing.T) {
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if all, ok := v["anyOf"].([]any); ok {
				seen++
				if len(all) < 2 {
					t.Errorf("%s: anyOf has %d forms", at, len(all))
				}
			}
			for name, one := range v {
				walk(at+"/"+name, one)
			}
		case []any:
			for i, one := range v {
				walk(fmt.Sprintf("%s/%d", at, i), one)
			}
		}
	}
	walk("#", root)
	if seen < 20 {
		t.Errorf("only %d times anyOf: this test does not see them", seen)
	}
}
