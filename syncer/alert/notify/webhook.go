package notify

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/larder-sync/larder/syncer/alert"
)

// WebhookOptions say where a webhook by Standard Webhooks 1.0 is sent.
type WebhookOptions struct {
	// URL is http or https. All behind the host is kept secret.
	URL string
	// Secrets are the keys that each message is signed with, all of them, so
	// that one can follow another: "whsec_" and 24 to 64 bytes in Base64.
	Secrets []string
	// Auth is for what stands before the receiver; signatures are sent anyway.
	Auth Authorization
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Webhook sends messages as JSON, signed by Standard Webhooks 1.0. One request
// holds up to 20 alerts in less than 20 KB; a message of more becomes several
// requests, of which the first has the message's ID.
type Webhook struct {
	sender *sender
	keys   []*standardwebhooks.Webhook
	parts  progress
}

// mostInWebhook is how many alerts fit into a body that receivers take.
const mostInWebhook = 20

// NewWebhook checks the options. It sends nothing.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	if len(o.Secrets) == 0 {
		return nil, wrong("secret", "is missing")
	}
	w := &Webhook{}
	for i, secret := range o.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 {
			return nil, wrongOf("secret", i, errors.New("must be whsec_ and 24 to 64 bytes in Base64"))
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, wrongOf("secret", i, errors.New("is no key"))
		}
		w.keys = append(w.keys, signer)
	}
	bare := make([]string, len(o.Secrets))
	for i, secret := range o.Secrets {
		bare[i] = strings.TrimPrefix(secret, "whsec_")
	}
	if err := o.Auth.travels(o.URL); err != nil {
		return nil, &OptionError{"url", -1, err}
	}
	var err error
	if w.sender, err = newSender(o.URL, o.Transport, slices.Concat(bare, o.Secrets, o.Auth.secrets())...); err != nil {
		return nil, err
	}
	w.sender.authorization = o.Auth.header()
	return w, nil
}

// Notify implements [alert.Notifier].
func (w *Webhook) Notify(ctx context.Context, m alert.Message) (string, error) {
	return w.parts.each(m, mostInWebhook, func(id string, part alert.Message) (string, error) {
		return w.send(ctx, id, part)
	})
}

func (w *Webhook) send(ctx context.Context, id string, m alert.Message) (string, error) {
	body, err := fit(m)
	if err != nil {
		return "", ofEncoding(err)
	}
	at := time.Now()
	var signatures []string
	for _, key := range w.keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return "", &Error{text: "sign message", notTaken: true, cause: err}
		}
		signatures = append(signatures, signature)
	}
	answer, _, err := w.sender.post(ctx, http.Header{
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookID):        {id},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookTimestamp): {strconv.FormatInt(at.Unix(), 10)},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature): {strings.Join(signatures, " ")},
	}, body)
	return answer, err
}
