package alert_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// errDown leaves open whether the message has arrived, errRefused does not.
var (
	errDown    = errors.New("connect: refused")
	errRefused = &alerttest.Refusal{Text: "connect: refused"}
)

// between answers by an error for a stretch of time since now.
func between(from, until time.Duration, err error) func(context.Context, alert.Message) error {
	began := time.Now()
	return func(context.Context, alert.Message) error {
		if at := time.Since(began); at >= from && at < until {
			return err
		}
		return nil
	}
}

func TestAReceiverThatIsDownForAnHourHearsAllThatIsStillTrue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, time.Hour, errDown)}
		one, two := newTable("shop.one", 0, 5*time.Minute), newTable("shop.two", 0, 8*time.Minute)
		short, long := newTable("shop.short", 0, 20*time.Minute), newTable("shop.long", 0, 20*time.Minute)
		w := open(t, deskOf(oncall(r)), one, two, short, long)
		w.run(18 * time.Minute)
		if b := w.desk.Backlog()[0]; b.Pending != 2 || b.Error != "connect: refused" ||
			b.FailingSince.Sub(w.began).Round(time.Second) != 5*time.Minute+31*time.Second || b.Oldest.IsZero() || b.Retry.IsZero() || b.Disabled {
			t.Errorf("backlog at 18m: %+v", b)
		}
		w.run(8 * time.Minute)
		short.poll() // was stale for 6 minutes
		w.run(10 * time.Minute)
		long.poll() // was stale for 16 minutes
		for range 40 {
			short.poll()
			long.poll()
			w.run(time.Minute)
		}
		// Attempts after 5s, 30s and 2m more; that a second message is tried
		// meanwhile is so because the first one might be the reason. Then all
		// wait. What was never attempted and is over is told as such if it was
		// worth it.
		w.same(w.lines(r.Heard()), `
			5m31s firing shop.one:critical FAILS
			5m36s firing shop.one:critical FAILS
			6m6s firing shop.one:critical FAILS
			8m6s firing shop.one:critical FAILS
			8m31s firing shop.two:critical FAILS
			1h8m31s resolved shop.long:critical:recovered
			1h8m31s firing shop.two:critical
			1h8m31s firing shop.one:critical`)
		heard := r.Heard()
		for _, h := range heard[1:4] {
			if h.ID != heard[0].ID || h.Alerts[0].ID != heard[0].Alerts[0].ID {
				t.Errorf("an attempt has message %s, alert %s, the first had %s, %s", h.ID, h.Alerts[0].ID, heard[0].ID, heard[0].Alerts[0].ID)
			}
		}
		if b := w.desk.Backlog()[0]; b.Pending != 0 || b.Error != "" || !b.FailingSince.IsZero() || !b.Oldest.IsZero() {
			t.Errorf("backlog at the end: %+v", b)
		}
	})
}

func TestRetryAfterOfADayIsAnHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 10*time.Minute, &alerttest.Refusal{Text: "HTTP 429", After: 24 * time.Hour})}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(70 * time.Minute)
		w.same(w.lines(r.Heard()), `
			5m31s firing shop.a:critical FAILS
			1h5m31s firing shop.a:critical`)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 6*time.Minute, &alerttest.Refusal{Text: "HTTP 503", After: 7 * time.Minute})}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(15 * time.Minute)
		w.same(w.lines(r.Heard()), `
			5m31s firing shop.a:critical FAILS
			12m31s firing shop.a:critical`)
	})
}

func TestWhatIsRefusedForGoodGoesToTheFallbackAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second, third := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Recorder{}
		first.Answer = func(_ context.Context, m alert.Message) error {
			if m.Alerts[0].Table == "shop.a" && m.Event == alert.Firing {
				return &alerttest.Refusal{Text: "HTTP 400", IsPermanent: true}
			}
			return nil
		}
		main, backup := oncall(first), named("backup", second)
		main.Fallback, backup.Tables = "backup", []string{"none"}
		other := named("other", third)
		other.Tables = []string{"none"}
		a := newTable("shop.a", 0, 5*time.Minute)
		w := open(t, deskOf(main, backup, other), a, newTable("shop.b", 0, 7*time.Minute))
		w.run(10 * time.Minute)
		a.poll()
		w.run(time.Minute)
		w.same(w.lines(first.Heard()), `
			5m31s firing shop.a:critical FAILS
			7m31s firing shop.b:critical
			10m31s resolved shop.a:critical:recovered`)
		// What fires at the fallback ends there, too.
		w.want(second, `
			5m31s firing shop.a:critical via oncall
			10m31s resolved shop.a:critical:recovered`)
		w.want(third, "")
	})
}

