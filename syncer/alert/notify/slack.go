package notify

import (
	"context"
	"net/http"
	"strings"

	"github.com/larder-sync/larder/syncer/alert"
)

// SlackOptions say which incoming webhook of Slack is told.
type SlackOptions struct {
	// URL is the webhook's; whoever knows it may write to the channel, so all
	// behind the host is kept secret.
	URL string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Slack posts messages to a channel, as plain text without markup.
type Slack struct{ sender *sender }

// mostSlack is how long a text in a block may be, escapes included.
const mostSlack = 3000

// NewSlack checks the options. It sends nothing.
func NewSlack(o SlackOptions) (*Slack, error) {
	s, err := newSecretSender(o.URL, o.Transport)
	return &Slack{s}, err
}

// newSecretSender posts to an address that is a secret as a whole.
func newSecretSender(address string, carrier http.RoundTripper) (*sender, error) {
	if address == "" {
		return nil, wrong("url", "is missing")
	}
	if readable(address) {
		return nil, wrong("url", "is a secret and would travel readable over http; use an https url")
	}
	return newSender(address, carrier)
}

type slackMessage struct {
	// Text is what stands in the push message; blocks are shown in its place.
	Text   string       `json:"text"`
	Markup bool         `json:"mrkdwn"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string    `json:"type"`
	Text slackText `json:"text"`
}

type slackText struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji bool   `json:"emoji"`
}

// Notify implements [alert.Notifier].
func (s *Slack) Notify(ctx context.Context, m alert.Message) (string, error) {
	// Slack reads these three even in plain text: they begin links and mentions.
	escapes := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	text := fitted(m, mostSlack, func(s string) string { return escapes.Replace(unmentioned(s)) })
	body, err := encode(slackMessage{
		Text:   text,
		Blocks: []slackBlock{{Type: "section", Text: slackText{Type: "plain_text", Text: text}}},
	})
	if err != nil {
		return "", ofEncoding(err)
	}
	answer, _, err := s.sender.post(ctx, nil, body)
	return answer, err
}
