package notify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// beats notes when somebody was told that we are alive.
type beats struct {
	mu   sync.Mutex
	at   []time.Duration
	from time.Time
	// answer is what a beat is answered by; nil: 200.
	answer func(n int, r *http.Request) (int, error)
}

func (b *beats) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.at = append(b.at, time.Since(b.from))
	n := len(b.at)
	b.mu.Unlock()
	status, err := 200, error(nil)
	if b.answer != nil {
		status, err = b.answer(n, r)
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

// minutes are those of all beats.
func (b *beats) minutes() (out []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.at {
		out = append(out, int(at/time.Minute))
	}
	return out
}

// loop judges once a second, as the watcher does, unless it hangs or is ended.
func loop(ctx context.Context, h *notify.Heartbeat, all func(now time.Time) []syncer.Judged) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now := all(now); now != nil {
				h.Judged(time.Now(), now)
			}
		}
	}
}

// with are a fresh copy and one that is stale, changed.
func with(change func(*syncer.Judged)) []syncer.Judged {
	c := copyOf(syncer.Critical)
	change(&c)
	return []syncer.Judged{copyOf(syncer.Fresh), c}
}

func copyOf(level syncer.Level) syncer.Judged {
	return syncer.Judged{Freshness: syncer.Freshness{Table: "shop.users", Level: level}}
}

func TestHeartbeat(t *testing.T) {
	fresh := []syncer.Judged{copyOf(syncer.Fresh)}
	for _, test := range []struct {
		name string
		o    notify.HeartbeatOptions
		// judged is what is judged at a time since the begin; nil: the loop hangs.
		judged func(since time.Duration) []syncer.Judged
		want   []int // the minutes of beats in six minutes
	}{
		{"alive", notify.HeartbeatOptions{}, func(time.Duration) []syncer.Judged { return fresh }, []int{0, 1, 2, 3, 4, 5}},
		{"alive, though copies are stale", notify.HeartbeatOptions{}, func(time.Duration) []syncer.Judged { return with(func(*syncer.Judged) {}) }, []int{0, 1, 2, 3, 4, 5}},
		{"never judged", notify.HeartbeatOptions{}, func(time.Duration) []syncer.Judged { return nil }, nil},
		{"the judging loop hangs for a while", notify.HeartbeatOptions{}, func(since time.Duration) []syncer.Judged {
			if since > 90*time.Second && since < 210*time.Second {
				return nil
			}
			return fresh
		}, []int{0, 1, 2, 4, 5}},
		{"no copies", notify.HeartbeatOptions{AllFresh: true}, func(time.Duration) []syncer.Judged { return []syncer.Judged{} }, []int{0, 1, 2, 3, 4, 5}},
		{"all fresh", notify.HeartbeatOptions{AllFresh: true}, func(since time.Duration) []syncer.Judged {
			if since > 90*time.Second && since < 210*time.Second {
				return with(func(c *syncer.Judged) { c.Level = syncer.Unknown })
			}
			return fresh
		}, []int{0, 1, 4, 5}},
		{"all fresh but what is paused or another's", notify.HeartbeatOptions{AllFresh: true}, func(since time.Duration) []syncer.Judged {
			if since > 3*time.Minute {
				return with(func(c *syncer.Judged) { c.Paused = true })
			}
			return with(func(c *syncer.Judged) { c.Standby = true })
		}, []int{0, 1, 2, 3, 4, 5}},
		{"home is not writable", notify.HeartbeatOptions{Writable: func(context.Context) error { return errors.New("disk is full") }},
			func(time.Duration) []syncer.Judged { return fresh }, nil},
		{"home hangs", notify.HeartbeatOptions{Writable: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			func(time.Duration) []syncer.Judged { return fresh }, nil},
		{"home is writable", notify.HeartbeatOptions{Writable: func(context.Context) error { return nil }},
			func(time.Duration) []syncer.Judged { return fresh }, []int{0, 1, 2, 3, 4, 5}},
		{"every two minutes", notify.HeartbeatOptions{Every: 2 * time.Minute}, func(time.Duration) []syncer.Judged { return fresh }, []int{0, 2, 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &beats{from: time.Now()}
				test.o.URL, test.o.Transport, test.o.Log = "https://watch.example/ping/"+canary, b, zerolog.Nop()
				h := must[*notify.Heartbeat](t)(notify.NewHeartbeat(test.o))
				ctx, stop := context.WithTimeout(t.Context(), 6*time.Minute)
				defer stop()
				go loop(ctx, h, func(time.Time) []syncer.Judged { return test.judged(time.Since(b.from)) })
				if err := h.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if got := b.minutes(); !slices.Equal(got, test.want) {
					t.Errorf("beats in minutes %v, want %v", got, test.want)
				}
				if len(test.want) == 0 != h.Last().IsZero() {
					t.Errorf("last beat %v", h.Last())
				}
			})
		})
	}
}

// TestHeartbeatIsTriedThreeTimes has a watcher that hangs, one that errs, and one
// that recovers at the second try. Judging goes on meanwhile.
func TestHeartbeatIsTriedThreeTimes(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(n int, r *http.Request) (int, error)
		tries  int
		taken  bool
	}{
		{"hangs", func(_ int, r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() }, 3, false},
		{"errs", func(int, *http.Request) (int, error) { return 500, nil }, 3, false},
		{"redirects", func(int, *http.Request) (int, error) { return 302, nil }, 3, false},
		{"recovers", func(n int, _ *http.Request) (int, error) { return map[bool]int{true: 500, false: 200}[n == 1], nil }, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &beats{from: time.Now(), answer: test.answer}
				var log strings.Builder
				h := must[*notify.Heartbeat](t)(notify.NewHeartbeat(notify.HeartbeatOptions{
					URL: "https://watch.example/ping/" + canary, Transport: b, Log: zerolog.New(&log), Every: 10 * time.Minute,
				}))
				ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
				defer stop()
				judged := 0
				go loop(ctx, h, func(time.Time) []syncer.Judged { judged++; return []syncer.Judged{} })
				if err := h.Run(ctx); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := len(b.minutes()); n != test.tries || h.Last().IsZero() == test.taken {
					t.Errorf("%d tries, last taken %v, want %d and %v", n, h.Last(), test.tries, test.taken)
				}
				if last := b.at[len(b.at)-1] - b.at[0]; test.name == "hangs" && last != 22*time.Second {
					t.Errorf("the third try was begun after %v, want 22s: ten for each before, and a second between", last)
				}
				if judged < 290 {
					t.Errorf("judged %d times in five minutes", judged)
				}
				shows(t, "log", log.String())
			})
		})
	}
}

// TestHeartbeatThatIsStoppedSaysNothing ends while home and the watcher are asked,
// which is the fault of neither.
func TestHeartbeatThatIsStoppedSaysNothing(t *testing.T) {
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, o := range map[string]notify.HeartbeatOptions{
		"home":    {Writable: hangs, Transport: &beats{}},
		"watcher": {Transport: &beats{answer: func(_ int, r *http.Request) (int, error) { return 0, hangs(r.Context()) }}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				o.URL, o.Log = "https://watch.example/ping", zerolog.New(&log)
				h := must[*notify.Heartbeat](t)(notify.NewHeartbeat(o))
				ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
				defer stop()
				h.Judged(time.Now(), nil)
				if err := h.Run(ctx); err != nil || log.Len() > 0 {
					t.Errorf("error %v, log %s", err, log.String())
				}
			})
		})
	}
}
