package notify_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// What stands before a receiver is shown who we are, and what it says back of that
// is shown to nobody. A webhook is signed beside it.
func TestAuthorization(t *testing.T) {
	for name, x := range map[string]struct {
		auth notify.Authorization
		want string
	}{
		"none":   {notify.Authorization{}, ""},
		"bearer": {notify.Authorization{Scheme: "Token", Token: canary}, "Token " + canary},
		"basic":  {notify.Authorization{User: "larder", Password: canary}, "Basic bGFyZGVyOkNBTkFSWWM0bjRyeUNBTkFSWQ=="},
	} {
		r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("not you: " + q.Header.Get("Authorization") + " " + canary))
		})
		hook, err := notify.NewWebhook(notify.WebhookOptions{URL: r.URL + "/x", Secrets: []string{whsec}, Auth: x.auth})
		if err != nil {
			t.Fatal(err)
		}
		am, err := notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: []string{r.URL}, Auth: x.auth})
		if err != nil {
			t.Fatal(err)
		}
		_, one := hook.Notify(t.Context(), firing())
		_, two := am.Mirror(t.Context(), []alert.Alert{stale("shop.users")}, nil, began().Add(time.Hour))
		for _, err := range []error{one, two} {
			if err == nil || !strings.Contains(err.Error(), "401") || x.want != "" && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), x.want)) {
				t.Errorf("%s: %v, want 401 without a secret", name, err)
			}
		}
		all := r.asked()
		if len(all) != 2 || all[0].header.Get("Authorization") != x.want || all[1].header.Get("Authorization") != x.want {
			t.Errorf("%s: sent is %v, want %q twice", name, all, x.want)
		}
		if all[0].header.Get("webhook-signature") == "" {
			t.Errorf("%s: the webhook is not signed", name)
		}
	}
}

// Nobody on the way reads a password.
func TestAuthorizationTravelsProtected(t *testing.T) {
	auth := notify.Authorization{User: "larder", Password: canary}
	_, one := notify.NewWebhook(notify.WebhookOptions{URL: "http://hooks.internal/x", Secrets: []string{whsec}, Auth: auth})
	_, two := notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: []string{"https://am-0", "http://am-1:9093"}, Auth: auth})
	for want, err := range map[string]error{"url": one, "urls": two} {
		of, ok := errors.AsType[*notify.OptionError](err)
		if !ok || of.Option != want || want == "urls" && of.Index != 1 || strings.Contains(err.Error(), canary) {
			t.Errorf("%v, want that %s is wrong", err, want)
		}
	}
}
