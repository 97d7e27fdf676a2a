package notify

import (
	"context"
	"net/http"

	"github.com/larder-sync/larder/syncer/alert"
)

// TeamsOptions say which Workflow of Microsoft Teams is told.
type TeamsOptions struct {
	// URL is that of the Workflow's trigger "When a Teams webhook request is
	// received"; it is signed, so all behind the host is kept secret.
	URL string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Teams posts Adaptive Cards by Workflows. Teams answers before the Workflow has
// run: that a card is taken does not prove that it is shown, so cards stay far
// below the 28 KB that it allows for them in its own encoding.
type Teams struct{ sender *sender }

// mostTeams is how many bytes of text a card holds.
const mostTeams = 6000

// NewTeams checks the options. It sends nothing.
func NewTeams(o TeamsOptions) (*Teams, error) {
	s, err := newSecretSender(o.URL, o.Transport)
	return &Teams{s}, err
}

type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"`
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string            `json:"$schema"`
	Type    string            `json:"type"`
	Version string            `json:"version"`
	Body    []teamsBlock      `json:"body"`
	Teams   map[string]string `json:"msteams"`
}

// teamsBlock is a block of rich text, whose runs know no Markdown, as those of a
// TextBlock do.
type teamsBlock struct {
	Type string     `json:"type"`
	Runs []teamsRun `json:"inlines"`
}

type teamsRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Color  string `json:"color,omitempty"`
}

// Notify implements [alert.Notifier].
func (t *Teams) Notify(ctx context.Context, m alert.Message) (string, error) {
	card := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Teams: map[string]string{"width": "full"},
	}
	for i, line := range linesOf(m, mostTeams, unmentioned) {
		run := teamsRun{Type: "TextRun", Text: line}
		if i == 0 {
			run.Weight, run.Color = "Bolder", teamsColor(m)
		}
		card.Body = append(card.Body, teamsBlock{Type: "RichTextBlock", Runs: []teamsRun{run}})
	}
	body, err := encode(teamsMessage{Type: "message", Attachments: []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: card}}})
	if err != nil {
		return "", ofEncoding(err)
	}
	answer, _, err := t.sender.post(ctx, nil, body)
	return answer, err
}

func teamsColor(m alert.Message) string {
	switch gravityOf(m) {
	case good:
		return "Good"
	case bad:
		return "Attention"
	case worrying:
		return "Warning"
	}
	return "Default"
}
