package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

// Whatever ends ends all, and all that was wrong is told.
func TestDaemonEndsTogether(t *testing.T) {
	wrong := errors.New("cannot go on")
	ended := 0
	d := &daemon{}
	d.add("first", func(ctx context.Context) error { <-ctx.Done(); ended++; return nil })
	d.add("second", func(context.Context) error { return wrong })
	err := d.Run(t.Context())
	if !errors.Is(err, wrong) || err.Error() != "second: cannot go on" || ended != 1 {
		t.Errorf("%v, with %d others ended", err, ended)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	d.lives = d.lives[:1]
	if err := d.Run(ctx); err != nil || ended != 2 {
		t.Errorf("when told to stop: %v, with %d ended", err, ended)
	}
}

// counter is a watch that counts.
type counter int

func (c *counter) Judged(time.Time, []syncer.Judged) { *c++ }

func TestEachIsTold(t *testing.T) {
	var first, second counter
	if (watches{&first, &second}).Judged(time.Now(), nil); first != 1 || second != 1 {
		t.Errorf("told %d and %d times", first, second)
	}
}

// listening makes the server of a configuration that listens to addr.
func listening(t *testing.T, addr string, chosen bool, nudge string, log io.Writer) error {
	t.Helper()
	p := alertingParts(t, nudge)
	p.config.Larder.Listen, p.config.Larder.ListenSaid, p.log = addr, chosen, zerolog.New(log)
	server, err := p.web(t.Context(), func() error { return nil })
	if err != nil || server == nil {
		return err
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]string{"/metrics": "larder_build_info", "/ping": "ok"} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, without %q", path, err, want)
		}
	}
	return nil
}

// A port that nobody chose and somebody has is done without, but where nudges
// would be lost unseen; a chosen one must be free.
func TestListenAddressThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const nudge = "[nudge.users]\nkind = \"bearer\"\nsecret = \"0123456789abcdef\"\n"
	addr := taken.Addr().String()
	var log strings.Builder
	if err := listening(t, addr, false, "", &log); err != nil || !strings.Contains(log.String(), "metrics are not listened for") {
		t.Errorf("the default: %v, logs %s", err, &log)
	}
	want := fmt.Sprintf("listen on %q: another program has this address; choose another larder.listen, or \"\" for none", addr)
	for name, err := range map[string]error{
		"a chosen one":           listening(t, addr, true, "", &log),
		"the default of a nudge": listening(t, addr, false, nudge, &log),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	for _, chosen := range []bool{true, false} {
		if err := listening(t, addr, chosen, nudge, &log); err != nil {
			t.Errorf("a free one: %v", err)
		}
	}
	if err := listening(t, "", true, "", &log); err != nil {
		t.Errorf("none: %v", err)
	}
}

// oneSource is a configuration of one table, with where it listens, the database
// and the owner left out.
const oneSource = `
larder.listen = %q
consumer.shop.database = %q
owner.users.url = %q
[source.users]
schedule  = "@every 1s"
jitter    = "0s"
request   = { path = "/users", query = { since = "{since}" } }
records   = { key = "id", deleted = "deleted_at" }
watermark = "updated_at"
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "bigint" }
`

// partsOf are those of a configuration.
func partsOf(t *testing.T, text string) *parts {
	t.Helper()
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false }, judge)
	if err != nil {
		t.Fatal(err)
	}
	p, err := build(c, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// ownerOfOne is an owner of one record, and hears of up to a hundred polls.
func ownerOfOne(t *testing.T) (url string, polled <-chan struct{}) {
	t.Helper()
	polls := make(chan struct{}, 100)
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}]`)
		mark(polls)
	}))
	t.Cleanup(owner.Close)
	return owner.URL, polls
}

// judges hears when its first copy is judged so.
func (d *daemon) judges(so func(syncer.Judged) bool) <-chan struct{} {
	heard := make(chan struct{}, 1)
	d.runner.Watch = append(d.runner.Watch.(watches), watchFunc(func(_ time.Time, all []syncer.Judged) {
		if so(all[0]) {
			mark(heard)
		}
	}))
	return heard
}

func mark(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start runs it until the test ends.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A nudge of a daemon that stands by is refused by saying so; the one that polls
// takes it.
func TestNudgeOfADaemonThatStandsBy(t *testing.T) {
	owner, _ := ownerOfOne(t)
	dir := t.TempDir()
	begin := func(name string, until func(syncer.Judged) bool) (addr string) {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr = free.Addr().String()
		if err := free.Close(); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("larder.home = %q", filepath.Join(dir, name)) + fmt.Sprintf(oneSource, addr, "sqlite:"+filepath.Join(dir, "shop.db"), owner)
		p := partsOf(t, text+"[nudge.users]\nkind = \"bearer\"\nsecret = \"0123456789abcdef\"\n")
		d, err := p.daemon(t.Context(), p.home)
		if err != nil {
			t.Fatal(err)
		}
		heard := d.judges(until)
		d.start(t)
		select {
		case <-heard:
		case <-time.After(30 * time.Second):
			t.Fatalf("the %s is not judged as wanted in 30s", name)
		}
		return addr
	}
	first := begin("first.db", func(j syncer.Judged) bool { return j.Level == syncer.Fresh })
	second := begin("second.db", func(j syncer.Judged) bool { return j.Standby })
	nudge := func(addr string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/nudge/users", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer 0123456789abcdef")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := nudge(second); status != http.StatusServiceUnavailable || !strings.Contains(body, "this larder stands by: another daemon holds the lease") {
		t.Errorf("of the one that stands by: %d %s", status, body)
	}
	if status, body := nudge(first); status != http.StatusAccepted {
		t.Errorf("of the one that polls: %d %s", status, body)
	}
}
