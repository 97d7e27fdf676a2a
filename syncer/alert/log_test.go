package alert_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// TestNoLineOfTheLogHasAKeyTwice has receivers that fail in each way, one that
// leaves the configuration, and a mirror of which a peer is down. Of a key that is
// there twice readers take one value or the other, or refuse the line.
func TestNoLineOfTheLogHasAKeyTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		answering := func(err error) *alerttest.Recorder {
			return &alerttest.Recorder{Answer: func(context.Context, alert.Message) error { return err }}
		}
		down, gone := named("down", answering(errDown)), named("gone", answering(&alerttest.Refusal{Text: "410", Out: true}))
		refuses := named("refuses", answering(&alerttest.Refusal{Text: "400", IsPermanent: true}))
		down.Fallback = "well"
		shown := 0
		some := mirrored(&alerttest.Mirror{Answer: func(context.Context) error {
			shown++
			return []error{&alert.PeersError{Failed: map[string]error{"peer": errDown}}, errDown, nil}[shown%3]
		}})
		all := []*alert.Receiver{down, gone, refuses, some, named("well", &alerttest.Recorder{})}
		var log strings.Builder
		w := open(t, func() *alert.Desk { return &alert.Desk{Receivers: all, Log: zerolog.New(&log)} }, newTable("shop.a", 5*time.Minute, 10*time.Minute))
		w.run(time.Hour)
		all = all[1:]
		w.restart()
		w.run(time.Minute)
		for line := range strings.Lines(log.String()) {
			if _, err := jsontext.NewDecoder(strings.NewReader(line)).ReadValue(); err != nil {
				t.Errorf("%v: %s", err, line)
			}
		}
		for _, want := range []string{"receiver is told", "receiver cannot be told", "message is given up", "peer cannot be told", "peer can be told again",
			"receiver takes nothing any more: it is not asked again before a restart", "message is given up: its receiver is not there any more", "episode opens"} {
			if !strings.Contains(log.String(), `"message":"`+want+`"`) {
				t.Errorf("nothing of the story logs %q", want)
			}
		}
	})
}
