//go:build unix

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// alertRig is a larder with a copy whose owner can be made to fail, and a
// receiver who is to be told of that.
type alertRig struct {
	*testing.T
	down     atomic.Bool
	receiver *killtest.Receiver
	copied   killtest.SQLite
	home     string
	larder   killtest.Larder
	now      atomic.Pointer[running]
	logs     []func() string // of the story's daemons
}

const alertConfig = `
larder.home = %q
larder.listen = ""
larder.startup_grace = "0s"
consumer.shop.database = %q
[owner.users]
url = %q
retry = { attempts = 1 }
[source.users]
schedule  = "@every 1s"
jitter    = "0s"
request   = { path = "/users", query = { updated_since = "{since}", cursor = "{cursor}" } }
paging    = { next = "meta.next_cursor" }
records   = { at = "data", key = "id", deleted = "deleted_at" }
watermark = { from = "updated_at", overlap = %q }
[[table]]
source  = "users"
budget  = "3s"
columns = { id = "bigint", name = "text", amount = "numeric", updated_at = "timestamptz" }
[alert.oncall]
kind   = "webhook"
url    = %q
secret = %q
group  = "0s"
`

func newAlertRig(t *testing.T, program string) *alertRig {
	t.Helper()
	dir := t.TempDir()
	r := &alertRig{T: t, receiver: killtest.NewReceiver(t), copied: killtest.SQLite{File: filepath.Join(dir, "shop.db")},
		home: filepath.Join(dir, "home.db")}
	owner := killtest.NewOwner(t, 3)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		owner.ServeHTTP(w, q)
	}))
	t.Cleanup(gate.Close)
	r.larder = killtest.Larder{Program: program, Config: filepath.Join(dir, "larder.toml")}
	text := fmt.Sprintf(alertConfig, r.home, "sqlite:"+r.copied.File, gate.URL, killtest.Overlap, r.receiver.URL(), killtest.ReceiverSecret)
	if err := os.WriteFile(r.larder.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.larder.Start(t, "poll").Wait(); err != nil {
		t.Fatal(err)
	}
	return r
}

// grow makes the copy as old as it would be had nobody polled for a minute,
// while no daemon runs.
func (r *alertRig) grow() {
	r.Helper()
	r.endLease()
	r.change(r.copied.File, `UPDATE larder_watermark SET as_of = as_of - 60, deletes_as_of = deletes_as_of - 60,
		critical_at = critical_at - 60, next_poll = 0`)
}

