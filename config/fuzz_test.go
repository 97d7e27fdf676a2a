package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/larder-sync/larder/config"
)

// No text makes Parse panic; it gives a config, or mistakes that all have a place in the file.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.toml"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("testdata/fuzz.toml", data, environ("TOKEN", "{canary}"))
		if err == nil {
			checkWhole(t, c)
			if err := validate(t, data); err != nil {
				t.Errorf("the program takes what its schema refuses: %v", err)
			}
			return
		}
		mistakes, ok := errors.AsType[config.Mistakes](err)
		if !ok || len(mistakes) == 0 || c != nil {
			t.Fatalf("not mistakes: %v", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, m := range mistakes {
			if m.Line < 1 || m.Line > lines || m.Column < 1 || m.Text == "" || m.File != "testdata/fuzz.toml" {
				t.Errorf("a mistake without a place: %#v", m)
			}
		}
		if !slices.IsSortedFunc(mistakes, func(a, b config.Mistake) int { return a.Line - b.Line }) {
			t.Errorf("not sorted: %v", err)
		}
	})
}

func checkWholeParts(t *testing.T, s *config.Source) {
	several := len(s.Each) > 0 || s.EachQuery != nil
	if q := s.EachQuery; q != nil && (q.Consumer == nil || q.SQL == "" || len(s.Each) > 0) || several != (s.EachConcurrency > 0) {
		t.Errorf("the partitions of %q are not whole: %#v, %d at one time", s.Name, q, s.EachConcurrency)
	}
	if w := s.Watermark; w != nil && (w.Window > 0) != (w.Slices > 0) || w != nil && w.Window > 0 && (w.Initial == "" || !s.Request.Uses("until")) {
		t.Errorf("the slices of %q are not whole: %#v", s.Name, w)
	}
	if a := s.Audit; a != nil && (a.Schedule == "" || (a.Share > 0) != (a.Compare == config.CompareSample)) {
		t.Errorf("the audit of %q is not whole: %#v", s.Name, a)
	}
	if h := s.Records.Hydrate; h != nil && (h.Batch < 1 || h.Join == "" || h.Request.Uses("keys") == h.Request.Uses("record")) {
		t.Errorf("the hydrate of %q is not whole: %#v", s.Name, h)
	}
}

// checkWhole checks what others rely on in a config that was taken.
func checkWhole(t *testing.T, c *config.Config) {
	for _, s := range c.Sources {
		if s.Owner == nil || len(s.Records.Key) == 0 || s.Paging.By == "" || (s.Watermark == nil) != (s.Mode == config.Snapshot) {
			t.Errorf("source %q is not whole: %#v", s.Name, s)
		}
		checkWholeParts(t, s)
	}
	for _, table := range c.Tables {
		if table.Source == nil || table.Consumer == nil || table.Budget.Critical <= 0 && table.Budget.Grace.Critical <= 0 || table.Confirm < 1 {
			t.Fatalf("table %q is not whole: %#v", table.Name, table)
		}
		if len(table.Key) != len(table.Source.Records.Key) {
			t.Errorf("table %q has the key %q", table.Name, table.Key)
		}
		for _, column := range table.Columns {
			if column.Name == "" || (len(column.From) == 0) != (column.Expr != "") || !column.Type.IsZero() && !slices.Contains(config.ColumnTypes(), column.Type.Name) {
				t.Errorf("column %q of %q is not whole: %#v", column.Name, table.Name, column)
			}
		}
	}
}
