package alert_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
	"github.com/larder-sync/larder/syncer/schedule"
)

// outage is a time in which polls of a table fail.
type outage struct {
	table       string
	from, until string
	class       syncer.Class
	text        string
}

// outages are told of in testdata/month.golden, each where it shows.
func outages() []outage {
	refused := "connect to users.internal: refused"
	database := "connect to db shop: refused"
	return []outage{
		{"shop.users", "03-11 09:05", "03-11 17:05", syncer.ClassConnect, refused},
		{"shop.orders", "03-16 04:55", "03-16 05:05", syncer.ClassHTTP5xx, "HTTP 503"},
		{"blog.posts", "03-18 08:05", "03-18 08:55", syncer.ClassTimeout, "no answer in 30s"},
		{"blog.posts", "03-18 09:05", "03-18 09:55", syncer.ClassTimeout, "no answer in 30s"},
		{"shop.users", "03-20 12:05", "03-20 14:55", syncer.ClassConnect, refused},
		{"shop.users", "03-23 10:05", "03-23 11:55", syncer.ClassConnect, refused},
		{"shop.users", "03-25 08:05", "03-25 12:55", syncer.ClassConnect, refused},
		{"blog.posts", "03-26 21:50", "03-26 23:20", syncer.ClassTimeout, "no answer in 30s"},
		{"shop.users", "03-27 09:05", "03-27 12:05", syncer.ClassConnect, refused},
		{"shop.prices", "03-30 00:25", "03-30 00:35", syncer.ClassAuth, "HTTP 401"},
		{"shop.orders", "03-30 03:55", "03-30 04:05", syncer.ClassHTTP5xx, "HTTP 503"},
		{"shop.users", "04-02 10:05", "04-02 13:55", syncer.ClassConnect, refused},
		{"shop.items", "04-03 08:05", "04-03 09:05", syncer.ClassDatabase, database},
		{"shop.stock", "04-03 08:05", "04-03 09:05", syncer.ClassDatabase, database},
		{"shop.items", "04-06 07:05", "04-06 07:55", syncer.ClassConnect, refused},
	}
}

// day reads a moment of the month.
func day(t *testing.T, text string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", "2026-"+text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// month is thirty days of a daemon with six tables.
type month struct {
	*world
	ticks map[string]schedule.Schedule
	next  map[string]time.Time
	out   []outage
}

func (m *month) add(name, spec string, b syncer.Budget) {
	s, err := schedule.Parse(spec, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if !b.Grace.IsZero() {
		b.Grace.Due = s
	}
	c := newTable(name, 0, 0)
	c.budget = b
	m.tables = append(m.tables, c)
	m.ticks[name], m.next[name] = s, s.Next(time.Now())
}

func (m *month) table(name string) *table {
	return m.tables[slices.IndexFunc(m.tables, func(c *table) bool { return c.name == name })]
}

// poll polls what is due.
func (m *month) poll() {
	now := time.Now()
	for _, c := range m.tables {
		if now.Before(m.next[c.name]) {
			continue
		}
		m.next[c.name] = m.ticks[c.name].Next(now)
		i := slices.IndexFunc(m.out, func(o outage) bool {
			return o.table == c.name && !now.Before(day(m.t, o.from)) && now.Before(day(m.t, o.until))
		})
		switch {
		case c.paused:
		case i >= 0:
			c.fail(m.out[i].class, m.out[i].text)
		default:
			c.poll()
		}
	}
}

// until goes on to a moment and polls; what happens then comes before it is
// judged.
func (m *month) until(at string) {
	for end := day(m.t, at); ; {
		m.tick()
		time.Sleep(min(m.every, time.Until(end)))
		m.poll()
		if !time.Now().Before(end) {
			return
		}
	}
}

// firstWeek is where the month ends for those who have little time: with a week in
// which something fires, rises, is reminded of and ends, before the first restart.
const firstWeek = "03-17 12:00"

// TestSimulatedMonth compares every message of thirty days with a list in which
// each line says why it is there.
func TestSimulatedMonth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		time.Sleep(time.Until(day(t, "03-10 00:00")))
		down := func(context.Context, alert.Message) error {
			if now := time.Now(); now.After(day(t, "03-27 09:00")) && now.Before(day(t, "03-27 14:00")) {
				return errRefused
			}
			return nil
		}
		first, second := &alerttest.Recorder{Answer: down}, &alerttest.Recorder{}
		m := &month{ticks: map[string]schedule.Schedule{}, next: map[string]time.Time{}, out: outages(),
			world: &world{t: t, began: time.Now(), store: &alerttest.Store{}, every: 10 * time.Second}}
		m.make = monthlyDesk(t, first, second)
		m.add("shop.users", "*/10 * * * *", syncer.Budget{Warn: 30 * time.Minute, Critical: time.Hour})
		m.add("shop.items", "*/10 * * * *", syncer.Budget{Warn: 30 * time.Minute, Critical: time.Hour})
		m.add("shop.stock", "*/10 * * * *", syncer.Budget{Warn: 30 * time.Minute, Critical: time.Hour})
		m.add("shop.orders", "CRON_TZ=Europe/Berlin 0 6 * * 1-5", syncer.Budget{Grace: syncer.Grace{Warn: 15 * time.Minute, Critical: time.Hour}})
		m.add("shop.prices", "CRON_TZ=Europe/Berlin 30 2 * * *", syncer.Budget{Critical: 25 * time.Hour})
		m.add("blog.posts", "*/15 * * * *", syncer.Budget{Critical: 45 * time.Minute})
		m.start()
		m.live()
		m.stop()
		compareMonth(t, first, second)
	})
}

