package config_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

// unknown is a key that is near to no known one, so that the mistake about it lists them all.
const unknown = "qqqqqqqqqqqqqqqqqqqq"

var (
	headingLine = regexp.MustCompile("^#+ (.*)$")
	sectionName = regexp.MustCompile(`^\[+([a-z]+)(\.NAME)?\]+$`)
	keyCell     = regexp.MustCompile("^`([a-z_.A-Z0-9]+)`$")
)

// documented returns the keys that the tables of README.md name, by the key path of the table they are in:
// "owner.NAME.auth" holds "bearer". A table of keys begins with a cell "key" or "section"; its keys are those
// of the last heading that names a section, and of the subsection that a heading below it names.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{}
	section, part, inKeys := "", "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := headingLine.FindStringSubmatch(line); m != nil {
			section, part = under(section, part, m[1])
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		first := strings.TrimSpace(cells[0])
		switch {
		case !strings.HasPrefix(line, "|"):
			inKeys = false
		case first == "key" || first == "section":
			inKeys = true
		case inKeys && strings.Trim(first, "-") != "":
			m := keyCell.FindStringSubmatch(first)
			if m == nil {
				t.Errorf("%q is no key; one a row, in backquotes", first)
				continue
			}
			path := strings.Split(strings.Trim(section+"."+part+"."+m[1], "."), ".")
			path = slices.DeleteFunc(path, func(s string) bool { return s == "" })
			table := strings.Join(path[:len(path)-1], ".")
			keys[table] = append(keys[table], path[len(path)-1])
		}
	}
	for _, known := range keys {
		slices.Sort(known)
	}
	return keys
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

// accepted asks the reader which keys it knows at a key path.
func accepted(t *testing.T, path string) []string {
	t.Helper()
	const base = "consumer.c.database = \"sqlite:c.db\"\nowner.o.url = \"https://o\"\n" +
		"source.s.mode = \"snapshot\"\nsource.s.records.key = \"id\"\n"
	const table = "[[table]]\nsource = \"s\"\ncolumns.id = \"text\"\n"
	name := map[string]string{"consumer": "c", "owner": "o", "source": "s", "table": "column"}
	first, _, _ := strings.Cut(path, ".")
	probe := strings.TrimPrefix(strings.ReplaceAll(path, "NAME", name[first])+"."+unknown+" = 1\n", ".")
	text := base + probe + table
	if first == "table" {
		text = base + table + strings.TrimPrefix(probe, "table.")
	}
	_, err := config.Parse("docs.toml", []byte(text), environ())
	mistakes, _ := errors.AsType[config.Mistakes](err)
	for _, m := range mistakes {
		before, known, ok := strings.Cut(m.Text, "; known: ")
		if ok && strings.HasSuffix(before, fmt.Sprintf("unknown key %q", unknown)) {
			keys := strings.Split(known, ", ")
			slices.Sort(keys)
			return keys
		}
	}
	t.Errorf("nothing is known at %q: %v\n%s", path, err, text)
	return nil
}

// Every table of keys in README.md names the keys that the reader accepts there, and no other.
func TestEveryKeyIsDocumented(t *testing.T) {
	docs := documented(t)
	told := map[string]bool{}
	for path, keys := range docs {
		known := accepted(t, path)
		if diff := cmp.Diff(known, keys); diff != "" {
			t.Errorf("keys at %q (-accepted +documented):\n%s", path, diff)
		}
		told[strings.Join(known, " ")] = true
	}
	for at, keys := range sections(t) {
		if !told[strings.Join(keys, " ")] {
			t.Errorf("%s accepts a table of %s, and README.md has no rows for these keys", at, strings.Join(keys, ", "))
		}
	}
}

// sections finds in the source of the package every table that the reader reads, by the keys that it declares.
func sections(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	fset, lists := token.NewFileSet(), map[string][]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				if list, ok := v.Values[0].(*ast.CompositeLit); ok {
					lists[v.Names[0].Name] = texts(list.Elts)
				}
			}
			return true
		})
	}
	found := map[string][]string{}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "section" || len(call.Args) == 1 {
				return true
			}
			keys := texts(call.Args[1:])
			if list, ok := call.Args[1].(*ast.Ident); ok {
				keys = lists[list.Name]
			}
			slices.Sort(keys)
			found[fset.Position(call.Pos()).String()] = keys
			return true
		})
	}
	return found
}

// texts are the string literals among expressions.
func texts(all []ast.Expr) []string {
	var out []string
	for _, e := range all {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err == nil {
				out = append(out, text)
			}
		}
	}
	return out
}

// The words that some keys choose from are all in README.md, and so is every placeholder and type.
func TestEveryWordIsDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	words := config.ColumnTypes()
	for _, probe := range []string{
		`source.s.mode`, `source.s.request.method`, `source.s.paging.by`, `source.s.records.format`,
		`source.s.watermark.format`, `source.s.watermark.order`, `source.s.watermark.null`,
		`source.s.watermark.ask`, `source.s.audit.compare`, `source.s.records.at.as`, `source.s.records.hydrate.missing`,
		`source.s.records.absent`,
		`larder.log.format`, `larder.log.level`, `defaults.table.misfit`, `defaults.table.on_delete`,
	} {
		_, err := config.Parse("docs.toml", []byte(probe+" = \""+unknown+"\"\n[[table]]\n"), environ())
		if err == nil {
			t.Fatalf("%s takes any word", probe)
		}
		_, known, ok := strings.Cut(err.Error(), strconv.Quote(unknown))
		known, _, _ = strings.Cut(known, "\n")
		_, known, told := strings.Cut(known, "; known: ")
		if !ok || !told {
			t.Errorf("%s tells no words: %v", probe, err)
			continue
		}
		words = append(words, strings.Split(known, ", ")...)
	}
	_, err = config.ParseTemplate("{" + unknown + "}")
	_, known, _ := strings.Cut(err.Error(), "known: ")
	words = append(words, strings.Fields(known)...)
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") && !strings.Contains(string(text), "`\""+word+"\"`") {
			t.Errorf("README.md does not name `%s`", word)
		}
	}
}
