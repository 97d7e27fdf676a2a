package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

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
