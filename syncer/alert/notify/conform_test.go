package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// kind is a way to tell somebody by HTTP.
type kind struct {
	name string
	// make is a notifier of this kind that tells the server at base.
	make func(t testing.TB, base string, carrier http.RoundTripper) alert.Notifier
	// most is how many bytes a request may have.
	most int
}

// mirror tells a Mirror as if it were a Notifier.
type mirror struct{ alert.Mirror }

func (m mirror) Notify(ctx context.Context, of alert.Message) (string, error) {
	return m.Mirror.Mirror(ctx, of.Alerts, nil, time.Now().Add(4*time.Minute))
}

// must is the notifier that a constructor made.
func must[N any](t testing.TB) func(N, error) N {
	return func(n N, err error) N {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

const whsec = "whsec_Q0FOQVJZYzRuNHJ5Q0FOQVJZQ0FOQVJZYzRuNHJ5"

func kinds() []kind {
	secret := "/services/T0/" + canary
	return []kind{
		{"webhook", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.Webhook](t)(notify.NewWebhook(notify.WebhookOptions{URL: base + secret + "?token=" + canary, Secrets: []string{whsec}, Transport: c}))
		}, 20_000},
		{"alertmanager", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return mirror{must[*notify.Alertmanager](t)(notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: []string{base + "/" + canary}, Instance: "eu", Transport: c}))}
		}, 2 << 20},
		{"pagerduty", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.PagerDuty](t)(notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: canary, URL: base + "/v2/enqueue", Transport: c}))
		}, 512_000},
		{"slack", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.Slack](t)(notify.NewSlack(notify.SlackOptions{URL: base + secret, Transport: c}))
		}, 16_000},
		{"teams", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.Teams](t)(notify.NewTeams(notify.TeamsOptions{URL: base + "/workflows/x?sig=" + canary, Transport: c}))
		}, 20_000},
		{"discord", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.Discord](t)(notify.NewDiscord(notify.DiscordOptions{URL: base + "/api/webhooks/1/" + canary, Transport: c}))
		}, 8_000},
		{"ntfy", func(t testing.TB, base string, c http.RoundTripper) alert.Notifier {
			return must[*notify.Ntfy](t)(notify.NewNtfy(notify.NtfyOptions{URL: base, Topic: canary, Token: "tk_" + canary, Transport: c}))
		}, 8_000},
	}
}

// behaviour is what an error says beside its text.
type behaviour struct {
	permanent, gone bool
	after           time.Duration
}

func behaviourOf(t testing.TB, err error) behaviour {
	t.Helper()
	var all interface {
		Permanent() bool
		Gone() bool
		RetryAfter() time.Duration
	}
	if !errors.As(err, &all) {
		t.Fatalf("error %v says nothing by methods", err)
	}
	return behaviour{all.Permanent(), all.Gone(), all.RetryAfter()}
}

// answered is what a receiver answers, and what is made of it.
type answered struct {
	name   string
	answer http.HandlerFunc
	want   *behaviour // nil: taken
}

