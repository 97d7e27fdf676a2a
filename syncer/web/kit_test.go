package web_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/web"
)

// target counts how often it is asked to be polled.
type target struct {
	mu    sync.Mutex
	count int
	err   error
}

func (t *target) Nudge() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	return t.err
}

func (t *target) asked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

func (t *target) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

func server(t *testing.T, o web.Options) *web.Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running runs a server on a port of its own until the test ends, and returns
// its base URL.
func running(t *testing.T, o web.Options) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener, o.Log = listener, zerolog.Nop()
	s := server(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server ends with %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// said is an answer as it came.
type said struct {
	status int
	header http.Header
	text   string
}

// field is one of the answer's JSON.
func (s said) field(t *testing.T, name string) string {
	t.Helper()
	var all map[string]string
	if err := json.Unmarshal([]byte(s.text), &all); err != nil {
		t.Fatalf("answer %q is no JSON of texts: %v", s.text, err)
	}
	return all[name]
}

// ask gives a request to the handler without a network.
func ask(h http.Handler, method, target, body string, headers ...string) said {
	r := httptest.NewRequest(method, "http://localhost:8420"+target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return said{w.Code, w.Header(), string(text)}
}
