package postgrestest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// places are where packages put the server's binaries, which most keep out of PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
	"/usr/pgsql-*/bin",                  // postgresql.org for Red Hat
	"/usr/libexec/postgresql*",          // Alpine
	"/usr/local/pgsql/bin",              // from source
	"/opt/homebrew/opt/postgresql*/bin", // Homebrew on arm64
	"/usr/local/opt/postgresql*/bin",    // Homebrew on amd64
	"/opt/local/lib/postgresql*/bin",    // MacPorts
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

var number = regexp.MustCompile(`\d+`)

// binaries returns the folder of initdb, pg_ctl and postgres: an installed one, else one that
// is fetched into dir.
func binaries(dir string) (string, error) {
	if bin, ok := installed(places); ok {
		return bin, nil
	}
	bin, err := fetch(filepath.Join(dir, "fetched"))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNoPostgres, err)
	}
	return bin, nil
}

// installed looks in PATH, then in globs; of several versions the newest counts.
func installed(globs []string) (string, bool) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// A link in PATH points to the folder where the other binaries are too.
		if real, err := filepath.EvalSymlinks(initdb); err == nil && complete(filepath.Dir(real)) {
			return filepath.Dir(real), true
		}
	}
	var found []string
	for _, glob := range globs {
		matches, _ := filepath.Glob(glob) // the patterns are ours and sound
		found = append(found, slices.DeleteFunc(matches, func(bin string) bool { return !complete(bin) })...)
	}
	if len(found) == 0 {
		return "", false
	}
	return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), true
}

func complete(bin string) bool {
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return false
		}
	}
	return true
}

// version is the major version in the name of the folder, or of the one above a "bin"; a name
// without any counts as the oldest.
func version(bin string) int {
	name := filepath.Base(bin)
	if name == "bin" {
		name = filepath.Base(filepath.Dir(bin))
	}
	n, _ := strconv.Atoi(number.FindString(name))
	return n
}

// fetch downloads the binaries, or takes them from the user's cache, and unpacks them into dir.
//
// Start of the library would go on and run a server, but never as root, and it outlives a
// killed test. So its data directory is put below a plain file: Start unpacks, then fails
// there, and the failure is expected. It has no bound on time of its own.
func fetch(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	barrier := filepath.Join(dir, "barrier")
	if err := os.WriteFile(barrier, nil, 0o600); err != nil {
		return "", err
	}
	config := embedded.DefaultConfig().
		Port(0).
		Logger(io.Discard).
		RuntimePath(filepath.Join(dir, "runtime")).
		BinariesPath(filepath.Join(dir, "postgres")).
		DataPath(filepath.Join(barrier, "data"))
	done := make(chan error, 1)
	go func() { done <- embedded.NewDatabase(config).Start() }()
	var started error
	select {
	case started = <-done:
	case <-time.After(3 * time.Minute):
		started = errors.New("gave up after 3m")
	}
	bin := filepath.Join(dir, "postgres", "bin")
	if !complete(bin) {
		return "", fmt.Errorf("fetch Postgres: %w", started)
	}
	return bin, handOver(dir)
}

// handOver makes a tree unpacked by root the servant's, who must be able to remove it.
func handOver(dir string) error {
	servant, err := servant()
	if servant == nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(servant.Uid), int(servant.Gid))
	})
}
