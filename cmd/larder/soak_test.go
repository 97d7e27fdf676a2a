package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// soak is how much runs for how long.
type soak struct {
	sources, owners, files int
	// lasts is how long there are faults and changes, and every how often it is
	// read what the process holds.
	lasts, every time.Duration
	postgres     bool
	seed         uint64
	// leak is called at each request, by tests of the judge.
	leak func()
}

// leakTime is how long a goroutine that was left behind lasts: longer than its
// soak.
const leakTime = time.Hour

// soakVariable asks for the whole hour.
const soakVariable = "LARDER_SOAK"

// A daemon is put together as larder run does, from a configuration of many
// sources, in a bubble in which an hour passes in minutes. Owners fail in all
// their ways and go down, leases are taken, files are locked, receivers refuse,
// nudges come. All the while each copy is as new as it claims; what the process
// holds does not grow; and once the faults end each copy is what its owner holds.
//
// LARDER_SOAK=hour lets 200 sources run for an hour.
func TestSoak(t *testing.T) {
	s := soak{sources: 28, owners: 5, files: 2, lasts: 10 * time.Minute, every: 2 * time.Minute, postgres: true, seed: 1}
	if testing.Short() { // as the race detector is on, which SQLite suffers from
		s = soak{sources: 7, owners: 2, files: 1, lasts: 5 * time.Minute, every: time.Minute, seed: 1}
	}
	if os.Getenv(soakVariable) == "hour" {
		s = soak{sources: 200, owners: 20, files: 4, lasts: time.Hour, every: 10 * time.Minute, postgres: true, seed: 1}
	}
	w := s.run(t)
	t.Logf("%d sources of %d owners, seed %d, %d claims looked at, the oldest copy of %s, %d messages taken; what was on:\n%v\n%s",
		s.sources, s.owners, s.seed, w.claimed, w.oldest.Round(time.Second), w.told, w.faults, w.readings)
	if err := w.readings.flat(atRest(s.sources, len(w.parts.consumers))); err != nil {
		t.Error(err)
	}
	if s.lasts < time.Hour {
		return // what is drawn seldom may be left out
	}
	for _, fault := range []string{"status", "Retry-After", "cut", "drop", "stall", "login page", "error body", "owner down", "receiver refuses",
		"receiver down", "lease taken", "file locked", "nudge"} {
		if w.faults[fault] == 0 {
			t.Errorf("fault %q was never on", fault)
		}
	}
}

// What grows is seen: a goroutine, a file or a buffer that each request leaves
// behind.
func TestSoakSeesWhatGrows(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector sees nothing of it")
	}
	var kept [][]byte
	var open []*os.File
	t.Cleanup(func() {
		for _, f := range open {
			_ = f.Close()
		}
	})
	var mu sync.Mutex
	for name, leak := range map[string]func(){
		"nothing": nil,
		"goroutines": func() {
			go time.Sleep(leakTime)
		},
		"files": func() {
			if f, err := os.Open(os.DevNull); err == nil {
				mu.Lock()
				defer mu.Unlock()
				open = append(open, f)
			}
		},
		"bytes on the heap": func() {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, make([]byte, 64<<10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := soak{sources: 7, owners: 2, files: 1, lasts: 6 * time.Minute, every: time.Minute * 3 / 2, seed: 2, leak: leak}
			w := s.run(t)
			err := w.readings.flat(atRest(s.sources, 1))
			if leak == nil && err != nil || leak != nil && (err == nil || !strings.Contains(err.Error(), name)) {
				t.Errorf("judge says %v of\n%s", err, w.readings)
			}
		})
	}
	if len(kept) == 0 {
		t.Error("nothing was kept")
	}
}

