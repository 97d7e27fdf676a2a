package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/larder-sync/larder"

// room is a package, or a folder of them if its path ends in "/...", and what it may import
// besides the standard library: packages of ours by path, others by module. "*" is everything.
type room struct {
	path   string
	may    []string
	reason string
}

// rooms is the direction of dependencies: inward. The first that fits a package counts.
func rooms() []room {
	return []room{
		{"syncer", []string{"github.com/rs/zerolog"},
			"the domain names no technology, so every driver and every test can stand in for another"},
		{"syncer/row", []string{"syncer", "github.com/go-json-experiment/json"},
			"one conversion for all databases must know none of them; values are still the owner's JSON text"},
		{"syncer/row/expression", []string{"syncer/row", "github.com/expr-lang/expr", "github.com/go-json-experiment/json"},
			"a condition sees one record's fields and can reach nothing; only this package knows the language"},
		{"syncer/metadata", nil,
			"a list of addresses that two rooms refuse, which may not import each other"},
		{"syncer/schedule", []string{"github.com/robfig/cron/v3"},
			"when a source is due depends on nothing but a spec and a clock reading"},
		{"syncer/sqlite", []string{"syncer", "syncer/row", "github.com/rs/zerolog", "zombiezen.com/go/sqlite"},
			"a database is one driver, and knows neither the other one nor HTTP"},
		{"syncer/postgres", []string{"syncer", "syncer/row", "github.com/rs/zerolog", "github.com/jackc/pgx/v5"},
			"a database is one driver, and knows neither the other one nor HTTP"},
		{"syncer/home", []string{"syncer", "syncer/alert", "github.com/rs/zerolog", "zombiezen.com/go/sqlite"},
			"the daemon's own memory is not a consumer's table"},
		{"syncer/alert", []string{"syncer", "github.com/rs/zerolog"},
			"who has to be told what is decided apart from who judges, what remembers and what delivers"},
		{"syncer/alert/notify", []string{"syncer", "syncer/alert", "syncer/metadata", "github.com/rs/zerolog", "github.com/wneessen/go-mail", "github.com/standard-webhooks/standard-webhooks/libraries"},
			"a receiver is told what stands in a message and knows nothing else"},
		{"syncer/web", []string{"syncer", "github.com/rs/zerolog", "github.com/standard-webhooks/standard-webhooks/libraries"},
			"what strangers can reach decides nothing: it shows, and it asks for a poll"},
		{"syncer/web/metrics", []string{"syncer", "syncer/alert", "github.com/prometheus/client_golang"},
			"numbers are counted from what others tell; nothing depends on them"},
		{"sources/decode", []string{"github.com/go-json-experiment/json"},
			"what parses an owner's bytes is small enough to fuzz and can reach nothing"},
		{"sources/auth", []string{"golang.org/x/oauth2", "github.com/aws/aws-sdk-go-v2"},
			"what holds credentials imports no code of others but the Go team's exchange of tokens and AWS's signer"},
		{"sources", []string{
			"syncer", "syncer/metadata", "syncer/row", "sources/auth", "sources/decode", "github.com/rs/zerolog",
			"github.com/go-json-experiment/json", "github.com/hashicorp/go-retryablehttp", "github.com/klauspost/compress", "golang.org/x/time"},
			"asking an owner knows no database"},
		{"config", []string{"github.com/pelletier/go-toml/v2"},
			"the config is plain structs; what they mean is decided where parts are built"},
		{"cmd/...", []string{"*"},
			"the only place that puts parts together"},
		{"syncer/syncertest", []string{"*"}, "only tests import it"},
		{"syncer/alert/alerttest", []string{"*"}, "only tests import it"},
		{"syncer/postgres/postgrestest", []string{"*"}, "only tests import it"},
		{"sources/sourcetest", []string{"*"}, "only tests import it"},
		{"sources/feedtest", []string{"*"}, "only tests import it"},
	}
}

// pkg is what go list says about a package; Imports leaves out those of its tests.
type pkg struct {
	ImportPath string
	Standard   bool
	Module     *struct{ Path string }
	Imports    []string
}

// own is the path of a package of ours inside the module.
func (p pkg) own() (string, bool) {
	if p.ImportPath == module {
		return ".", true
	}
	return strings.CutPrefix(p.ImportPath, module+"/")
}

func TestDependenciesPointInward(t *testing.T) {
	for _, complaint := range complaints(listed(t), rooms()) {
		t.Error(complaint)
	}
}

