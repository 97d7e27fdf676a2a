package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

// wants returns the mistakes that a bad file says it has, in its leading comment.
func wants(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		want, ok := strings.CutPrefix(line, "# want: ")
		if !ok {
			break
		}
		all = append(all, strings.TrimSuffix(want, "\n"))
	}
	if len(all) == 0 {
		t.Fatalf("%s begins with no `# want: ` line", file)
	}
	return all
}

// Every mistake has a file; all mistakes of a file are told, at their place, and none besides.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		t.Run(strings.TrimSuffix(base, ".toml"), func(t *testing.T) {
			want := wants(t, file)
			c, err := config.Load(file, environ("LINES", "two\nlines", "TOKEN", "canary-4711", "BAD_DSN", "mysql://root:canary-4711@db/x"))
			mistakes, ok := errors.AsType[config.Mistakes](err)
			if !ok || c != nil {
				t.Fatalf("Load: config %v, error %v; want only mistakes", c, err)
			}
			var got []string
			for _, m := range mistakes {
				if m.File != file {
					t.Errorf("mistake in %q, not in the file that was read", m.File)
				}
				m.File = base
				m.Text = strings.ReplaceAll(m.Text, file, base)
				got = append(got, m.Error())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret stands in a mistake:\n%v", err)
			}
		})
	}
}