func answers(echo string) []answered {
	return []answered{
		{"200", answering(200, echo), nil},
		{"202", answering(202, ""), nil},
		{"204", answering(204, ""), nil},
		{"301", answering(301, echo, "Location", "/elsewhere"), &behaviour{}},
		{"307", answering(307, echo, "Location", "/elsewhere"), &behaviour{}},
		{"304", answering(304, ""), &behaviour{}},
		{"400", answering(400, echo), &behaviour{permanent: true}},
		{"401", answering(401, echo), &behaviour{permanent: true}},
		{"404", answering(404, echo), &behaviour{permanent: true}},
		{"413", answering(413, echo), &behaviour{permanent: true}},
		{"410", answering(410, echo), &behaviour{permanent: true, gone: true}},
		{"407", answering(407, echo), &behaviour{}},
		{"408", answering(408, echo), &behaviour{}},
		{"421", answering(421, echo), &behaviour{}},
		{"425", answering(425, echo), &behaviour{}},
		{"429", answering(429, echo), &behaviour{}},
		{"429 for a while", answering(429, echo, "Retry-After", "30"), &behaviour{after: 30 * time.Second}},
		{"429 in parts of a second", answering(429, echo, "Retry-After", "0.5"), &behaviour{after: 500 * time.Millisecond}},
		{"429 until a time", answering(429, echo, "Date", "Sun, 01 Mar 2026 03:20:00 GMT", "Retry-After", "Sun, 01 Mar 2026 03:22:00 GMT"), &behaviour{after: 2 * time.Minute}},
		{"429 until a time that passed", answering(429, echo, "Date", "Sun, 01 Mar 2026 03:20:00 GMT", "Retry-After", "Sun, 01 Mar 2026 03:00:00 GMT"), &behaviour{}},
		{"429 for less than nothing", answering(429, echo, "Retry-After", "-5"), &behaviour{}},
		{"429 for a day", answering(429, echo, "Retry-After", "86400"), &behaviour{after: 24 * time.Hour}},
		{"429 for ever", answering(429, echo, "Retry-After", "1e300"), &behaviour{after: 366 * 24 * time.Hour}},
		{"429 for nonsense", answering(429, echo, "Retry-After", "soon"), &behaviour{}},
		{"500", answering(500, echo), &behaviour{}},
		{"503 for a while", answering(503, echo, "Retry-After", "7"), &behaviour{after: 7 * time.Second}},
		{"a body without an end", bomb(500), &behaviour{}},
		{"a body without an end, taken", bomb(200), nil},
		{"a connection that ends", hangUp, &behaviour{}},
	}
}

func TestEveryKindReadsAnswers(t *testing.T) {
	for _, k := range kinds() {
		echo := "you sent " + canary + " to /services/T0/" + canary + " \x1b[31m\r\nnext line"
		if k.name == "webhook" {
			echo += whsec
		}
		for _, test := range answers(echo) {
			t.Run(k.name+" "+test.name, func(t *testing.T) {
				r := newReceiver(t, test.answer)
				answer, err := k.make(t, r.URL, nil).Notify(t.Context(), firing())
				shows(t, "answer", answer)
				if n := len(r.asked()); n != 1 {
					t.Errorf("%d requests came in, want 1", n)
				}
				if test.want == nil {
					if err != nil || utf8.RuneCountInString(answer) > 700 || strings.ContainsAny(answer, "\r\n\x1b") {
						t.Fatalf("answer %q, error %v", answer, err)
					}
					return
				}
				if err == nil {
					t.Fatal("no error")
				}
				shows(t, "error", err.Error())
				if utf8.RuneCountInString(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\r\n\x1b") {
					t.Errorf("error is %q", err)
				}
				if got := behaviourOf(t, err); got != *test.want {
					t.Errorf("%v behaves like %+v, want %+v", err, got, *test.want)
				}
			})
		}
	}
}

// bomb answers by a body that would never end.
func bomb(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		block := []byte(strings.Repeat("x", 64<<10))
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// carried answers requests without a network.
type carried func(*http.Request) (*http.Response, error)

func (c carried) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestNoKindWaitsLongerThanFifteenSeconds(t *testing.T) {
	for _, k := range kinds() {
		for name, carrier := range map[string]carried{
			"for an answer": func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			"for a body": func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 503, Header: http.Header{}, Body: hanging{r.Context()}, Request: r}, nil
			},
		} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					_, err := k.make(t, "https://receiver.example", carrier).Notify(t.Context(), firing())
					if took := time.Since(begin); err == nil || took != 15*time.Second {
						t.Errorf("ended after %v by %v, want 15s and an error", took, err)
					}
					if got := behaviourOf(t, err); got != (behaviour{}) {
						t.Errorf("%v behaves like %+v, want to be tried again", err, got)
					}
				})
			})
		}
	}
}

// hanging is a body that never comes.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func (h hanging) Close() error { return nil }

