package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/cmd/larder/internal/demo"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// demoCopies are the copies of the demo, as its lines name them.
var demoCopies = []string{
	"leaderboard.users", "challenge.users", "challenge.products", "challenge.weather",
	"notification.users", "trip.passengers", "trip.drivers",
}

// mustEndEqual wants the lines of a demo that went well.
func mustEndEqual(t *testing.T, out string) {
	t.Helper()
	for _, name := range demoCopies {
		if !regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(name) + `: [1-9]\d+ rows equal$`).MatchString(out) {
			t.Errorf("no line says that %s is equal", name)
		}
	}
	for _, want := range []string{
		`the first rows are there`,
		`users goes down`,
		`users is back; meanwhile the consumers read [1-9]\d* times, all succeeded`,
		`calls in a chain would have failed [1-9]\d* of \d+ times`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing matches %q", want)
		}
	}
	mustTell(t, out)
	mustBeFresh(t, out)
	if t.Failed() {
		t.Logf("the demo said:\n%s", out)
	}
}

// mustTell wants the one on call to have been told of the outage where the
// budget is tight, before it ended and when it was over, and of no other copy.
func mustTell(t *testing.T, out string) {
	t.Helper()
	order := []string{
		`users goes down`,
		`ON CALL  WARN notification\.users is \d+s stale, budget 4s\n +since \d\d:\d\d UTC.*\n +last poll: connect: `,
		`users is back`,
		`ON CALL  OK notification\.users is fresh again`,
		`told (once|\d+ times) that notification\.users is stale, (once|\d+ times) that it is fresh again,\n +and never of leaderboard\.users: `,
	}
	if !regexp.MustCompile(`(?s)` + strings.Join(order, `.*`)).MatchString(out) {
		t.Errorf("want these lines in this order:\n%s", strings.Join(order, "\n"))
	}
	for _, m := range regexp.MustCompile(`ON CALL +(.*)`).FindAllStringSubmatch(out, -1) {
		if !strings.Contains(m[1], " notification.users ") {
			t.Errorf("somebody is told without need: %s", m[1])
		}
	}
}

// mustBeFresh wants emails to be read within the budget of four seconds, with
// events and where each of them is lost. How much sooner events have them is for
// whoever runs the demo to see: it is a matter of the machine.
func mustBeFresh(t *testing.T, out string) {
	t.Helper()
	lines := regexp.MustCompile(`reads a new email (\S+) after its change \(median of ([1-9]\d*); worst (\S+)\)`).FindAllStringSubmatch(out, -1)
	if len(lines) != 2 {
		t.Errorf("%d lines say how fresh the emails are, want 2", len(lines))
		return
	}
	var ages [4]time.Duration // medians and worst
	for i, text := range []string{lines[0][1], lines[0][3], lines[1][1], lines[1][3]} {
		var err error
		if ages[i], err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	if !regexp.MustCompile(`users sent [1-9]\d* events of its changes; [1-9]\d* more were lost`).MatchString(out) {
		t.Error("want some events to arrive and some to be lost")
	}
	for i, what := range map[int]string{1: "with", 3: "without"} {
		if ages[i] > 4*time.Second {
			t.Errorf("%s events the worst is %s, over the budget", what, ages[i])
		}
	}
}

// The whole demo on SQLite, and what --dir leaves: a configuration that every
// command takes, and no credentials but in the file that only its owner reads.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	var out, stderr bytes.Buffer
	// So long that emails are sent both with events and without.
	if code := run(t.Context(), []string{"demo", "--for", "16s", "--dir", dir}, &out, &stderr); code != exitOK {
		t.Errorf("exit %d, want 0: %s", code, stderr.String())
	}
	mustEndEqual(t, out.String())
	for _, want := range []string{
		`notification\.users +\d+ +\d+\.\ds of 4s/20s +warn +last poll failed: connect`,
		`leaderboard\.users +\d+ +\d+\.\ds of 5m/15m +fresh +last poll failed: connect`,
		`its copies have caught up`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing matches %q in\n%s", want, out.String())
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr is for trouble, it has: %s", stderr.String())
	}
	secrets := environment(t, filepath.Join(dir, "larder.env"))
	for _, name := range []string{"larder.toml", "larder.log"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(text) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(text), err)
		}
		mustHide(t, name, string(text), secrets)
	}
	mustHide(t, "the story", out.String(), secrets)

	for name, value := range secrets {
		t.Setenv(name, value)
	}
	config := filepath.Join(dir, "larder.toml")
	for _, args := range [][]string{{"validate", "-c", config}, {"status", "-c", config}} {
		out.Reset()
		if code := run(t.Context(), args, &out, &stderr); code != exitOK {
			t.Errorf("larder %s: exit %d: %s", strings.Join(args, " "), code, stderr.String())
		}
	}
	for _, name := range demoCopies {
		if !strings.Contains(out.String(), name) {
			t.Errorf("status does not show %s:\n%s", name, out.String())
		}
	}
}

