package config

import (
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Larder is what the daemon as a whole is told.
type Larder struct {
	Name        string        // of this larder, in alerts
	Home        string        // the SQLite file of poll history
	Timezone    string        // of cron specs without CRON_TZ=; a name that time.LoadLocation takes
	Concurrency int           // polls at one time
	History     time.Duration // how long poll history stays
	Log         Log
	// Listen is HOST:PORT, or empty for none; ListenSaid tells that it is not the default.
	Listen     string
	ListenSaid bool
	ReadToken  Secret     // zero: none is asked for
	Heartbeat  *Heartbeat // nil: none
	// StartupGrace is how long a start waits for a copy's first poll before anybody is told of it; 0: not at all.
	StartupGrace time.Duration
}

// Log is how log lines look and which are written.
type Log struct {
	Format string // "console", "json", or "" for console on a terminal and json elsewhere
	Level  string // "trace", "debug", "info", "warn", "error"
}

func (r *reader) larder(n *node) Larder {
	l := defaultLarder(r.dir, r.env)
	if n == nil {
		return l
	}
	r.expand(n)
	s, ok := r.section(n)
	if !ok {
		return l
	}
	r.instance(s, &l)
	if home := s.child("home"); home != nil {
		l.Home = r.home(home)
	}
	if zone := s.child("timezone"); zone != nil {
		l.Timezone, _ = r.zone(zone)
	}
	s.integer("concurrency", &l.Concurrency)
	s.duration("history", &l.History)
	if log := s.child("log"); log != nil {
		if s, ok := r.section(log); ok {
			choose(s, "format", &l.Log.Format)
			choose(s, "level", &l.Log.Level)
		}
	}
	r.listen(s, &l)
	if heartbeat := s.child("heartbeat"); heartbeat != nil {
		l.Heartbeat = r.heartbeat(heartbeat)
	}
	s.duration("startup_grace", &l.StartupGrace)
	return l
}

// instance reads what this larder is called.
func (r *reader) instance(s section, into *Larder) {
	n, text, ok := s.given("name")
	if !ok {
		return
	}
	if text == "" || len(text) > 100 || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
		r.wrong(n, "the name must be 1 to 100 bytes of text in one line")
		return
	}
	into.Name = text
}

// home reads the file of poll history.
func (r *reader) home(n *node) string {
	text, ok := r.text(n)
	if !ok {
		return ""
	}
	file := strings.TrimPrefix(text, "sqlite:")
	switch {
	case strings.Contains(file, "://"):
		r.wrong(n, "must be a file, which larder makes as a SQLite database")
	case file == "":
		r.wrong(n, "is empty; write the name of a file, or leave it out")
	}
	return r.resolve(file)
}

// stateFile is where the home is unless it is said: in the folder that systemd made for the unit, of which it
// may name several, else beside the config.
func stateFile(dir string, env func(string) (string, bool)) string {
	if state, ok := env("STATE_DIRECTORY"); ok && state != "" {
		dir, _, _ = strings.Cut(state, ":")
	}
	return filepath.Join(dir, "larder.db")
}
