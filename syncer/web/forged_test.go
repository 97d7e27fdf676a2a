package web_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer/web"
)

// FuzzForgedNudge: whatever stands in the headers, nobody who does not know the
// secret has a poll made.
func FuzzForgedNudge(f *testing.F) {
	f.Add(uint8(0), "msg_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1, ,", "{}")
	f.Add(uint8(1), "", "", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "Hello, World!")
	f.Add(uint8(2), "", "9223372036854775807", "t=-1,t=,v1=,v1=00,=,", "")
	f.Add(uint8(3), "", "", "Bearer ", "x")
	kinds := []web.Kind{web.Standard, web.GitHub, web.Stripe, web.Bearer}
	names := []string{"Webhook-Signature", "X-Hub-Signature-256", "Stripe-Signature", "Authorization"}
	f.Fuzz(func(t *testing.T, kind uint8, id, at, claim, body string) {
		i := int(kind) % len(kinds)
		h, n := nudged(t, kinds[i], "c2VjcmV0LXRoYXQtbm9ib2R5LWtub3dz")
		got := ask(h, "POST", "/nudge/x", body, names[i], claim, "Webhook-Id", id, "Webhook-Timestamp", at)
		if got.status != http.StatusUnauthorized || n.asked() != 0 {
			t.Errorf("%s %q: %d, %d polls", kinds[i], claim, got.status, n.asked())
		}
	})
}

func TestRunSaysWhyItCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s := server(t, web.Options{Listen: taken.Addr().String()})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("on an address that is taken: %v", err)
	}
}

// TestRunEnds: also if it is told to before it has begun, and with the address
// free again.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server(t, web.Options{Listener: listener}).Run(ctx); err != nil {
		t.Error(err)
	}
	again, err := net.Listen("tcp", listener.Addr().String())
	if err != nil {
		t.Fatalf("address is not free: %v", err)
	}
	_ = again.Close()
}

// TestHeadersAreBounded: over a real connection, because the HTTP server does it.
func TestHeadersAreBounded(t *testing.T) {
	base := running(t, web.Options{})
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return // it was cut off before all of it was sent
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers: %d", resp.StatusCode)
	}
}
