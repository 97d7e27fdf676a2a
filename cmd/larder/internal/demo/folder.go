package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// folder is where the demo's files are.
type folder struct {
	path string
	// stays says that the user named it, so that nothing is removed.
	stays bool
}

// openFolder makes the folder. One that the user names must be empty: nothing
// of theirs is ever overwritten.
func openFolder(dir string) (*folder, error) {
	if dir == "" {
		path, err := os.MkdirTemp("", "larder-demo-")
		return &folder{path: path}, err
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(path, 0o700)
	case err == nil && len(entries) > 0:
		err = fmt.Errorf("use folder %q: it is not empty", path)
	}
	return &folder{path: path, stays: true}, err
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) write(name string, data []byte) error {
	return os.WriteFile(f.file(name), data, 0o600)
}

// remove removes the folder unless it stays.
func (f *folder) remove() error {
	if f.stays {
		return nil
	}
	return os.RemoveAll(f.path)
}