func (r *alertRig) endLease() {
	r.Helper()
	if err := r.copied.EndLease(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func (r *alertRig) change(file, statement string) {
	r.Helper()
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err == nil {
		conn.SetBusyTimeout(5 * time.Second)
		err = errors.Join(sqlitex.ExecuteScript(conn, statement, nil), conn.Close())
	}
	if err != nil {
		r.Fatal(err)
	}
}

// settled reports whether home says that all is told.
func (r *alertRig) settled() bool {
	return r.asked(`SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM episode WHERE closed IS NULL)
		+ (SELECT count(*) FROM told WHERE NOT resolved)`) == 0
}

// daemon is a larder that runs: struck under a trace, or plain.
type daemon interface {
	Kill()
	ID() int
}

// running is a daemon with a word of its end.
type running struct {
	daemon
	ended chan struct{}
}

func (r *alertRig) start() {
	p := r.larder.Start(r.T, "run")
	r.runs(p, p.Wait, p.Log)
}

func (r *alertRig) runs(d daemon, wait func() error, log func() string) {
	now := &running{daemon: d, ended: make(chan struct{})}
	r.now.Store(now)
	r.logs = append(r.logs, log)
	go func() { _ = wait(); close(now.ended) }()
}

// startTraced starts a daemon that is killed at a write to home.
func (r *alertRig) startTraced(trace *killtest.Trace) {
	r.Helper()
	output, err := os.Create(filepath.Join(r.TempDir(), "output"))
	if err != nil {
		r.Fatal(err)
	}
	defer output.Close()
	err = trace.Start(r.larder.Args("run"), output)
	switch {
	case errors.Is(err, killtest.ErrNoTrace):
		mustTrace(r.T, err)
	case err != nil:
		r.Fatal(err)
	}
	r.Cleanup(trace.Kill)
	r.runs(trace, trace.Wait, func() string {
		text, _ := os.ReadFile(output.Name())
		return string(text)
	})
}

// story is one episode: a copy that is too old when larder starts, and an owner
// that is well again once the receiver has been told. Whenever the daemon is
// gone, another one takes its place.
type story struct {
	*alertRig
	label string
	from  int
	kills int
}

func (r *alertRig) begin(label string) *story {
	r.Helper()
	taken, _ := r.receiver.Taken()
	r.logs = nil
	r.down.Store(true)
	r.grow()
	return &story{alertRig: r, label: label, from: len(taken)}
}

// tell plays the story of a daemon that was started to its end and judges what the receiver got.
func (s *story) tell() {
	s.Helper()
	s.until("firing", func() bool { return s.count("firing") > 0 })
	s.down.Store(false)
	s.until("resolved", func() bool { return s.count("resolved") > 0 })
	s.until("that all is told", s.settled)
	s.stop()
	s.judge()
}

// until waits for what must happen, whoever runs.
func (s *story) until(what string, happened func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	_, err := killtest.Eventually(ctx, 20*time.Millisecond, func() (bool, error) {
		select {
		case <-s.now.Load().ended:
			s.kills++
			s.endLease()
			s.start()
		default:
		}
		return happened(), nil
	})
	if err != nil {
		taken, wrong := s.receiver.Taken()
		s.Fatalf("%s: no word of %s: %v; the receiver has %+v, and %q", s.label, what, err, taken[s.from:], wrong)
	}
}

// stop ends the daemon as a person does.
func (s *story) stop() {
	s.Helper()
	now := s.now.Load()
	_ = syscall.Kill(now.ID(), syscall.SIGTERM) // it may have been killed just now
	select {
	case <-now.ended:
	case <-s.within(patience):
		s.Fatalf("%s: daemon does not stop", s.label)
	}
}

func (r *alertRig) within(d time.Duration) <-chan struct{} {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	r.Cleanup(cancel)
	return ctx.Done()
}

func (s *story) count(event string) (n int) {
	taken, _ := s.receiver.Taken()
	for _, d := range taken[s.from:] {
		if d.Event == event {
			n++
		}
	}
	return n
}

// judge demands one episode: a firing, then its end, each perhaps more than once,
// but then by the same ID and in the same words.
func (s *story) judge() {
	s.Helper()
	taken, wrong := s.receiver.Taken()
	if len(wrong) > 0 {
		s.Fatalf("%s: the receiver got what is no message: %q", s.label, wrong)
	}
	first := make(map[string]killtest.Delivery)
	var events []string
	for _, d := range taken[s.from:] {
		events = append(events, d.Event)
		before, again := first[d.Event]
		switch {
		case strings.Join(d.Tables, ",") != "shop.users":
			s.Errorf("%s: a message is about %q", s.label, d.Tables)
		case again && (d.ID != before.ID || d.Body != before.Body):
			s.Errorf("%s: what is told again is another message:\n%s %s\n%s %s", s.label, before.ID, before.Body, d.ID, d.Body)
		}
		first[d.Event] = d
	}
	told := strings.Join(events, " ")
	if told != strings.TrimSpace(strings.Repeat("firing ", s.count("firing"))+strings.Repeat("resolved ", s.count("resolved"))) {
		s.Errorf("%s: the receiver was told: %s", s.label, told)
	}
	if s.Failed() {
		for i, log := range s.logs {
			s.Logf("daemon %d of the story says:\n%s", i+1, log())
		}
		s.FailNow()
	}
}

// asked is the number that home answers; -1 while it cannot be read.
func (r *alertRig) asked(query string) int { return number(r.home, query) }

// number is what a file answers; -1 while it cannot be read.
func number(file, query string) int {
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		return -1
	}
	defer conn.Close()
	conn.SetBusyTimeout(5 * time.Second)
	asked, err := conn.Prepare(query) // home may be made anew at this moment
	if err != nil {
		return -1
	}
	n, err := sqlitex.ResultInt(asked)
	if err != nil {
		return -1
	}
	return n
}
