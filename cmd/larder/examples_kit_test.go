package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

// example is a file of deploy/examples at work, as it stands: only where its
// owner, the endpoint of its tokens and the consumer's database are is another.
// Every poll starts with nothing in memory, as the command poll does.
type example struct {
	t      *testing.T
	config string
	file   string // of the consumer's database
	dir    string
}

// secretOf is what a variable of the environment holds.
func secretOf(name string) string { return "value of " + name }

func bearer(name string) string { return "Bearer " + secretOf(name) }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(secretOf(user)+":"+secretOf(password)))
}

var (
	urlLine      = regexp.MustCompile(`(?m)^(url *=) "https://[^/"]+(.*)"$`)
	tokenURL     = regexp.MustCompile(`token_url = "https://[^/"]+([^"]*)"`)
	databaseLine = regexp.MustCompile(`(?m)^consumer\.app\.database = ".*"$`)
)

// newExample puts an owner behind a file of deploy/examples.
func newExample(t *testing.T, name string, d *door) *example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "examples", name+".toml"))
	if err != nil {
		t.Fatal(err)
	}
	return newRun(t, string(text), d)
}

// newRun puts an owner behind a configuration.
func newRun(t *testing.T, text string, d *door) *example {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	e := &example{t: t, dir: t.TempDir(), config: text}
	e.file = filepath.Join(e.dir, "copy.db")
	if m := tokenURL.FindStringSubmatch(text); m != nil {
		d.tokenPath = m[1]
	}
	for what, by := range map[*regexp.Regexp]string{
		urlLine:      `${1} "` + server.URL + `${2}"`,
		tokenURL:     `token_url = "` + server.URL + `${1}"`,
		databaseLine: `consumer.app.database = "sqlite:` + e.file + `"`,
	} {
		if n := len(what.FindAllString(text, -1)); n != 1 && (n != 0 || what != tokenURL) {
			t.Fatalf("%s is there %d times", what, n)
		}
		e.config = what.ReplaceAllString(e.config, by)
	}
	return e
}

// build makes the parts of the file, as every command does.
func (e *example) build() *parts {
	e.t.Helper()
	env := func(name string) (string, bool) {
		if name == "STATE_DIRECTORY" {
			return e.dir, true
		}
		return secretOf(name), true
	}
	c, err := config.Parse(filepath.Join(e.dir, "larder.toml"), []byte(e.config), env)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, o := range c.Owners {
		if o.Burst > 0 {
			o.Burst = 1000 // the rate is the owner's; no test waits for it
		}
		o.Retry.Min, o.Retry.Max = time.Millisecond, time.Millisecond // nor between two attempts
	}
	var log bytes.Buffer
	p, err := build(c, zerolog.New(&log).Level(zerolog.WarnLevel))
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		if strings.Contains(log.String(), "value of") {
			e.t.Errorf("the log holds a secret: %s", &log)
		}
	})
	return p
}

// with lets do have the feed of the file, under the consumer's lease.
func (e *example) with(do func(context.Context, *feed) []syncer.Report) []syncer.Report {
	e.t.Helper()
	p := e.build()
	defer p.close()
	f := p.feeds[0]
	var reports []syncer.Report
	if _, err := hold(e.t.Context(), f.consumers, func(ctx context.Context) error {
		reports = do(ctx, f)
		return nil
	}); err != nil {
		e.t.Fatal(err)
	}
	return reports
}

// tryPoll polls once, well or not.
func (e *example) tryPoll() []syncer.Report {
	e.t.Helper()
	return e.with(func(ctx context.Context, f *feed) []syncer.Report { return f.Poll(ctx, time.Time{}) })
}

// poll polls once, well, in walks of these kinds.
func (e *example) poll(kinds ...syncer.WalkKind) []syncer.Report {
	e.t.Helper()
	return e.well("poll", e.tryPoll(), kinds)
}

// audit audits once, as the file says, in a number of walks that compare, and
// puts right what the file says so of. What differs has to last for overlap and
// lag, for which no test waits.
func (e *example) audit(walks int) syncer.Audited {
	e.t.Helper()
	reports := e.with(func(ctx context.Context, f *feed) []syncer.Report {
		if f.Audit == nil {
			e.t.Fatal("the file has no audit")
		}
		f.Persist = 0
		reports, err := f.AuditNow(ctx, f.Copies[0], f.Audit.Repair)
		if err != nil {
			e.t.Error(err)
		}
		return reports
	})
	reports = slices.DeleteFunc(reports, func(r syncer.Report) bool { return r.OK() && r.Kind == syncer.Changes })
	e.well("audit", reports, slices.Repeat([]syncer.WalkKind{syncer.Audit}, walks))
	var all syncer.Audited
	for _, r := range reports {
		for _, t := range r.Tables {
			if a := t.Settled.Audit; a != nil {
				all.Missing, all.Extra, all.Different = all.Missing+a.Missing, all.Extra+a.Extra, all.Different+a.Different
				all.Repaired, all.Held = all.Repaired+a.Repaired, all.Held+a.Held
			}
		}
	}
	return all
}

func (e *example) well(what string, reports []syncer.Report, kinds []syncer.WalkKind) []syncer.Report {
	e.t.Helper()
	var got []syncer.WalkKind
	for _, r := range reports {
		got = append(got, r.Kind)
		if !r.OK() {
			e.t.Fatalf("%s fails: %+v, tables %+v", what, r.Failure, r.Tables)
		}
	}
	if diff := cmp.Diff(kinds, got); diff != "" {
		e.t.Errorf("%s walks (-want +got):\n%s", what, diff)
	}
	return reports
}

// holds compares the copy, as a query tells it, with what the owner has.
func (e *example) holds(when, text string, want []string) {
	e.t.Helper()
	rows, err := query(e.file, text)
	if err != nil {
		e.t.Fatal(err)
	}
	var got []string
	if rows != "" {
		got = strings.Split(rows, ",")
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		e.t.Errorf("%s (-owner +copy):\n%s", when, diff)
	}
}

// alter writes to the consumer's database behind larder's back.
func (e *example) alter(text string) {
	e.t.Helper()
	conn, err := sqlite.OpenConn(e.file, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetBusyTimeout(5 * time.Second)
	if err := sqlitex.ExecuteScript(conn, text, nil); err != nil {
		e.t.Fatal(err)
	}
}
