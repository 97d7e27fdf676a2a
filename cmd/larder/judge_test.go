package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

// What only we can judge is judged of every file that is wrong in another way, too: without a panic, beside all that
// is wrong with it, and never as a consequence of that. None of these files has a schedule, a budget or an expression
// that is wrong by itself.
func TestJudgeAddsNoConsequences(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config", "testdata", "bad", "*.toml"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d bad files: %v", len(files), err)
	}
	env := func(name string) (string, bool) {
		value, ok := map[string]string{"LINES": "two\nlines", "TOKEN": "x", "BAD_DSN": "mysql://db/x"}[name]
		return value, ok
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, without := config.Parse(file, data, env)
		_, with := config.Parse(file, data, env, judge, judgeOutside)
		want, ok := errors.AsType[config.Mistakes](without)
		got, ok2 := errors.AsType[config.Mistakes](with)
		if !ok || !ok2 {
			t.Fatalf("%s: %v, %v", file, without, with)
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: told are\n%v\nand with what we judge\n%v", file, want, got)
		}
	}
}

// What the server does not take is told at its key: an address that only looks like one of this machine, and a nudge that
// nobody could prove.
func TestWhatTheServerDoesNotTakeIsAMistake(t *testing.T) {
	text := "larder.listen = \"door.localhost:8421\"" + strings.NewReplacer("SCHEDULE", "auto", "SOURCE\n", "", "BUDGET", `"1h"`).Replace(linted) +
		"[nudge.users]\nkind = \"bearer\"\nsecret = \"canary-canary-canary\"\n"
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false }, judge)
	if err != nil {
		t.Fatal(err)
	}
	c.Nudges[0].Kind = config.NudgeStandard
	want := `larder.toml:1:17: larder: listen: listen on "door.localhost:8421": other than loopback needs a token for reading; write 127.0.0.1, or tokens beside it
larder.toml:17:10: nudge "users": secret: secret of kind standard must be whsec_ and base64`
	if got := judgeOutside(c).Error(); got != want {
		t.Errorf("told is\n%s\nwant\n%s", got, want)
	}
}

const unmade = `
[alert.slack]
kind = "slack"
url  = "https://[fe80::1]/x"
[alert.pager]
kind        = "pagerduty"
routing_key = "canary"
url         = "https://169.254.169.254/x"
[alert.mail]
kind = "email"
smtp = "smtp://canary:canary@mail.internal:99999"
from = "a@example.com"
to   = "b@example.com"
[alert.post]
kind = "email"
smtp = "smtp://169.254.169.254"
from = "a@example.com"
to   = "b@example.com"
[alert.am]
kind = "alertmanager"
urls = ["http://alertmanager:9093", "http://100.100.100.200:9093"]
[alert.shared]
kind = "ntfy"
topic = "larder"
[defaults.alert]
hours_off = { from = "22:00", to = "07:00" }
`

// What cannot be made of the file is a mistake at its key as any other, and all of them are told with the mistakes of
// other kinds. Who only asks databases is not told: there the secrets may be missing that receivers are made of.
func TestWhatCannotBeMadeIsAMistake(t *testing.T) {
	text := `larder.heartbeat = "https://169.254.169.254/beat"` + strings.NewReplacer("SCHEDULE", "61 * * * *", "SOURCE\n", "", "BUDGET", `"1h"`).Replace(linted) + unmade
	file := filepath.Join(t.TempDir(), "larder.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const blocked = "leads to a link-local address, where a cloud's machine finds its keys"
	_, err := (&app{configPath: file, stderr: io.Discard}).load()
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		t.Fatalf("%v, want mistakes", err)
	}
	var got []string
	for _, m := range mistakes {
		got = append(got, strings.TrimPrefix(m.Error(), file+":"))
	}
	want := []string{
		"1:20: larder: heartbeat.url: " + blocked,
		`6:13: source "users": schedule: parse "61 * * * *": minute "61": want 0-59, *, lists, ranges and steps`,
		`18:8: alert "slack": url: ` + blocked,
		`22:15: alert "pager": url: ` + blocked,
		`25:8: alert "mail": smtp: must name a host, and a port from 1 to 65535 or none`,
		`30:8: alert "post": smtp: ` + blocked,
		`35:37: alert "am": urls[1]: ` + blocked,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("a secret is told: %v", err)
	}
	_, err = (&app{configPath: file, stderr: io.Discard}).loadForDatabases()
	if mistakes, _ = errors.AsType[config.Mistakes](err); len(mistakes) != 1 {
		t.Errorf("to who only asks databases is told %v, want the schedule alone", err)
	}
}
