package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/larder-sync/larder/syncer/alert"
)

// DiscordOptions say which webhook of Discord is told.
type DiscordOptions struct {
	// URL is the webhook's; whoever knows it may write to the channel, so all
	// behind the host is kept secret. It may name a thread by thread_id.
	URL string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Discord posts messages to a channel. They mention nobody.
type Discord struct{ sender *sender }

// mostDiscord is how long a message's content may be, escapes included.
const mostDiscord = 2000

// unknownWebhook is Discord's code for a webhook that was deleted: asking on
// would end in a ban.
const unknownWebhook = 10015

// suppressEmbeds keeps Discord from fetching addresses that a message names.
const suppressEmbeds = 1 << 2

// NewDiscord checks the options. It sends nothing.
func NewDiscord(o DiscordOptions) (*Discord, error) {
	address := o.URL
	if u, err := url.Parse(o.URL); err == nil && u.Host != "" {
		// With wait, what is answered is that the message is there.
		q := u.Query()
		q.Set("wait", "true")
		u.RawQuery = q.Encode()
		address = u.String()
	}
	s, err := newSecretSender(address, o.Transport)
	if err != nil {
		return nil, err
	}
	u, err := parseAddress(o.URL)
	if err != nil {
		return nil, err
	}
	s.hider = newHider(addressSecrets(u)...)
	return &Discord{s}, nil
}

type discordMessage struct {
	Content  string          `json:"content"`
	Flags    int             `json:"flags"`
	Mentions discordMentions `json:"allowed_mentions"`
}

type discordMentions struct {
	Parse []string `json:"parse"`
}

// Notify implements [alert.Notifier].
func (d *Discord) Notify(ctx context.Context, m alert.Message) (string, error) {
	body, err := encode(discordMessage{
		Content: fitted(m, mostDiscord, unmarked), Flags: suppressEmbeds, Mentions: discordMentions{Parse: []string{}},
	})
	if err != nil {
		return "", ofEncoding(err)
	}
	answer, raw, err := d.sender.post(ctx, nil, body)
	if err == nil {
		return answer, nil
	}
	var said struct {
		Code       int     `json:"code"`
		RetryAfter float64 `json:"retry_after"`
	}
	var e *Error
	if errors.As(err, &e) && json.Unmarshal(raw, &said) == nil {
		e.gone = e.gone || e.permanent && said.Code == unknownWebhook
		if !e.permanent {
			e.retryAfter = max(e.retryAfter, seconds(said.RetryAfter))
		}
	}
	return "", err
}

// unmarked is text as Discord shows it literally: what Markdown could read is
// escaped, links and mentions are parted.
func unmarked(s string) string {
	var b strings.Builder
	for _, r := range unmentioned(s) {
		if strings.ContainsRune("\\*_~`|>#[]()-", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
