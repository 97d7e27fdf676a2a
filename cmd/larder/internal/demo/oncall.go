package demo

import (
	"context"
	crand "crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// mostMessage bounds the body of a message to the one on call.
const mostMessage = 1 << 20

// onCall is whoever is told when a copy is staler than its budget: a receiver
// of signed webhooks, written from the standard and not from larder's code.
type onCall struct {
	secret   string
	verifier *standardwebhooks.Webhook
	listener net.Listener
	server   *http.Server
	ended    chan error
	tell     func(lines []string)

	mu      sync.Mutex
	seen    map[string]bool // ids of messages
	fired   map[string]int  // by table
	ok      map[string]int  // resolved, by table
	refused error           // the first message that was not understood
}

// news is what a message says, as far as the one on call reads it.
type news struct {
	Type string `json:"type"` // larder.staleness.firing, …
	Data struct {
		Title  string `json:"title"`
		Text   string `json:"text"`
		Alerts []struct {
			Table string `json:"table"`
		} `json:"alerts"`
	} `json:"data"`
}

func (n news) event() string { return n.Type[strings.LastIndexByte(n.Type, '.')+1:] }

// mostLines of a message are told beside its title.
const mostLines = 4

// lines are the news for people: what, since when, why and what next. Commands are
// left out: those of the demo need its configuration.
func (n news) lines() []string {
	lines := []string{n.Data.Title}
	for line := range strings.Lines(n.Data.Text) {
		if line, _, _ = strings.Cut(strings.TrimSpace(line), "; larder "); line != "" && len(lines) <= mostLines {
			lines = append(lines, line)
		}
	}
	return lines
}

// newSecret is a key for signatures as Standard Webhooks writes it.
func newSecret() string {
	key := make([]byte, 32)
	_, _ = crand.Read(key) // which never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// answerCalls opens the receiver on a loopback port. tell is given the lines of
// each message, from any goroutine.
func answerCalls(ctx context.Context, tell func([]string)) (*onCall, error) {
	o := &onCall{secret: newSecret(), tell: tell, ended: make(chan error, 1),
		seen: make(map[string]bool), fired: make(map[string]int), ok: make(map[string]int)}
	var err error
	if o.verifier, err = standardwebhooks.NewWebhook(o.secret); err != nil {
		return nil, errors.New("make a secret for the one on call: the standard's library refuses it")
	}
	var config net.ListenConfig
	if o.listener, err = config.Listen(ctx, "tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alerts", o.answer)
	o.server = &http.Server{Handler: mux, ReadTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { o.ended <- o.server.Serve(o.listener) }()
	return o, nil
}

func (o *onCall) url() string { return "http://" + o.listener.Addr().String() + "/alerts" }

func (o *onCall) answer(w http.ResponseWriter, r *http.Request) {
	status, err := o.take(w, r)
	o.mu.Lock()
	if err != nil && o.refused == nil {
		o.refused = fmt.Errorf("take a message for the one on call: %w", err)
	}
	o.mu.Unlock()
	w.WriteHeader(status)
}

// take verifies a message, and reads it unless it came before: what is
// delivered at least once is told once.
func (o *onCall) take(w http.ResponseWriter, r *http.Request) (status int, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostMessage))
	if err != nil {
		return http.StatusBadRequest, err
	}
	if err := o.verifier.Verify(body, r.Header); err != nil {
		return http.StatusUnauthorized, err
	}
	var n news
	if err := json.Unmarshal(body, &n); err != nil {
		return http.StatusBadRequest, err
	}
	if o.first(r.Header.Get(standardwebhooks.HeaderWebhookID), n) {
		o.tell(n.lines())
	}
	return http.StatusNoContent, nil
}

// first counts a message, unless it has come before.
func (o *onCall) first(id string, n news) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[id] {
		return false
	}
	o.seen[id] = true
	for _, a := range n.Data.Alerts {
		switch n.event() {
		case "firing":
			o.fired[a.Table]++
		case "resolved":
			o.ok[a.Table]++
		}
	}
	return true
}

// told is how often it was said of a table that it is stale, and that it is
// fresh again.
func (o *onCall) told(table string) (fired, resolved int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fired[table], o.ok[table]
}

// err tells of tables that should not have been told of, and of messages that
// nobody could take.
func (o *onCall) err(expected string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.refused
	for table, n := range o.fired {
		if table != expected {
			err = errors.Join(err, fmt.Errorf("the one on call was told %s that %s is stale", times(n), table))
		}
	}
	return err
}

// close ends the receiver and waits for it.
func (o *onCall) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if o.server.Shutdown(ctx) != nil {
		_ = o.server.Close()
	}
	if err := <-o.ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// freePort is a loopback address that nothing listens on. Another program may
// take it before larder does; then larder says so.
func freePort(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