// TestDependencyRuleIsEnforced holds made-up packages against the real rooms.
func TestDependencyRuleIsEnforced(t *testing.T) {
	ours := func(at string, imports ...string) pkg {
		return pkg{ImportPath: module + "/" + at, Imports: imports}
	}
	theirs := func(at, of string) pkg {
		return pkg{ImportPath: at, Module: &struct{ Path string }{of}}
	}
	known := []pkg{
		{ImportPath: "context", Standard: true},
		theirs("github.com/rs/zerolog", "github.com/rs/zerolog"),
		theirs("github.com/jackc/pgx/v5/pgxpool", "github.com/jackc/pgx/v5"),
	}
	for _, test := range []struct {
		name string
		pkg  pkg
		want string // "" is allowed
	}{
		{"the domain with its logger", ours("syncer", "context", "github.com/rs/zerolog"), ""},
		{"the domain with a driver", ours("syncer", "github.com/jackc/pgx/v5/pgxpool"),
			`syncer imports github.com/jackc/pgx/v5/pgxpool, but may only github.com/rs/zerolog`},
		{"a database with its driver", ours("syncer/postgres", module+"/syncer", "github.com/jackc/pgx/v5/pgxpool"), ""},
		{"a database with the other one", ours("syncer/postgres", module+"/syncer/sqlite"),
			"syncer/postgres imports syncer/sqlite"},
		{"a database with HTTP", ours("syncer/sqlite", module+"/sources"), "syncer/sqlite imports sources"},
		{"the config with a room of ours", ours("config", module+"/syncer"), "config imports syncer"},
		{"a room without a rule", ours("syncer/attic"), "syncer/attic has no rule"},
		{"the command with all", ours("cmd/larder", module+"/syncer/sqlite", "github.com/jackc/pgx/v5/pgxpool"), ""},
		{"the command with a test's package", ours("cmd/larder/internal/demo", module+"/sources/sourcetest"),
			"cmd/larder/internal/demo imports sources/sourcetest, which is for tests"},
		{"a test's package with another", ours("syncer/syncertest", module+"/syncer/postgres/postgrestest"), ""},
		{"a package go list did not tell of", ours("config", "github.com/x/unheard"),
			"config imports github.com/x/unheard"},
	} {
		got := complaints(append(slices.Clone(known), test.pkg), rooms())
		if test.want == "" {
			if len(got) > 0 {
				t.Errorf("%s: %q", test.name, got)
			}
			continue
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
			t.Errorf("%s: %q, want one that starts with %q", test.name, got, test.want)
		}
	}
}

func TestEveryRoomHasAReason(t *testing.T) {
	var without []string
	for _, r := range rooms() {
		if r.reason == "" {
			without = append(without, r.path)
		}
	}
	if diff := cmp.Diff([]string(nil), without); diff != "" {
		t.Errorf("rooms without a reason (-want +got):\n%s", diff)
	}
}

// complaints says which direct imports of our packages no room allows. What those import in
// turn is their modules' affair, or another line of the rooms.
func complaints(graph []pkg, rooms []room) []string {
	known := map[string]pkg{}
	for _, p := range graph {
		known[p.ImportPath] = p
	}
	var all []string
	for _, p := range graph {
		at, ours := p.own()
		if !ours {
			continue
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return r.holds(at) })
		if i < 0 {
			all = append(all, at+" has no rule: say in this test what it may import, and why")
			continue
		}
		for _, imported := range p.Imports {
			target, listed := known[imported]
			if !listed {
				target = pkg{ImportPath: imported}
			}
			if complaint := rooms[i].judge(at, target); complaint != "" {
				all = append(all, complaint)
			}
		}
	}
	return all
}

func (r room) holds(at string) bool {
	folder, tree := strings.CutSuffix(r.path, "/...")
	return at == folder || tree && strings.HasPrefix(at, folder+"/")
}

// judge says what is wrong with the room's package at importing target, if anything.
func (r room) judge(at string, target pkg) string {
	if target.Standard {
		return ""
	}
	name, ours := target.own()
	if ours && forTests(name) && !forTests(at) {
		return fmt.Sprintf("%s imports %s, which is for tests", at, name)
	}
	allowed := name
	if !ours {
		name = target.ImportPath
		if target.Module != nil {
			allowed = target.Module.Path
		}
	}
	if slices.Contains(r.may, "*") || slices.Contains(r.may, allowed) {
		return ""
	}
	return fmt.Sprintf("%s imports %s, but may only %s: %s",
		at, name, strings.Join(append(slices.Clone(r.may), "the standard library"), ", "), r.reason)
}

// forTests says that a package is made for tests, as httptest is.
func forTests(at string) bool {
	return strings.HasSuffix(path.Base(at), "test") || at == "cmd/larder/internal/simulation"
}

// listed is the real graph: all packages of ours and all they depend on.
func listed(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Module,Imports", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v\n%s", err, &stderr)
	}
	var graph []pkg
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		graph = append(graph, p)
	}
	return graph
}