func TestWhatIsRefusedForGoodWithoutAFallbackIsSaidToTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second := &alerttest.Recorder{}, &alerttest.Recorder{}
		first.Answer = between(0, time.Hour, &alerttest.Refusal{Text: "HTTP 401", IsPermanent: true})
		other := named("other", second)
		other.Tables = []string{"none"}
		w := open(t, deskOf(oncall(first), other), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 7*time.Minute))
		w.run(20 * time.Minute)
		w.want(second, `5m31s undelivered via oncall`)
		if text := second.Taken()[0].Text; !strings.Contains(text, "oncall refuses what it is told: HTTP 401") {
			t.Errorf("text %q", text)
		}
		if b := w.desk.Backlog()[0]; b.Pending != 0 || b.Error != "HTTP 401" || b.FailingSince.IsZero() {
			t.Errorf("backlog: %+v", b)
		}
	})
}

func TestAReceiverThatIsGoneIsNotAskedAgainAndTheOthersAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second, third := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Recorder{}
		first.Answer = func(context.Context, alert.Message) error { return &alerttest.Refusal{Text: "HTTP 410", Out: true} }
		main, backup, other := oncall(first), named("backup", second), named("other", third)
		main.Fallback, backup.Tables, other.Tables = "backup", []string{"none"}, []string{"none"}
		w := open(t, deskOf(main, backup, other), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 7*time.Minute))
		w.run(20 * time.Minute)
		w.same(w.lines(first.Heard()), `5m31s firing shop.a:critical FAILS`)
		w.want(second, `
			5m31s undelivered via oncall
			5m31s firing shop.a:critical via oncall
			7m31s firing shop.b:critical via oncall`)
		w.want(third, `5m31s undelivered via oncall`)
		if b := w.desk.Backlog()[0]; !b.Disabled || b.Pending != 0 {
			t.Errorf("backlog: %+v", b)
		}
		// Another process asks again.
		first.Answer = nil
		w.restart()
		w.run(90 * time.Minute)
		if len(first.Taken()) == 0 {
			t.Error("nothing is told after a restart")
		}
	})
}

func TestAReceiverThatHangsIsLeftAfterFifteenSeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second := &alerttest.Recorder{}, &alerttest.Recorder{}
		first.Answer = func(ctx context.Context, _ alert.Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w := open(t, deskOf(oncall(first), named("other", second)), newTable("shop.a", 0, 5*time.Minute))
		w.run(11 * time.Minute)
		// Attempts begin at 5m31s, 5m51s, 6m36s, 8m51s; each is written down when
		// it ends, 15 s later. The other receiver does not wait for any.
		if got, want := w.seconds(first.Heard()), []int{331, 351, 396, 531}; len(got) != len(want) || got[0] != want[0] || got[3] != want[3] {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		w.want(second, `
			5m31s firing shop.a:critical
			10m46s undelivered via oncall`)
	})
}

func TestAMessageThatNobodyTakesHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: func(_ context.Context, m alert.Message) error {
			if m.Alerts[0].Table == "shop.poison" {
				return errDown
			}
			return nil
		}}
		w := open(t, deskOf(oncall(r)), newTable("shop.poison", 0, 5*time.Minute))
		for i := range 5 {
			w.tables = append(w.tables, newTable("shop."+string(rune('a'+i)), 0, time.Duration(6+i)*time.Minute))
		}
		w.run(15 * time.Minute)
		w.want(r, `
			6m31s firing shop.a:critical
			7m31s firing shop.b:critical
			8m31s firing shop.c:critical
			9m31s firing shop.d:critical
			10m31s firing shop.e:critical`)
	})
}

func TestAFallbackIsToldAfterFiveMinutesAndHearsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second := &alerttest.Recorder{Answer: between(0, 30*time.Minute, errDown)}, &alerttest.Recorder{}
		main, backup := oncall(first), named("backup", second)
		main.Fallback, backup.Tables = "backup", []string{"shop.both"}
		a, both := newTable("shop.a", 0, 5*time.Minute), newTable("shop.both", 0, 6*time.Minute)
		w := open(t, deskOf(main, backup), a, both)
		w.run(15 * time.Minute)
		w.polling(30 * time.Minute)
		// shop.both is known there already: it is not told twice.
		w.want(second, `
			6m31s firing shop.both:critical
			10m31s firing shop.a:critical via oncall
			15m31s resolved shop.a:critical:recovered shop.both:critical:recovered`)
		// The firing of shop.a was attempted, and arrives with its end; that of
		// shop.both was, too.
		for _, h := range first.Taken() {
			t.Log(w.lines([]alerttest.Heard{h}))
		}
	})
}

func TestAfterThreeDaysAMessageIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: func(context.Context, alert.Message) error { return errDown }}
		rec := oncall(r)
		rec.Repeat = nil
		seen := &counts{}
		w := open(t, func() *alert.Desk {
			d := deskOf(rec)()
			d.Observer = seen
			return d
		}, newTable("shop.a", 0, 5*time.Minute))
		w.every = 10 * time.Second
		w.run(73 * time.Hour)
		if b := w.desk.Backlog()[0]; b.Pending != 0 {
			t.Errorf("%d messages wait", b.Pending)
		}
		if seen.failed[alert.ReasonExpired] != 1 || seen.failed[alert.ReasonTemporary] < 70 || seen.sent != 0 {
			t.Errorf("counted %+v", seen)
		}
	})
}

func TestRemindersDoNotPileUpForAReceiverThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 6*time.Hour, errDown)}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 5*time.Minute, 3*time.Hour))
		w.run(7 * time.Hour)
		// What comes late is followed by a reminder an hour after it arrived.
		w.want(r, `
			6h18m6s firing shop.a:warn
			6h18m6s escalated shop.a:critical`)
	})
}

type counts struct {
	sent   int
	failed map[string]int
}

func (c *counts) Sent(string, alert.Event) { c.sent++ }
func (c *counts) Failed(_, reason string) {
	if c.failed == nil {
		c.failed = map[string]int{}
	}
	c.failed[reason]++
}

// A message that was refused hours ago is no failure of the receiver: one failed
// attempt after it does not count as hours of failing.
func TestARefusalLongAgoIsNoRowOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		r, other := &alerttest.Recorder{Answer: func(context.Context, alert.Message) error {
			n++
			switch n {
			case 1:
				return &alerttest.Refusal{Text: "HTTP 400", IsPermanent: true}
			case 2:
				return errDown
			}
			return nil
		}}, &alerttest.Recorder{}
		main, backup := oncall(r), named("other", other)
		main.Fallback, main.Repeat, main.Resolved = "other", nil, false
		backup.Tables, backup.Repeat = []string{"none"}, nil
		w := open(t, deskOf(main, backup), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 5*time.Hour))
		w.run(5*time.Hour + 2*time.Minute)
		w.want(other, `5m31s firing shop.a:critical via oncall`)
	})
}

// Others are told once that a receiver cannot be reached and once that it refuses
// what it is told, until it takes something.
func TestOthersAreToldOfAReceiverOnceInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, other := &alerttest.Recorder{}, &alerttest.Recorder{}
		began := time.Now()
		r.Answer = func(context.Context, alert.Message) error {
			if at := time.Since(began); at > 40*time.Minute && at < 90*time.Minute {
				return &alerttest.Refusal{Text: "HTTP 400", IsPermanent: true}
			}
			return errDown
		}
		main, second := oncall(r), named("other", other)
		main.Repeat, second.Tables = nil, []string{"none"}
		w := open(t, deskOf(main, second), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 2*time.Hour))
		w.run(3 * time.Hour)
		w.want(other, `
			10m31s undelivered via oncall
			1h18m6s undelivered via oncall`)
		for i, want := range []string{"cannot be reached since", "refuses what it is told: HTTP 400"} {
			if heard := other.Taken(); i < len(heard) && !strings.Contains(heard[i].Text, want) {
				t.Errorf("message %d: %q, want %q", i, heard[i].Text, want)
			}
		}
	})
}

// A fallback that has no room for a message is given it when it has.
func TestAFallbackThatIsFullIsToldLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		down, full := &alerttest.Recorder{Answer: func(context.Context, alert.Message) error { return errDown }},
			&alerttest.Recorder{Answer: between(0, 20*time.Minute, errDown)}
		main, backup := oncall(down), named("backup", full)
		main.Tables, main.Fallback, main.Repeat = []string{"shop.last"}, "backup", nil
		backup.Tables, backup.Limit, backup.Repeat = []string{"blog.*"}, 1, nil
		seen := &counts{}
		w := open(t, func() *alert.Desk {
			d := deskOf(main, backup)()
			d.Observer = seen
			d.SetRoom(20)
			return d
		}, newTable("shop.last", 0, 5*time.Minute))
		for i := range 10 {
			w.tables = append(w.tables, newTable(fmt.Sprintf("blog.t%d", i), 0, time.Minute))
		}
		w.run(2 * time.Hour)
		told := 0
		for _, h := range full.Taken() {
			for _, a := range h.Alerts {
				if a.Table == "shop.last" {
					told++
				}
			}
		}
		if told != 1 {
			t.Errorf("fallback was told of shop.last %d times, want once:\n%s", told, w.lines(full.Taken()))
		}
		if n := seen.failed[alert.ReasonOverflow]; n < 1 || n > 2 {
			t.Errorf("counted %d overflows, want one for the message and one for the word of its receiver, not one for each round", n)
		}
	})
}
