package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
)

// app is what all commands share: where to print, and which configuration.
type app struct {
	stdout, stderr io.Writer
	configPath     string
	// daemon is set by run, whose log is what it has to say.
	daemon bool
}

var errNoConfig = errors.New("no configuration")

// load reads the configuration and builds the parts. Nothing is connected to.
func (a *app) load() (*parts, error) { return a.loadBy(config.Load, judge, judgeOutside) }

// loadForDatabases is load for commands that ask no owner, and so need none of
// the owners' secrets. What is made of receivers' secrets is not judged then.
func (a *app) loadForDatabases() (*parts, error) { return a.loadBy(config.LoadForDatabases, judge) }

func (a *app) loadBy(read func(string, func(string) (string, bool), ...config.Judge) (*config.Config, error), judges ...config.Judge) (*parts, error) {
	c, err := read(a.configPath, os.LookupEnv, judges...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is not there; name one with --config, or start from deploy/examples", errNoConfig, a.configPath)
	}
	if err != nil {
		return nil, err
	}
	log := newLog(a.stderr, c.Larder.Log)
	if !a.daemon && log.GetLevel() < zerolog.WarnLevel {
		log = log.Level(zerolog.WarnLevel) // a command says what it did on stdout
	}
	return build(c, log)
}

// newLog writes to w: for people on a terminal, as JSON elsewhere, unless the
// configuration says which.
func newLog(w io.Writer, o config.Log) zerolog.Logger {
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	console := o.Format == "console" || o.Format == "" && isTerminal(w)
	if console {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05", NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != ""}
	}
	level, err := zerolog.ParseLevel(o.Level)
	if err != nil || o.Level == "" {
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// isTerminal reports whether w is a terminal and not a file or pipe.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printJSON writes v as indented JSON.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
