package sqlite

import (
	"strings"
	"testing"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"
)

// FuzzQuote gives a column any name and finds it again under it.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"id", `"`, `""; drop table x; --`, "sélect", "a.b", "?1", "`", "[x]", "'", "\\", "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, 0) || len(name) > 63 {
			t.Skip() // the configuration refuses such names
		}
		c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := run(c, "CREATE TABLE t (x, "+quote(name+"_")+")"); err != nil && strings.Contains(err.Error(), "duplicate") {
			t.Skip()
		} else if err != nil {
			t.Fatal(err)
		}
		found := ""
		err = each(c, "SELECT name FROM pragma_table_info('t') WHERE cid = 1", func(s *sqlite.Stmt) error {
			found = s.ColumnText(0)
			return nil
		})
		if err != nil || found != name+"_" {
			t.Errorf("column %q is called %q, %v", name+"_", found, err)
		}
	})
}

// FuzzOwnNames: names of our own tables are short, quoted and never shared.
func FuzzOwnNames(f *testing.F) {
	f.Add("a.b", "a_b")
	f.Add(strings.Repeat("x", 70), strings.Repeat("x", 71))
	f.Add("users", "users.")
	f.Fuzz(func(t *testing.T, a, b string) {
		p := prefix("larder_")
		one, other := p.own("seen_", a), p.own("seen_", b)
		if len(one) > 63 || a != b && one == other {
			t.Errorf("targets %q and %q have notes %q and %q", a, b, one, other)
		}
	})
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{"3.51.3": true, "3.52.0": true, "4.0.0": true, "3.51.10": true, "3.51.2": false, "3.40.1": false, "": false} {
		if got := atLeast(version, oldest); got != want {
			t.Errorf("version %q is new enough: %v", version, got)
		}
	}
	if !atLeast(sqlite.Version, oldest) {
		t.Errorf("the linked SQLite %s damages files in WAL mode", sqlite.Version)
	}
}
