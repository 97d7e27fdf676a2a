package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// calls opens a receiver; heard is what it tells.
func calls(t *testing.T) (o *onCall, heard chan []string) {
	t.Helper()
	heard = make(chan []string, 10)
	o, err := answerCalls(t.Context(), func(lines []string) { heard <- lines })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return o, heard
}

// post sends a message that is signed with a secret, and returns the status.
func post(t *testing.T, o *onCall, secret, id, body string) int {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", signature)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func message(event, table string) string {
	return fmt.Sprintf(`{"type":"larder.staleness.%s","data":{"title":"%s of %s","text":"since 03:12 UTC\nlast poll: connect: refused\nnext poll 03:40 UTC; larder status",
		"alerts":[{"table":%q}]}}`, event, event, table, table)
}

// A message counts once however often it is delivered, and an escalation is no
// other firing.
func TestOnCallTakesEachMessageOnce(t *testing.T) {
	o, heard := calls(t)
	for _, m := range []struct{ id, event string }{
		{"1", "firing"}, {"1", "firing"}, {"2", "escalated"}, {"3", "resolved"}, {"1", "firing"}, {"3", "resolved"},
	} {
		if status := post(t, o, o.secret, m.id, message(m.event, tight)); status != http.StatusNoContent {
			t.Errorf("%s %s: status %d", m.event, m.id, status)
		}
	}
	close(heard)
	var got [][]string
	for lines := range heard {
		got = append(got, lines)
	}
	text := []string{"since 03:12 UTC", "last poll: connect: refused", "next poll 03:40 UTC"}
	want := [][]string{
		append([]string{"firing of " + tight}, text...),
		append([]string{"escalated of " + tight}, text...),
		append([]string{"resolved of " + tight}, text...),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if fired, resolved := o.told(tight); fired != 1 || resolved != 1 {
		t.Errorf("%d fired and %d resolved, want 1 and 1", fired, resolved)
	}
	if err := o.err(tight); err != nil {
		t.Error(err)
	}
}

func TestOnCallComplains(t *testing.T) {
	for _, test := range []struct {
		name   string
		secret string
		body   string
		status int
		want   string
	}{
		{"another signature", newSecret(), message("firing", tight), http.StatusUnauthorized, "no matching signature"},
		{"no JSON", "", "{", http.StatusBadRequest, "unexpected end"},
		{"too large", "", strings.Repeat("x", mostMessage+1), http.StatusBadRequest, "too large"},
		{"another table", "", message("firing", loose), http.StatusNoContent, "told once that " + loose + " is stale"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, heard := calls(t)
			secret := test.secret
			if secret == "" {
				secret = o.secret
			}
			if status := post(t, o, secret, "1", test.body); status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if err := o.err(tight); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if len(heard) > 0 && test.status != http.StatusNoContent {
				t.Errorf("it tells what it refused: %q", <-heard)
			}
		})
	}
}
