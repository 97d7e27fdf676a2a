package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// root is the folder of the module, from here.
const root = "../.."

// page is a Markdown file of the project.
type page struct {
	file   string // from root
	prose  string // without fenced blocks
	blocks []block
}

// block is a fenced block: the word behind its fence, where it begins, and what it holds.
type block struct {
	kind string
	line int
	text string
}

// readPage parts the prose of a page from its blocks.
func readPage(t *testing.T, file string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	p, fenced, number := page{file: file}, false, 0
	for line := range strings.Lines(string(text)) {
		number++
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !fenced:
			p.blocks = append(p.blocks, block{kind: strings.TrimSpace(kind), line: number + 1})
			fenced = true
		case fence:
			fenced = false
		case fenced:
			p.blocks[len(p.blocks)-1].text += line
		default:
			p.prose += line
		}
	}
	return p
}

func pages(t *testing.T) []page {
	return []page{readPage(t, "README.md"), readPage(t, "CHANGELOG.md"), readPage(t, filepath.Join("config", "README.md"))}
}

var fileValue = regexp.MustCompile(`\{ *file *= *"([^"]+)" *\}`)

// Every block of TOML is a whole configuration, or one together with the first of README.md ("toml add"), and so is
// every example: it loads and builds without a mistake, schedules and budgets included. All variables of the
// environment are set, and the files that hold values are there.
func TestExamplesBuild(t *testing.T) {
	configs, first := map[string]string{}, ""
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			name := fmt.Sprintf("%s:%d", p.file, b.line)
			switch {
			case b.kind == "toml":
				configs[name] = b.text
				if first == "" {
					first = b.text
				}
			case b.kind == "toml add":
				configs[name] = first + b.text
			}
		}
	}
	examples, err := filepath.Glob(filepath.Join(root, "deploy", "examples", "*.toml"))
	if err != nil || len(examples) == 0 || len(configs) == 0 {
		t.Fatalf("%d examples and %d blocks: %v", len(examples), len(configs), err)
	}
	for _, file := range examples {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		configs["deploy/examples/"+filepath.Base(file)] = string(text)
	}
	for name, text := range configs {
		t.Run(name, func(t *testing.T) { buildExample(t, text) })
	}
}

