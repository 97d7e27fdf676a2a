package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/larder-sync/larder/config"
)

// What only we can judge is judged of every file that is wrong in another way, too: without a panic, beside all that
// is wrong with it, and never as a consequence of that. None of these files has a schedule, a budget or an expression
// that is wrong by itself.
func TestJudgeAddsNoConsequences(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config", "testdata", "bad", "*.toml"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d bad files: %v", len(files), err)
	}
	env := func(name string) (string, bool) {
		value, ok := map[string]string{"LINES": "two\nlines", "TOKEN": "x", "BAD_DSN": "mysql://db/x"}[name]
		return value, ok
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, without := config.Parse(file, data, env)
		_, with := config.Parse(file, data, env, judge)
		want, ok := errors.AsType[config.Mistakes](without)
		got, ok2 := errors.AsType[config.Mistakes](with)
		if !ok || !ok2 {
			t.Fatalf("%s: %v, %v", file, without, with)
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: told are\n%v\nand with what we judge\n%v", file, want, got)
		}
	}
}
