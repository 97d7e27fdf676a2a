package notify

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/larder-sync/larder/syncer/alert"
)

// NtfyOptions say which topic of an ntfy server is told.
type NtfyOptions struct {
	// URL is the server, without a path; "": "https://ntfy.sh".
	URL string
	// Topic is kept secret: on a public server whoever knows it reads along.
	Topic string
	// Token is an access token; "": none is sent.
	Token string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Ntfy publishes messages to a topic.
type Ntfy struct {
	sender *sender
	topic  string
	header http.Header
}

// Bounds in bytes. A message that is longer becomes a file, which no phone
// shows.
const (
	mostNtfyTitle = 240
	mostNtfy      = 3800
)

// NewNtfy checks the options. It sends nothing.
func NewNtfy(o NtfyOptions) (*Ntfy, error) {
	if o.Topic == "" {
		return nil, wrong("topic", "is missing")
	}
	if strings.Trim(o.Topic, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(o.Topic) > 64 {
		return nil, wrong("topic", "must be up to 64 letters, digits, - and _")
	}
	address := cmp.Or(o.URL, "https://ntfy.sh")
	if o.Token != "" && readable(address) {
		return nil, wrong("url", "would carry the token readable over http; use an https url")
	}
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, wrong("url", "must be the server's alone; the topic stands in topic")
	}
	s, err := newSender(address, o.Transport, o.Topic, o.Token)
	if err != nil {
		return nil, err
	}
	n := &Ntfy{sender: s, topic: o.Topic}
	if o.Token != "" {
		n.header = http.Header{"Authorization": {"Bearer " + o.Token}}
	}
	return n, nil
}

type ntfyMessage struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags"`
}

// Notify implements [alert.Notifier]. ntfy marks nothing up unless it is asked
// to; the title is the first line, and the message what follows.
func (n *Ntfy) Notify(ctx context.Context, m alert.Message) (string, error) {
	priority, tag := 3, "information_source"
	switch gravityOf(m) {
	case bad:
		priority, tag = 5, "rotating_light"
	case worrying:
		priority, tag = 4, "warning"
	case good:
		tag = "white_check_mark"
	}
	whole := func(s string) string { return s }
	lines := linesOf(m, mostNtfy, whole)
	title := lines[0]
	for len(title) > mostNtfyTitle {
		title = cut(title, len([]rune(title))*3/4)
	}
	if title == lines[0] && len(lines) > 1 {
		lines = lines[1:] // it need not be read twice
	}
	body, err := encode(ntfyMessage{Topic: n.topic, Title: title, Message: strings.Join(lines, "\n"), Priority: priority, Tags: []string{tag, "larder"}})
	if err != nil {
		return "", ofEncoding(err)
	}
	answer, _, err := n.sender.post(ctx, n.header, body)
	return answer, err
}
