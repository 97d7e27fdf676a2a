package postgrestest

import (
	"strings"
	"testing"
)

// Dir is the directory of a server of Start.
func (s *Server) Dir() string { return s.own.dir }

// Installed is the search for installed binaries, in PATH and in the given places.
func Installed(places []string) (string, bool) { return installed(places) }

// Fetch is the way without installed binaries.
func Fetch(dir string) (string, error) { return fetch(dir) }

// Admin is the URL of the shared server's superuser, in the database of that path.
func Admin(tb testing.TB, path string) string {
	return mustRewrite(tb, sharedServer(tb).admin, login{database: strings.TrimPrefix(path, "/")})
}