// What a copy lacks of what it claims is seen, and no more than that.
func TestSoakSeesWhatIsNotTrue(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	change := func(id int64, minute int, gone bool) sourcetest.Change {
		return sourcetest.Change{ID: id, Commit: began.Add(time.Duration(minute) * time.Minute), Gone: gone}
	}
	told := &soakFeed{name: "s", log: []sourcetest.Change{change(1, 0, false), change(2, 1, false), change(1, 10, false), change(2, 20, true)}}
	silent := &soakFeed{name: "s", log: told.log, kind: soakKind{silent: true}}
	for name, test := range map[string]struct {
		feed          *soakFeed
		asOf, deletes int
		rows          copyOf
		untrue        int
	}{
		"all of it":                   {told, 30, 30, copyOf{1: "version 2"}, 0},
		"more than is claimed":        {told, 5, 5, copyOf{1: "version 2"}, 0},
		"less than all, and says so":  {told, 5, 5, copyOf{1: "version 0", 2: "version 1"}, 0},
		"an old row":                  {told, 15, 15, copyOf{1: "version 0", 2: "version 1"}, 1},
		"a row lost":                  {told, 15, 15, copyOf{1: "version 2"}, 0}, // its owner has deleted it by now
		"another row lost":            {told, 15, 15, copyOf{2: "version 1"}, 2},
		"a row that is deleted":       {told, 25, 25, copyOf{1: "version 2", 2: "version 1"}, 1},
		"a deletion that nobody told": {silent, 25, 15, copyOf{1: "version 2", 2: "version 1"}, 0},
		"a deletion that a list told": {silent, 25, 25, copyOf{1: "version 2", 2: "version 1"}, 1},
	} {
		st := syncer.Status{Freshness: syncer.Freshness{AsOf: began.Add(time.Duration(test.asOf) * time.Minute)}, DeletesAsOf: began.Add(time.Duration(test.deletes) * time.Minute)}
		if wrong := test.feed.untrue(st, test.rows); len(wrong) != test.untrue {
			t.Errorf("%s: %d findings, want %d: %q", name, len(wrong), test.untrue, wrong)
		}
	}
}

// soakWorld is all that a soak is made of.
type soakWorld struct {
	*fleet
	soak
	dir      string
	parts    *parts
	reads    map[string]consumed
	tables   map[string][]string // by consumer
	pg       *soakPostgres
	door     *soakDoor
	client   *http.Client
	log      *soakLog
	beside   sync.WaitGroup // ends with the soak
	held     sync.WaitGroup // locks that are held
	readings readings
	claimed  int
	oldest   time.Duration
}

// run lives through the soak in a bubble.
func (s soak) run(t *testing.T) *soakWorld {
	bubbleClock()
	w := &soakWorld{soak: s, dir: t.TempDir(), reads: make(map[string]consumed), tables: make(map[string][]string), log: &soakLog{}}
	if s.postgres {
		w.pg = newSoakPostgres(t)
	}
	synctest.Test(t, func(t *testing.T) {
		w.fleet = newFleet(s.sources, s.owners, s.lasts-time.Minute, s.seed)
		w.over = s.leak
		w.door = newSoakDoor()
		w.client = &http.Client{Transport: &http.Transport{DialContext: w.door.dial, DisableKeepAlives: true}, Timeout: 10 * time.Second}
		w.build(t)
		d, err := w.parts.daemon(t.Context(), w.parts.home)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		w.live(t)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("daemon ended: %v", err)
		}
		w.parts.close()
		w.beside.Wait()
		if s.leak != nil {
			time.Sleep(leakTime) // the bubble does not wait for goroutines
		}
	})
	return w
}

// build makes the parts of the soak's configuration.
func (w *soakWorld) build(t *testing.T) {
	t.Helper()
	text := w.config()
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false }, judge, judgeOutside)
	if err != nil {
		t.Fatal(err)
	}
	w.parts, err = buildIn(outside{carrier: w.fleet, listen: w.door.listen}, c, newLog(w.log, c.Larder.Log))
	if err != nil {
		t.Fatal(err)
	}
}

