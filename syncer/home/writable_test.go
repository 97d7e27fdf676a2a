package home_test

import (
	"path/filepath"
	"testing"
)

// TestWritable: that home can be written is proven by writing, which somebody who
// holds the file keeps it from.
func TestWritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "home.db")
	h := open(t, file, 0)
	if err := h.Writable(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := lock(t, file)
	if err := h.Writable(t.Context()); err == nil {
		t.Error("a home that somebody holds can be written")
	}
	release()
	if err := h.Writable(t.Context()); err != nil {
		t.Error(err)
	}
}
