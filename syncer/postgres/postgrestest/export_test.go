package postgrestest

// Dir is the directory of a server of Start.
func (s *Server) Dir() string { return s.own.dir }

// Installed is the search for installed binaries, in PATH and in the given places.
func Installed(places []string) (string, bool) { return installed(places) }

// Fetch is the way without installed binaries.
func Fetch(dir string) (string, error) { return fetch(dir) }
