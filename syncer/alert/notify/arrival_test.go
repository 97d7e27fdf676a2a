package notify_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// notTaken says whether an error is certain that the message has not arrived.
func notTaken(t *testing.T, n alert.Notifier) bool {
	t.Helper()
	_, err := n.Notify(t.Context(), firing())
	var e interface{ NotTaken() bool }
	if !errors.As(err, &e) {
		t.Fatalf("error %v says nothing of where the message is", err)
	}
	return e.NotTaken()
}

func TestWhatIsRefusedHasNotArrivedAndWhatIsNotAnsweredMayHave(t *testing.T) {
	for status, want := range map[int]bool{301: true, 400: true, 401: true, 410: true, 429: true, 500: true, 503: true, 502: false, 504: false, 524: false} {
		for _, k := range kinds() {
			if k.name == "alertmanager" {
				continue // it is no Notifier, and told all again
			}
			r := newReceiver(t, answering(status, "no"))
			if got := notTaken(t, k.make(t, r.URL, nil)); got != want {
				t.Errorf("%s, answered by %d: not taken is %v, want %v", k.name, status, got, want)
			}
		}
	}
	r := newReceiver(t, hangUp)
	for _, k := range kinds() {
		if k.name != "alertmanager" && notTaken(t, k.make(t, r.URL, nil)) {
			t.Errorf("%s: a connection that ends says that nothing has arrived", k.name)
		}
	}
}

func TestWithoutAConnectionNothingHasArrived(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	strange := httptest.NewTLSServer(http.NotFoundHandler()) // by a certificate that nobody trusts
	t.Cleanup(strange.Close)
	for _, base := range []string{"http://" + nobody, "https://" + nobody, strange.URL, "http://receiver.invalid"} {
		n := must[*notify.Webhook](t)(notify.NewWebhook(notify.WebhookOptions{URL: base, Secrets: []string{whsec}}))
		if !notTaken(t, n) {
			t.Errorf("%s: the message may have arrived", base)
		}
	}
	mail := must[*notify.Email](t)(notify.NewEmail(notify.EmailOptions{SMTP: nobody, From: "a@example.com", To: []string{"b@example.com"}}))
	if !notTaken(t, mail) {
		t.Error("mail: the message may have arrived")
	}
	run := func(command ...string) *notify.Exec {
		return must[*notify.Exec](t)(notify.NewExec(notify.ExecOptions{Command: command}))
	}
	if !notTaken(t, run("/nowhere/at/all")) {
		t.Error("a command that is not there may have been told")
	}
	if notTaken(t, run("false")) {
		t.Error("a command that failed was certainly not told")
	}
}