func monthlyDesk(t *testing.T, first, second alert.Notifier) func() *alert.Desk {
	oncall := oncall(first)
	oncall.Fallback = "mail"
	oncall.Repeat = map[syncer.Level]time.Duration{syncer.Warn: 4 * time.Hour, syncer.Critical: 6 * time.Hour}
	mail := named("mail", second)
	mail.Tables = []string{"none"}
	night, err := schedule.Parse("0 22 * * *", nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() *alert.Desk {
		return &alert.Desk{Receivers: []*alert.Receiver{oncall, mail}, StartupGrace: 10 * time.Minute, Log: zerolog.New(io.Discard),
			Maintenance: []alert.Maintenance{{Tables: []string{"blog.*"}, Schedule: night, Duration: 2 * time.Hour}},
			Hold: func(table string) time.Duration {
				if strings.HasPrefix(table, "blog.") {
					return time.Hour
				}
				return 5 * time.Minute
			}}
	}
}

// live is what befalls the daemon beside outages of owners.
func (m *month) live() {
	if testing.Short() {
		m.until(firstWeek)
		return
	}
	m.until("03-20 12:45")
	m.restart()
	m.until("03-21 02:00")
	m.stop() // the machine is off
	time.Sleep(time.Until(day(m.t, "03-21 06:01")))
	for _, c := range m.tables {
		c.polled = time.Time{}
		m.next[c.name] = time.Now().Add(2 * time.Minute) // catching up
	}
	m.start()
	m.until("03-23 10:45")
	m.table("shop.users").budget = syncer.Budget{Warn: 2 * time.Hour, Critical: 3 * time.Hour}
	m.restart()
	m.until("03-25 08:00")
	if err := m.store.Silence(m.t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.*"},
		From: time.Now(), Until: time.Now().Add(4 * time.Hour), Reason: "move", Author: "ann"}); err != nil {
		m.t.Fatal(err)
	}
	m.until("03-30 05:30")
	m.table("shop.orders").poll() // by hand
	m.until("04-02 12:30")
	m.table("shop.users").paused = true
	m.until("04-02 14:00")
	m.table("shop.users").paused = false
	m.table("shop.users").poll() // the tick of 14:00
	m.until("04-06 07:00")
	m.store.Fail(alerttest.ErrFails)
	m.until("04-06 09:00")
	m.store.Fail(nil)
	m.until("04-09 00:00")
}

// compareMonth compares what was taken with the golden list, from which comments
// are left out.
func compareMonth(t *testing.T, first, second *alerttest.Recorder) {
	t.Helper()
	var got []string
	for name, r := range map[string]*alerttest.Recorder{"oncall": first, "mail": second} {
		for _, h := range r.Taken() {
			line := fmt.Sprintf("%s %s %s", h.At.UTC().Format("01-02 15:04"), name, said(h.Message))
			if h.Cause != "" {
				line += " (" + h.Cause + ")"
			}
			got = append(got, line)
		}
	}
	// Of one minute the order of each receiver stays.
	slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:len("01-02 15:04 m")], b[:len("01-02 15:04 m")]) })
	golden, err := os.ReadFile("testdata/month.golden")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(golden)) {
		line, _, _ = strings.Cut(line, "#")
		if testing.Short() && line > firstWeek {
			continue
		}
		if strings.TrimSpace(line) != "" {
			want = append(want, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages of the month (-want +got):\n%s", diff)
	}
}
