package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	scenarioRow = regexp.MustCompile(`(?m)^\| ([GT]?\d+) \|.*\|(.*)\|$`)
	scenarioRun = regexp.MustCompile(`^(Test\w+)(?:: (?:"(.+)"|([\w-]+)))?$`)
	// scenarioNot begins the reason why a scenario does not apply as a whole.
	scenarioNot = regexp.MustCompile(`^ Does not apply: .{20,}`)
)

// The page of scenarios has every one, once: the 54 that
// other tools test, the twelve of what a table takes and the twelve gaps. Each
// names its tests, which are in the files that it leads to, or says why it does
// not apply.
func TestScenariosAreProven(t *testing.T) {
	numbersAreProven(t, "sources/SCENARIOS.md", map[string]int{"": 54, "T": 12, "G": 12})
}

// The page of pitfalls has all of them, once, each with its tests.
func TestPitfallsAreProven(t *testing.T) {
	numbersAreProven(t, "sources/PITFALLS.md", map[string]int{"": 36})
}

// numbersAreProven holds a page whose rows are numbered from 1 to last, behind a
// prefix, to the tests that they name.
func numbersAreProven(t *testing.T, file string, numbers map[string]int) {
	t.Helper()
	var want, got []string
	for prefix, last := range numbers {
		for n := range last {
			want = append(want, fmt.Sprint(prefix, n+1))
		}
	}
	for _, row := range scenarioRow.FindAllStringSubmatch(readPage(t, file).prose, -1) {
		got = append(got, row[1])
		tests := scenarioLink.FindAllStringSubmatch(row[2], -1)
		if len(tests) == 0 && !scenarioNot.MatchString(row[2]) {
			t.Errorf("%s: %s names no test, and does not say why it does not apply", file, row[1])
		}
		for _, l := range tests {
			if why := proves(l[1], filepath.Join(root, filepath.Dir(file), filepath.FromSlash(l[2]))); why != "" {
				t.Errorf("%s: %s: %s: %s", file, row[1], l[1], why)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var scenarioLink = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`)

// proves says why a test is not in a file; empty if it is. A name with a quoted
// part is that of a scenario of all tables, one with a word that of the file
// which it leads to: a script, or a configuration with a mistake.
func proves(name, file string) string {
	m := scenarioRun.FindStringSubmatch(name)
	text, err := os.ReadFile(file)
	holds := func(what string) string {
		if !strings.Contains(string(text), what) {
			return fmt.Sprintf("%s does not hold %s", filepath.Base(file), what)
		}
		return ""
	}
	switch {
	case err != nil:
		return err.Error()
	case m == nil:
		return "is no name of a test"
	case m[2] != "":
		return holds(fmt.Sprintf("%q: func(t *testing.T, b *bench)", m[2]))
	case m[3] != "":
		if filepath.Base(file) != m[3]+map[string]string{"TestScripts": ".txtar", "TestMistakes": ".toml"}[m[1]] {
			return "leads to another file"
		}
		return ""
	}
	return holds("\nfunc " + m[1] + "(t *testing.T) {")
}
