package killtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// ReceiverSecret is what a Receiver's messages are signed with.
const ReceiverSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// Delivery is a message that came to a Receiver, soundly signed.
type Delivery struct {
	// ID is the receiver's idempotency key, Event the last word of the type, and
	// Body all of the message.
	ID, Event, Body string
	Tables          []string
}

// Moment is where a delivery stands when a Receiver's hook is called.
type Moment string

// The moments: the message has come and nothing was answered; all of the answer
// is on its way.
const (
	Asked    Moment = "asked"
	Answered Moment = "answered"
)

// Receiver is the other end of a webhook. It takes what is signed as it has to
// be, remembers it, and is the place from which larder is killed while it
// delivers. It is safe for concurrent use.
type Receiver struct {
	server *httptest.Server
	key    *standardwebhooks.Webhook

	mu    sync.Mutex
	taken []Delivery
	wrong []string
	hook  func(Moment, Delivery)
	more  chan struct{}
}

// NewReceiver starts a receiver. The test stops it.
func NewReceiver(tb testing.TB) *Receiver {
	tb.Helper()
	key, err := standardwebhooks.NewWebhook(strings.TrimPrefix(ReceiverSecret, "whsec_"))
	if err != nil {
		tb.Fatal(err)
	}
	r := &Receiver{key: key, more: make(chan struct{})}
	r.server = httptest.NewServer(r)
	tb.Cleanup(func() { r.server.CloseClientConnections(); r.server.Close() })
	return r
}

// URL is where the receiver listens.
func (r *Receiver) URL() string { return r.server.URL }

// On has do called at the moments of each delivery; the answer waits for it.
func (r *Receiver) On(do func(Moment, Delivery)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = do
}

// Taken are all messages so far, in the order in which they came, and Wrong
// what was no message of larder's.
func (r *Receiver) Taken() (taken []Delivery, wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken), slices.Clone(r.wrong)
}

// Next is closed when one more message has come.
func (r *Receiver) Next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.more
}

// ServeHTTP takes a message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	d, err := r.read(q)
	if err != nil {
		r.mu.Lock()
		r.wrong = append(r.wrong, err.Error())
		r.mu.Unlock()
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.taken = append(r.taken, d)
	close(r.more)
	r.more = make(chan struct{})
	hook := r.hook
	r.mu.Unlock()
	if hook != nil {
		hook(Asked, d)
	}
	w.WriteHeader(http.StatusNoContent)
	_ = http.NewResponseController(w).Flush() // whoever was killed needs no answer
	if hook != nil {
		hook(Answered, d)
	}
}

func (r *Receiver) read(q *http.Request) (Delivery, error) {
	raw, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	if err != nil {
		return Delivery{}, fmt.Errorf("read a message: %w", err)
	}
	if err := r.key.Verify(raw, q.Header); err != nil {
		return Delivery{}, fmt.Errorf("verify a message: %w", err)
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      struct{ Alerts []struct{ Table string } }
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return Delivery{}, fmt.Errorf("read a message: %w", err)
	}
	d := Delivery{ID: q.Header.Get(standardwebhooks.HeaderWebhookID), Body: string(raw)}
	d.Event = body.Type[strings.LastIndex(body.Type, ".")+1:]
	for _, a := range body.Data.Alerts {
		d.Tables = append(d.Tables, a.Table)
	}
	return d, nil
}
