package owners_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// arrived is an event at its receiver.
type arrived struct {
	id, body string
	err      error
}

// receiver takes events and answers each with a status.
func receiver(t *testing.T, status int) (url string, events <-chan arrived) {
	t.Helper()
	all := make(chan arrived, 100)
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		w.WriteHeader(status)
		all <- arrived{r.Header.Get("webhook-id"), string(body), err}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

func TestEventsAreSignedAndEachHasItsOwnID(t *testing.T) {
	f := run(t, still())
	url, events := receiver(t, http.StatusNoContent)
	users := f.Service(owners.Users)
	if err := users.Subscribe(owners.Hook{URL: url, Secret: hookSecret}); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for range 3 {
		users.Change(1)
		got := <-events
		if got.err != nil {
			t.Errorf("the signature does not fit: %v", got.err)
		}
		var body struct{ Type, Timestamp string }
		if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.Type != "users.changed" || body.Timestamp == "" {
			t.Errorf("the event is %s, %v", got.body, err)
		}
		ids[got.id] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d ids for 3 events", len(ids))
	}
}

// A service that is down sends nothing, no more than one that loses its events;
// either way the next event is sent again. Other services send nothing.
func TestEventsThatAreNotSent(t *testing.T) {
	f := run(t, still())
	url, events := receiver(t, http.StatusNoContent)
	users := f.Service(owners.Users)
	users.Change(1)
	if err := users.Subscribe(owners.Hook{URL: url, Secret: hookSecret}); err != nil {
		t.Fatal(err)
	}
	f.Service(owners.Drivers).Change(1)
	users.LoseEvents(true)
	users.Change(1)
	users.LoseEvents(false)
	if err := users.Down(true); err != nil {
		t.Fatal(err)
	}
	users.Change(1)
	if err := users.Down(false); err != nil {
		t.Fatal(err)
	}
	if got := users.Events(); got != (owners.Events{Lost: 1}) {
		t.Errorf("%+v before the first event that is sent, want one that is lost", got)
	}
	users.Change(5)
	<-events
	select {
	case got := <-events:
		t.Errorf("another event came: %+v", got)
	default:
	}
}

func TestEventsOfARefusedHookAreLost(t *testing.T) {
	f := run(t, still())
	url, events := receiver(t, http.StatusUnauthorized)
	users := f.Service(owners.Users)
	if err := users.Subscribe(owners.Hook{URL: url, Secret: hookSecret}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is sent only once the first is counted
		users.Change(1)
		<-events
	}
	if got := users.Events(); got.Sent != 0 || got.Lost < 1 {
		t.Errorf("%+v, want none sent", got)
	}
}

func TestHookHidesItsSecret(t *testing.T) {
	f := run(t, still())
	hook := owners.Hook{URL: "http://127.0.0.1:1/nudge", Secret: hookSecret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, hook); got != hook.URL {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	err := f.Service(owners.Users).Subscribe(owners.Hook{URL: hook.URL, Secret: "whsec_*hush*"})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a bad secret: %v", err)
	}
}