// TestErrorsOfTheNetworkHideTheAddress has what is below name the whole address.
func TestErrorsOfTheNetworkHideTheAddress(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			n := k.make(t, "https://receiver.example", carried(func(r *http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: errors.New("cannot reach " + r.URL.String() + "\r\n" + r.Header.Get("Authorization"))}
			}))
			_, err := n.Notify(t.Context(), firing())
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q", err)
			}
			shows(t, "error", err.Error())
		})
	}
}

func TestNoKindFollowsRedirects(t *testing.T) {
	elsewhere := newReceiver(t, nil)
	for _, k := range kinds() {
		r := newReceiver(t, answering(308, "", "Location", elsewhere.URL))
		if _, err := k.make(t, r.URL, nil).Notify(t.Context(), firing()); err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%s: error %v", k.name, err)
		}
	}
	if n := len(elsewhere.asked()); n != 0 {
		t.Errorf("%d requests were sent elsewhere", n)
	}
}

// TestNoKindSendsMoreThanItsReceiverTakes tells of many tables of which owners
// say the worst, and of one.
func TestNoKindSendsMoreThanItsReceiverTakes(t *testing.T) {
	for _, k := range kinds() {
		for _, n := range []int{1, 20, 100} {
			r := newReceiver(t, nil)
			if _, err := k.make(t, r.URL, nil).Notify(t.Context(), many(n)); err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
			for _, q := range r.asked() {
				if len(q.body) > k.most || !json.Valid([]byte(q.body)) || !utf8.ValidString(q.body) {
					t.Errorf("%s of %d alerts: %d bytes, want at most %d: %.300s", k.name, n, len(q.body), k.most, q.body)
				}
				if q.method != http.MethodPost || q.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s as %q", k.name, q.method, q.header.Get("Content-Type"))
				}
				if strings.Contains(q.body, `\u001b`) || strings.Contains(q.body, "\u202e") || strings.Contains(q.body, `\r`) {
					t.Errorf("%s: control characters came through: %.300s", k.name, q.body)
				}
			}
		}
	}
}

func TestEveryKindTakesEveryEvent(t *testing.T) {
	for _, k := range kinds() {
		for _, m := range []alert.Message{
			message(alert.Firing, stale("shop.users")), message(alert.Escalated, stale("shop.users")), message(alert.Reminder, stale("shop.users")),
			message(alert.Resolved, stale("shop.users")), alert.Trial("eu", "oncall", began()),
			{ID: "m2", Alerts: undelivered(k), Notifier: "oncall", Event: alert.Undelivered, Instance: "eu", Begun: began(), Via: "pager", Text: "pager cannot be reached"},
		} {
			r := newReceiver(t, answering(202, "ok"))
			answer, err := k.make(t, r.URL, nil).Notify(t.Context(), m)
			if err != nil || answer == "" {
				t.Errorf("%s, %s: answer %q, error %v", k.name, m.Event, answer, err)
			}
		}
	}
}

// undelivered has no alerts, and a Mirror is told of nothing else.
func undelivered(k kind) []alert.Alert {
	if k.name == "alertmanager" {
		return []alert.Alert{stale("shop.users")}
	}
	return nil
}

func TestNoKindReachesAddressesOfACloudsKeys(t *testing.T) {
	for _, k := range kinds() {
		n := k.make(t, "https://receiver.example", carried(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("ok")), Header: http.Header{}}, nil
		}))
		if _, err := n.Notify(t.Context(), firing()); err != nil {
			t.Errorf("%s does not use the transport it is given: %v", k.name, err)
		}
	}
	for _, at := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "[::ffff:169.254.1.1]", "[64:ff9b::a9fe:a9fe]"} {
		_, err := notify.NewWebhook(notify.WebhookOptions{URL: "http://" + at + "/" + canary, Secrets: []string{whsec}})
		if err == nil || !strings.Contains(err.Error(), "link-local") {
			t.Errorf("a receiver at %s is taken: %v", at, err)
		}
	}
}
