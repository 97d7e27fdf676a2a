package notify_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// canary stands in every secret of these tests, and may stand in nothing that is
// shown.
const canary = "CANARYc4n4ryCANARY"

// hostile is what an owner may put where its texts are shown.
const hostile = "<!channel> @everyone <@U1> <at>all</at> *b* _i_ `c` [x](http://evil.example/) \r\nInjected: yes\x1b[31m \u202e | # > &amp;"

// asked is a request that came in.
type asked struct {
	method, path string
	header       http.Header
	body         string
}

// receiver is a server on this machine that keeps what it is asked.
type receiver struct {
	*httptest.Server
	answer http.HandlerFunc // nil: 200 and nothing

	mu  sync.Mutex
	all []asked
}

func newReceiver(t testing.TB, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.all = append(r.all, asked{q.Method, q.RequestURI, q.Header.Clone(), string(body)})
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, q)
	}
}

func (r *receiver) asked() []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]asked(nil), r.all...)
}

// only is the one request that came in.
func (r *receiver) only(t testing.TB) asked {
	t.Helper()
	all := r.asked()
	if len(all) != 1 {
		t.Fatalf("%d requests came in, want 1: %v", len(all), all)
	}
	return all[0]
}

// answering answers each request by a status, headers in pairs, and a body.
func answering(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func began() time.Time { return time.Date(2026, 3, 1, 3, 20, 0, 0, time.UTC) }

// firing is a message about one table.
func firing() alert.Message { return message(alert.Firing, stale("shop.users")) }

func message(e alert.Event, alerts ...alert.Alert) alert.Message {
	for i := range alerts {
		alerts[i].Event = e
		if e == alert.Resolved {
			closed := began().Add(35 * time.Minute)
			alerts[i].Ending, alerts[i].Closed = alert.Recovered, closed
			alerts[i].Facts = alert.Facts{At: closed, Level: syncer.Fresh, AsOf: closed.Add(-time.Second), Staleness: time.Second, Limit: 15 * time.Minute,
				Measure: syncer.MeasureStaleness, Age: time.Second, LastRows: 12, Was: alerts[i].Failure}
		}
	}
	return alert.Message{ID: "m1", Notifier: "oncall", Event: e, Instance: "eu", Begun: began(), Sealed: true, Attempts: 1, Alerts: alerts}
}

func stale(table string) alert.Alert {
	return alert.Alert{
		ID: "a1", Key: "k-" + table, Episode: "e1", Sequence: 1, Level: syncer.Critical,
		Table: table, Source: "users", Consumer: "shop", Opened: began(), StaleSince: began().Add(-8 * time.Minute),
		Facts: alert.Facts{
			Level: syncer.Critical, Reason: "no complete poll since 2026-03-01 02:57:00Z", AsOf: began().Add(-23 * time.Minute),
			Staleness: 23 * time.Minute, Limit: 15 * time.Minute, LastRows: 12,
			Measure: syncer.MeasureStaleness, Age: 23 * time.Minute,
			Failure: &syncer.Failure{Class: syncer.ClassConnect, Text: "dial users.internal:443: connection refused"},
			Since:   began().Add(-22 * time.Minute), NextPoll: began().Add(20 * time.Minute),
		},
	}
}

// many is a message about so many tables, of which owners say the worst.
func many(n int) alert.Message {
	var all []alert.Alert
	for i := range n {
		a := stale(fmt.Sprintf("shop.%s%03d", strings.Repeat("ü", 50), i))
		a.ID = fmt.Sprintf("a%03d", i)
		a.Reason, a.Failure = hostile+strings.Repeat("😀<&", 300), &syncer.Failure{Class: syncer.ClassAnswer, Text: hostile + strings.Repeat("😀<&", 300)}
		all = append(all, a)
	}
	return message(alert.Firing, all...)
}

// shows fails where a secret is shown.
func shows(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, canary) || strings.Contains(text, strings.TrimPrefix(whsec, "whsec_")) {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}