// environment reads the file of settings that a shell would read.
func environment(t *testing.T, file string) map[string]string {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, want 0600", file, info.Mode())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)='(.*)'$`).FindAllStringSubmatch(string(text), -1) {
		settings[m[1]] = m[2]
	}
	if settings["USERS_TOKEN"] == "" {
		t.Fatalf("%s has no USERS_TOKEN", file)
	}
	return settings
}

// mustHide wants no secret in a text. The user's name is none.
func mustHide(t *testing.T, name, text string, secrets map[string]string) {
	t.Helper()
	for variable, value := range secrets {
		if variable != "PASSENGERS_USER" && strings.Contains(text, value) {
			t.Errorf("%s shows the value of %s", name, variable)
		}
	}
}

func TestDemoOnPostgres(t *testing.T) {
	server := postgrestest.Creator(t)
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--for", demo.Shortest.String(), "--postgres", server}, &out, &stderr); code != exitOK {
		t.Errorf("exit %d, want 0: %s", code, stderr.String())
	}
	mustEndEqual(t, out.String())
	if log := mentioned(t, out.String()); !errors.Is(log, fs.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", log)
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	left := 0
	err = conn.QueryRow(t.Context(), "select count(*) from pg_database where datname like 'larder_demo_%' and pg_get_userbyid(datdba) = current_user").Scan(&left)
	if err != nil || left > 0 {
		t.Errorf("%d databases are left behind, %v", left, err)
	}
}

// mentioned looks for the log that the demo names.
func mentioned(t *testing.T, out string) error {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ +log +(\S+)$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("the demo names no log:\n%s", out)
	}
	_, err := os.Stat(filepath.Dir(m[1]))
	return err
}

// faulty is larder with two faults: polls that fail for no reason, and a row
// that is altered after the last poll.
type faulty struct {
	demo.Engine
	trip string // a database
}

func (f faulty) Run(ctx context.Context, told func(demo.Poll)) error {
	return f.Engine.Run(ctx, func(p demo.Poll) {
		if p.Source == "drivers" {
			p.Failure = "the dog ate it"
		}
		told(p)
	})
}

func (f faulty) Poll(ctx context.Context) (err error) {
	if err := f.Engine.Poll(ctx); err != nil {
		return err
	}
	conn, err := sqlite.OpenConn(f.trip, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return sqlitex.ExecuteTransient(conn, "update passengers set name = 'Nobody' where id = (select max(id) from passengers)", nil)
}

func TestDemoFailsWhereItShould(t *testing.T) {
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{Out: &out, For: demo.Shortest, Engine: func(s demo.Setup) (demo.Engine, error) {
		e, err := newDemoEngine(s)
		return faulty{e, filepath.Join(filepath.Dir(s.ConfigPath), "trip.db")}, err
	}})
	for _, want := range []string{"1 copy differs from its owner", "a poll of drivers failed while its owner was up: the dog ate it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
	if !regexp.MustCompile(`trip\.passengers: \d+ rows, 1 difference\n +id "\d+": name is "Nobody", the owner has "`).MatchString(out.String()) {
		t.Errorf("the altered row is not shown:\n%s", out.String())
	}
	if strings.Count(out.String(), "rows equal\n") != len(demoCopies)-1 {
		t.Errorf("the other copies are not equal:\n%s", out.String())
	}
}

// interrupter ends a demo at a line.
type interrupter struct {
	bytes.Buffer
	at   string
	stop func()
}

func (w *interrupter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(string(p), w.at) {
		w.stop()
	}
	return n, err
}

func TestDemoStopsCleanly(t *testing.T) {
	for _, at := range []string{"larder runs between them", "each consumer reads", "owners are frozen"} {
		t.Run(at, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			out := &interrupter{at: at, stop: stop}
			var stderr bytes.Buffer
			args := []string{"demo"}
			if strings.Contains(at, "frozen") {
				args = append(args, "--for", demo.Shortest.String())
			}
			if code := run(ctx, args, out, &stderr); code != exitInterrupted {
				t.Errorf("exit %d, want %d: %s", code, exitInterrupted, stderr.String())
			}
			if err := mentioned(t, out.String()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary folder is still there: %v", err)
			}
		})
	}
}

func TestDemoRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "thesis.txt"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--for", "9s"}, exitUsage, "too short"},
		{[]string{"--for", "-20s"}, exitUsage, "too short"},
		{[]string{"now"}, exitUsage, "no arguments"},
		{[]string{"--dir", full}, exitFailed, "not empty"},
		{[]string{"--postgres", "mysql://me:hush@db/x"}, exitFailed, "want postgres://"},
		{[]string{"--postgres", "postgres://me:hush@127.0.0.1:1/x"}, exitFailed, "127.0.0.1"},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			var out, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"demo"}, test.args...), &out, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit %d, %q; want exit %d and %q", code, stderr.String(), test.code, test.want)
			}
			if strings.Contains(stderr.String()+out.String(), "hush") {
				t.Errorf("the password is shown: %s", stderr.String())
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("a folder is left behind: %v, %v", left, err)
			}
		})
	}
}