func buildExample(t *testing.T, text string) {
	dir := t.TempDir()
	for _, m := range fileValue.FindAllStringSubmatch(text, -1) {
		value := filepath.Join(dir, m[1])
		if err := os.MkdirAll(filepath.Dir(value), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(value, []byte("value"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := func(name string) (string, bool) { return variableOf(name), name != "STATE_DIRECTORY" }
	c, err := config.Parse(filepath.Join(dir, "larder.toml"), []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	p, err := build(c, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if _, err := p.desk(nil); err != nil {
		t.Error(err)
	}
	if len(p.feeds) != len(c.Sources) {
		t.Errorf("%d of %d sources are polled", len(p.feeds), len(c.Sources))
	}
}

// variableOf is what a variable holds, of the form that its name tells.
func variableOf(name string) string {
	switch {
	case name == "SMTP_URL":
		return "smtps://user:password@mail.example.com"
	case strings.HasSuffix(name, "_URL"):
		return "https://example.com/value"
	case strings.HasSuffix(name, "_SECRET"):
		return "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	}
	return "value"
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// Every link inside the project leads to a file that is there, and to a heading that is in it.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range markdownLink.FindAllStringSubmatch(p.prose, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: link %q: %v", p.file, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			target := p.file
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(p.file), filepath.FromSlash(u.Path))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: link %q leads to no file", p.file, m[1])
				continue
			}
			if u.Fragment != "" && !slices.Contains(anchors(t, target), u.Fragment) {
				t.Errorf("%s: link %q leads to no heading of %s", p.file, m[1], target)
			}
		}
	}
}

// anchors are the fragments of a page's headings, made as GitHub makes them.
func anchors(t *testing.T, file string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(readPage(t, file).prose, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// commands are all commands that are our own, by what is typed after "larder".
func commands() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			all[strings.TrimPrefix(sub.CommandPath(), "larder ")] = sub
			add(sub)
		}
	}
	add(newRoot(new(bytes.Buffer), new(bytes.Buffer)))
	return all
}

var argument = regexp.MustCompile(`[A-Z]{2,}`)

// Every command explains itself: it says in a line what it does, in its usage what it takes, and below how to use
// it; and README.md or CHANGELOG.md names it.
func TestCommandsExplainThemselves(t *testing.T) {
	var prose string
	for _, p := range pages(t)[:2] {
		for _, b := range p.blocks {
			prose += b.text
		}
		prose += p.prose
	}
	for name, c := range commands() {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 80 {
			t.Errorf("larder %s: %q is no line that says what it does", name, c.Short)
		}
		if c.HasSubCommands() {
			continue
		}
		if len(strings.Fields(c.Long)) < 15 {
			t.Errorf("larder %s --help teaches nothing: %q", name, c.Long)
		}
		for line := range strings.Lines(c.Long) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > 80 {
				t.Errorf("larder %s --help: line is wider than a terminal: %q", name, line)
			}
		}
		takes := c.Args == nil || c.Args(c, []string{"x"}) == nil
		if takes != argument.MatchString(strings.TrimPrefix(c.Use, c.Name())) {
			t.Errorf("larder %s: usage %q, and it takes arguments: %t", name, c.Use, takes)
		}
		first, _, _ := strings.Cut(name, " ")
		if !strings.Contains(prose, "larder "+name) && !strings.Contains(prose, "`"+first+"`") {
			t.Errorf("neither README.md nor CHANGELOG.md names the command %q", name)
		}
	}
}

var (
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	invoked   = regexp.MustCompile(`^(?:larder|go run \./cmd/larder) +(.*)$`)
	exitsWith = regexp.MustCompile(`\bexits?(?: with| code)? (\d+)`)
)

// What the pages say to type is there: commands, subcommands and flags. No page speaks of an exit code that
// larder does not have.
func TestPagesNameCommandsThatExist(t *testing.T) {
	seen := 0
	for _, p := range pages(t) {
		var lines []string
		for _, m := range codeSpan.FindAllStringSubmatch(p.prose, -1) {
			lines = append(lines, m[1])
		}
		for _, b := range p.blocks {
			if b.kind == "" {
				lines = append(lines, strings.Split(b.text, "\n")...)
			}
		}
		for _, line := range lines {
			if m := invoked.FindStringSubmatch(line); m != nil {
				seen++
				typed, _, _ := strings.Cut(m[1], "#")
				checkTyped(t, p.file, typed)
			}
		}
		for _, m := range exitsWith.FindAllStringSubmatch(p.prose, -1) {
			if !slices.Contains(exitCodes(), m[1]) {
				t.Errorf("%s says %q, and larder has the exit codes %v", p.file, m[0], exitCodes())
			}
		}
	}
	if seen < 10 {
		t.Errorf("the pages name only %d commands to type: this test does not see them", seen)
	}
}

// checkTyped finds the command of a line that starts behind "larder", and its flags.
func checkTyped(t *testing.T, file, typed string) {
	t.Helper()
	words := strings.Fields(typed)
	all := commands()
	c := all[words[0]]
	if c == nil {
		t.Errorf("%s: there is no command %q", file, words[0])
		return
	}
	if c.HasSubCommands() && len(words) > 1 {
		if c = all[words[0]+" "+words[1]]; c == nil {
			t.Errorf("%s: there is no command %q", file, words[0]+" "+words[1])
			return
		}
	}
	for _, word := range words {
		name, isFlag := strings.CutPrefix(word, "--")
		if isFlag && c.Flag(name) == nil {
			t.Errorf("%s: larder %s has no flag %s", file, words[0], word)
		}
	}
}

func exitCodes() []string {
	codes := []string{"3"} // of check
	for _, code := range []int{exitOK, exitFailed, exitUsage, exitConfig, exitInterrupted} {
		codes = append(codes, fmt.Sprint(code))
	}
	return codes
}

// larder help tells the exit codes that the process has.
func TestHelpTellsExitCodes(t *testing.T) {
	want := fmt.Sprintf("Exit codes: %d ok, %d failed, %d usage, %d bad config, %d interrupted.",
		exitOK, exitFailed, exitUsage, exitConfig, exitInterrupted)
	if !strings.Contains(longHelp, want) {
		t.Errorf("help does not hold the line %q", want)
	}
}

// The picture of status in README.md has the columns that status prints.
func TestReadmeShowsStatus(t *testing.T) {
	var printed bytes.Buffer
	a := &app{stdout: &printed}
	if err := a.printStatus(t.Context(), &parts{config: &config.Config{}}, false); err != nil {
		t.Fatal(err)
	}
	for _, b := range readPage(t, "README.md").blocks {
		first, _, _ := strings.Cut(b.text, "\n")
		if strings.HasPrefix(first, "TABLE") {
			if diff := cmp.Diff(strings.Fields(printed.String()), strings.Fields(first)); diff != "" {
				t.Errorf("columns of status (-printed +shown):\n%s", diff)
			}
			return
		}
	}
	t.Error("README.md shows no status")
}

// The message that README.md shows is one that is sent.
func TestReadmeShowsAMessage(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 20, 0, 0, time.UTC)
	a := alert.Alert{Event: alert.Firing, Level: syncer.Critical, Table: "shop.users", Source: "users", Consumer: "shop",
		Opened: now, StaleSince: now.Add(-8 * time.Minute), Facts: alert.Facts{At: now, Level: syncer.Critical,
			Reason: "last poll: connect: …", AsOf: now.Add(-23 * time.Minute), Staleness: 23 * time.Minute, Limit: 15 * time.Minute,
			Measure: syncer.MeasureStaleness, Age: 23 * time.Minute, Since: now.Add(-22 * time.Minute), NextPoll: now.Add(20 * time.Minute),
			Failure: &syncer.Failure{Class: syncer.ClassConnect, Text: "fetch page 1: reach owner: dial tcp 10.0.0.7:443: connect: connection refused"}}}
	m := alert.Message{Event: alert.Firing, Instance: "larder", Alerts: []alert.Alert{a}}
	want := m.Title() + "\n" + strings.Join(m.Lines(), "\n")
	for _, b := range readPage(t, "README.md").blocks {
		if strings.HasPrefix(b.text, "CRITICAL ") {
			if diff := cmp.Diff(want, strings.TrimSpace(b.text)); diff != "" {
				t.Errorf("message (-sent +shown):\n%s", diff)
			}
			return
		}
	}
	t.Error("README.md shows no message")
}
