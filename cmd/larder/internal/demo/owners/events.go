package owners

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// mostWaiting bounds the events of a service that are not sent yet. What
	// does not fit is lost, as it may be on any way.
	mostWaiting = 100
	// eventTimeout bounds the sending of one event.
	eventTimeout = 2 * time.Second
)

// Hook is a subscription to the events of a service: a request after each
// change, signed by Standard Webhooks 1.0. It prints without the secret.
type Hook struct {
	URL    string
	Secret string // whsec_ and base64
}

// Format hides the secret from every way of printing.
func (h Hook) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.URL) }

// Events is what became of the events of a service.
type Events struct {
	// Sent were taken by the receiver. Lost were not: an event is sent once, so
	// whoever needs every change must also poll.
	Sent, Lost int
}

// courier sends the events of one service, one after the other.
type courier struct {
	service string
	client  *http.Client
	waiting chan delivery

	mu     sync.Mutex
	hook   Hook
	signer *standardwebhooks.Webhook // nil: nobody has subscribed
	losing bool
	done   Events
}

// delivery is one event on its way.
type delivery struct {
	hook   Hook
	signer *standardwebhooks.Webhook
	at     time.Time
}

func newCourier(service string) *courier {
	return &courier{
		service: service,
		waiting: make(chan delivery, mostWaiting),
		client:  &http.Client{Timeout: eventTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
	}
}

// Subscribe has the service send an event after each change from here on. It
// has one subscriber at most, the last one.
func (s *Service) Subscribe(h Hook) error {
	signer, err := standardwebhooks.NewWebhook(h.Secret)
	if err != nil {
		// The library's own words may repeat the secret.
		return fmt.Errorf("subscribe to %s: the secret is not whsec_ and base64", s.name)
	}
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	s.courier.hook, s.courier.signer = h, signer
	return nil
}

// LoseEvents has every event get lost on its way, or no longer.
func (s *Service) LoseEvents(lose bool) {
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	s.courier.losing = lose
}

// Events is what became of the events so far.
func (s *Service) Events() Events {
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	return s.courier.done
}

// tell sends an event soon. It never blocks.
func (c *courier) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signer == nil {
		return
	}
	if c.losing {
		c.done.Lost++
		return
	}
	select {
	case c.waiting <- delivery{c.hook, c.signer, time.Now()}:
	default:
		c.done.Lost++
	}
}

// run sends until ctx ends.
func (c *courier) run(ctx context.Context) {
	defer c.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-c.waiting:
			err := c.send(ctx, d)
			c.mu.Lock()
			if err == nil {
				c.done.Sent++
			} else {
				c.done.Lost++
			}
			c.mu.Unlock()
		}
	}
}

// send is one attempt. The event says that something changed, and not what:
// the feed does.
func (c *courier) send(ctx context.Context, d delivery) error {
	body, err := json.Marshal(map[string]string{"type": c.service + ".changed", "timestamp": d.at.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return err
	}
	id, now := "evt_"+crand.Text(), time.Now()
	signature, err := d.signer.Sign(id, now, body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.hook.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10)) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %s", answer.Status)
	}
	return nil
}
