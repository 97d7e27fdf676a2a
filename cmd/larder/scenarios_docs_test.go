package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	scenarioRow = regexp.MustCompile(`(?m)^\| (G?\d+) \|.*\|(.*)\|$`)
	scenarioRun = regexp.MustCompile(`^(Test\w+)(?:: (?:"(.+)"|(\w+)))?$`)
)

// Every scenario has tests, and every test that the page of scenarios names is
// in the file that it leads to.
func TestScenariosAreProven(t *testing.T) {
	const file = "sources/SCENARIOS.md"
	missing := []string{"53", "54", "G1", "G2", "G3", "G6", "G8", "G11", "G12"}
	for n := 1; n <= 52; n++ {
		missing = append(missing, fmt.Sprint(n))
	}
	for _, row := range scenarioRow.FindAllStringSubmatch(readPage(t, file).prose, -1) {
		missing = slices.DeleteFunc(missing, func(n string) bool { return n == row[1] })
		tests := scenarioLink.FindAllStringSubmatch(row[2], -1)
		if len(tests) == 0 {
			t.Errorf("scenario %s names no test", row[1])
		}
		for _, l := range tests {
			if why := proves(l[1], filepath.Join(root, filepath.Dir(file), filepath.FromSlash(l[2]))); why != "" {
				t.Errorf("scenario %s: %s: %s", row[1], l[1], why)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("the page lacks %v", missing)
	}
}

var scenarioLink = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`)

// proves says why a test is not in a file; empty if it is. A name with a quoted
// part is that of a scenario of all tables, one with a word that of a script.
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
		if filepath.Base(file) != m[3]+".txtar" {
			return "leads to another script"
		}
		return ""
	}
	return holds("\nfunc " + m[1] + "(t *testing.T) {")
}
