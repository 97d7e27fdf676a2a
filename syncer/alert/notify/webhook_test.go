package notify_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/larder-sync/larder/syncer/alert/notify"
)

func newWebhook(t testing.TB, url string, secrets ...string) *notify.Webhook {
	t.Helper()
	return must[*notify.Webhook](t)(notify.NewWebhook(notify.WebhookOptions{URL: url, Secrets: secrets}))
}

// TestWebhookIsSignedWithEachSecret lets the library of Standard Webhooks judge,
// so that a receiver may change to the next key when it likes.
func TestWebhookIsSignedWithEachSecret(t *testing.T) {
	next := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("next", 8)))
	r := newReceiver(t, nil)
	if _, err := newWebhook(t, r.URL, whsec, next).Notify(t.Context(), firing()); err != nil {
		t.Fatal(err)
	}
	q := r.only(t)
	for _, secret := range []string{whsec, next} {
		judge, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge.Verify([]byte(q.body), q.header); err != nil {
			t.Errorf("signature of %s: %v", secret[:10], err)
		}
	}
	other, err := standardwebhooks.NewWebhook(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("none", 8))))
	if err != nil {
		t.Fatal(err)
	}
	if other.Verify([]byte(q.body), q.header) == nil {
		t.Error("a key that it was not signed with verifies it")
	}
}

// TestWebhookIsTheSameEachTime tries twice: only the attempt's time and what is
// signed with it may differ.
func TestWebhookIsTheSameEachTime(t *testing.T) {
	r := newReceiver(t, answering(500, ""))
	w := newWebhook(t, r.URL, whsec)
	m := firing()
	for m.Attempts = 1; m.Attempts < 3; m.Attempts++ {
		if _, err := w.Notify(t.Context(), m); err == nil {
			t.Fatal("no error")
		}
	}
	all := r.asked()
	if diff := cmp.Diff(all[0].body, all[1].body); diff != "" {
		t.Errorf("bodies differ (-first +second):\n%s", diff)
	}
	for _, q := range all {
		at, err := strconv.ParseInt(q.header.Get("Webhook-Timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute || q.header.Get("Webhook-Id") != "m1" {
			t.Errorf("id %q at %q, want m1 of just now", q.header.Get("Webhook-Id"), q.header.Get("Webhook-Timestamp"))
		}
	}
}

// TestWebhookOfManyTables breaks off in the middle: the next attempt goes on
// there, and each part keeps its identifier.
func TestWebhookOfManyTables(t *testing.T) {
	fail := true
	r := newReceiver(t, nil)
	r.answer = func(w http.ResponseWriter, q *http.Request) {
		if fail && q.Header.Get("Webhook-Id") == "m1.2" {
			w.WriteHeader(503)
		}
	}
	w := newWebhook(t, r.URL, whsec)
	if _, err := w.Notify(t.Context(), many(50)); err == nil {
		t.Fatal("no error")
	}
	fail = false
	if _, err := w.Notify(t.Context(), many(50)); err != nil {
		t.Fatal(err)
	}
	var ids []string
	tables := map[string]bool{}
	for _, q := range r.asked() {
		ids = append(ids, q.header.Get("Webhook-Id"))
		var body struct {
			Data struct{ Alerts []struct{ Table string } }
		}
		if err := json.Unmarshal([]byte(q.body), &body); err != nil {
			t.Fatal(err)
		}
		for _, a := range body.Data.Alerts {
			tables[a.Table] = true
		}
	}
	if diff := cmp.Diff([]string{"m1", "m1.2", "m1.2", "m1.3"}, ids); diff != "" {
		t.Errorf("identifiers (-want +got):\n%s", diff)
	}
	if len(tables) != 50 {
		t.Errorf("%d tables were told of, want 50", len(tables))
	}
}

// TestPartThatIsRefusedDelaysNoOther refuses the second of three parts for good.
func TestPartThatIsRefusedDelaysNoOther(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Webhook-Id") == "m1.2" {
			w.WriteHeader(422)
		}
	})
	_, err := newWebhook(t, r.URL, whsec).Notify(t.Context(), many(50))
	if err == nil || behaviourOf(t, err) != (behaviour{permanent: true}) {
		t.Errorf("error %v", err)
	}
	if n := len(r.asked()); n != 3 {
		t.Errorf("%d parts were sent, want 3", n)
	}
}

func TestWebhookRefusesWhatIsNoReceiver(t *testing.T) {
	short := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 23)))
	long := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 65)))
	for _, o := range []notify.WebhookOptions{
		{URL: "https://receiver.example/" + canary},
		{URL: "https://receiver.example/" + canary, Secrets: []string{""}},
		{URL: "https://receiver.example/" + canary, Secrets: []string{"whsec_" + canary + "!"}},
		{URL: "https://receiver.example/" + canary, Secrets: []string{whsec, short}},
		{URL: "https://receiver.example/" + canary, Secrets: []string{long}},
		{URL: "ftp://receiver.example/" + canary, Secrets: []string{whsec}},
		{URL: "https:///" + canary, Secrets: []string{whsec}},
		{URL: "https://user:" + canary + "@receiver.example", Secrets: []string{whsec}},
		{URL: "https://receiver.example/#" + canary, Secrets: []string{whsec}},
		{URL: "https://receiver.example/%zz" + canary, Secrets: []string{whsec}},
		{URL: "", Secrets: []string{whsec}},
	} {
		_, err := notify.NewWebhook(o)
		if err == nil {
			t.Errorf("%v is taken", o)
			continue
		}
		shows(t, "error", err.Error())
	}
}