// config is larder.toml.
func (w *soakWorld) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, `larder.home = %q
larder.log = { level = "warn", format = "json" }
larder.startup_grace = "30s"
larder.heartbeat = "https://beat.example/larder"
[alert.hook]
kind = "webhook"
url = "https://hooks.example/larder"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
group = "10s"
fallback = "chat"
[alert.chat]
kind = "slack"
url = "https://chat.example/larder"
[nudge.first]
source = %q
kind = "bearer"
secret = "0123456789abcdef"
`, filepath.Join(w.dir, "home.db"), w.feeds[0].name)
	var consumers []string
	for i := range w.files {
		name, file := fmt.Sprintf("c%d", i), filepath.Join(w.dir, fmt.Sprintf("c%d.db", i))
		fmt.Fprintf(&b, "[consumer.%s]\ndatabase = %q\n", name, "sqlite:"+file)
		w.reads[name] = consumedSQLite{file}
		consumers = append(consumers, name)
	}
	if w.pg != nil {
		fmt.Fprintf(&b, "[consumer.pg]\ndatabase = %q\n", w.pg.dsn)
		w.reads["pg"] = consumedPostgres{w.pg}
		consumers = append(consumers, "pg")
	}
	for i := range w.owners {
		host := fmt.Sprintf("owner%02d.example", i)
		fmt.Fprintf(&b, "[owner.o%02d]\nurl = \"https://%s\"\nretry = { attempts = 3 }\ntimeout = \"20s\"\n", i, host)
	}
	for i, f := range w.feeds {
		f.consumers = []string{consumers[i%len(consumers)]}
		if i%5 == 0 && len(consumers) > 1 {
			f.consumers = append(f.consumers, consumers[(i+1)%len(consumers)])
		}
		every := []string{"20s", "30s", "45s", "1m"}[i%4]
		fmt.Fprintf(&b, "[source.%s]\nowner = \"o%02d\"\nschedule = \"@every %s\"\n%s\n", f.name, i%w.owners, every, fmt.Sprintf(f.kind.source, f.name))
		fmt.Fprintf(&b, "[[table]]\nsource = %q\nconsumer = [\"%s\"]\nbudget = { warn = \"3m\", critical = \"5m\" }\n", f.name, strings.Join(f.consumers, `", "`))
		part := ""
		if f.kind.parts {
			part = `, part = { from = "each.name", type = "text" }`
		}
		fmt.Fprintf(&b, "columns = { id = \"bigint\", name = \"text\", updated_at = \"timestamptz\"%s }\n", part)
		for _, c := range f.consumers {
			w.tables[c] = append(w.tables[c], f.name)
		}
	}
	return b.String()
}

// live lets the time pass, with trouble, and judges.
func (w *soakWorld) live(t *testing.T) {
	const tick = 5 * time.Second
	started := time.Now()
	ctx := t.Context()
	if w.pg != nil {
		stop := make(chan struct{})
		w.beside.Go(func() { w.tell(t, stop) })
		defer close(stop)
	}
	for now := tick; now <= w.lasts; now += tick {
		time.Sleep(time.Until(started.Add(now)))
		rest := now % w.every
		quiet := rest == 0 || rest > w.every-min(w.every/3, time.Minute) // what is under way ends before it is read
		w.calm(quiet)
		if !quiet {
			w.trouble(t)
		}
		if now%time.Minute == 0 {
			w.forget()
			w.look(ctx, t)
		}
		if rest == 0 {
			w.hold(ctx, t, now)
		}
	}
	w.calm(true)
	// The last audits are due, and repair what no feed tells.
	var err error
	for range 16 {
		time.Sleep(time.Minute)
		synctest.Wait()
		if err = w.differences(ctx); err == nil {
			break
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// look judges what is claimed, and asks for metrics.
func (w *soakWorld) look(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, c := range w.parts.consumers {
		if w.pg != nil && c.Name == "pg" {
			if err := w.pg.tell(ctx); err != nil {
				t.Error(err)
			}
		}
		if err := w.claims(ctx, c); err != nil {
			t.Error(err)
		}
	}
	if err := w.ask(http.MethodGet, "/metrics"); err != nil {
		t.Errorf("ask for metrics: %v", err)
	}
}

// hold reads what the process holds, once all polls have ended.
func (w *soakWorld) hold(ctx context.Context, t *testing.T, at time.Duration) {
	t.Helper()
	w.held.Wait()
	synctest.Wait()
	r := read(w.dir)
	if w.pg != nil && r.databases >= 0 {
		n, err := w.pg.sessions(ctx)
		if err != nil {
			t.Error(err)
		}
		r.databases += n
	}
	w.fleet.mu.Lock()
	r.at, r.polls = at, w.polls
	w.fleet.mu.Unlock()
	w.readings = append(w.readings, r)
}
