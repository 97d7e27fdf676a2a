package syncer_test

import (
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

func TestParts(t *testing.T) {
	one, text := []byte(`1`), []byte(`"a"`)
	parts, err := syncer.NewParts([]string{"id", "name"})
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Add([][]byte{one, text}); err != nil {
		t.Fatal(err)
	}
	if got := parts.All(); len(got) != 1 || got[0].Name != `{"id":1,"name":"a"}` || string(got[0].Value("name")) != `"a"` {
		t.Errorf("the partitions are %+v", got)
	}
	for want, row := range map[string][][]byte{
		`column "name" is null in row 2`:        {one, nil},
		`column "id" is longer than 1024 bytes`: {[]byte(strings.Repeat("1", 1025)), text},
	} {
		if err := parts.Add(row); err == nil || !strings.Contains(err.Error(), want) || syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, names := range map[string][]string{
		"no columns": nil, "column 2 of the query has no name": {"a", ""}, `two columns named "a"`: {"a", "b", "a"},
	} {
		if _, err := syncer.NewParts(names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", names, err, want)
		}
	}
}

func TestPartsAreBounded(t *testing.T) {
	parts, err := syncer.NewParts([]string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	row := [][]byte{[]byte("1")}
	for range 100_000 {
		if err := parts.Add(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := parts.Add(row); err == nil || !strings.Contains(err.Error(), "more than 100000 rows") {
		t.Errorf("one more: %v", err)
	}
}
