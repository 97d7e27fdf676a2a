package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// move is one step of a script.
type move struct {
	What  string
	Which int // table or receiver
	For   time.Duration
	After int // steps of open, enqueue, deliver, mark
}

// script is what befalls a desk with two tables and two receivers.
type script struct {
	Hold  time.Duration
	Moves []move
}

func drawScript(t *rapid.T) script {
	s := script{Hold: rapid.SampledFrom([]time.Duration{0, 2 * time.Minute}).Draw(t, "hold")}
	for range rapid.IntRange(5, 40).Draw(t, "moves") {
		s.Moves = append(s.Moves, move{
			What: rapid.SampledFrom([]string{"run", "run", "run", "outage", "outage", "recovery", "store fails", "store works",
				"refuses", "takes and fails", "hangs", "takes", "takes", "crash", "crash", "restart"}).Draw(t, "what"),
			Which: rapid.IntRange(0, 1).Draw(t, "which"),
			For: rapid.SampledFrom([]time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 6 * time.Minute, 12 * time.Minute,
				20 * time.Minute, 70 * time.Minute}).Draw(t, "for"),
			After: rapid.IntRange(1, 8).Draw(t, "after"),
		})
	}
	return s
}

var errDead = errors.New("process is dead")

// process is one life of a desk: after its fuse has burnt down nothing that it
// does has any effect.
type process struct {
	mu   sync.Mutex
	fuse int // steps that are left; 0: it lives on
	dead bool
}

// step is passed before and after everything that can be seen from outside.
func (p *process) step() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fuse > 0 {
		if p.fuse--; p.fuse == 0 {
			p.dead = true
		}
	}
	if p.dead {
		return errDead
	}
	return nil
}

func (p *process) died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// mortalStore is a Store as one process sees it.
type mortalStore struct {
	alert.Store
	*process
}

func (s mortalStore) Save(ctx context.Context, c alert.Change) error {
	if err := s.step(); err != nil {
		return err
	}
	if err := s.Store.Save(ctx, c); err != nil {
		return err
	}
	return s.step()
}

func (s mortalStore) Load(ctx context.Context) (alert.Memory, error) {
	if s.died() {
		return alert.Memory{}, errDead
	}
	return s.Store.Load(ctx)
}

// mortalNotifier is a receiver as one process sees it.
type mortalNotifier struct {
	alert.Notifier
	*process
}

func (n mortalNotifier) Notify(ctx context.Context, m alert.Message) (string, error) {
	if err := n.step(); err != nil {
		return "", err
	}
	answer, err := n.Notifier.Notify(ctx, m)
	if dead := n.step(); dead != nil {
		return "", dead
	}
	return answer, err
}

// receiver is what is on the other side: got is what has arrived there, tried
// when an alert was first sent so that it may have arrived, or else last.
type receiver struct {
	mu    sync.Mutex
	mode  string
	got   []alerttest.Heard
	tried map[string]time.Time
	// unsure are the alerts that may have arrived.
	unsure map[string]bool
}

func newOther() *receiver {
	return &receiver{mode: "takes", tried: map[string]time.Time{}, unsure: map[string]bool{}}
}

func (r *receiver) Notify(ctx context.Context, m alert.Message) (string, error) {
	r.mu.Lock()
	mode := r.mode
	for _, a := range m.Alerts {
		if !r.unsure[a.ID] {
			r.tried[a.ID] = time.Now()
			r.unsure[a.ID] = mode != "refuses"
		}
	}
	if mode == "takes" || mode == "takes and fails" {
		m.Alerts = append([]alert.Alert(nil), m.Alerts...)
		r.got = append(r.got, alerttest.Heard{At: time.Now(), Message: m})
	}
	r.mu.Unlock()
	switch mode {
	case "takes":
		return "ok", nil
	case "hangs":
		<-ctx.Done()
		return "", ctx.Err()
	case "refuses":
		return "", errRefused
	}
	return "", errDown
}

// plant puts something between a desk and its store or receivers that behaves
// as a broken desk would.
type plant struct {
	store    func(alert.Store) alert.Store
	notifier func(alert.Notifier) alert.Notifier
}

// stretch is how a table stood from a moment on.
type stretch struct {
	at    time.Time
	level syncer.Level
}

// run plays a script and returns what is wrong with what the receivers got.
func (s script) run(t *testing.T, p plant) (complaint string) {
	synctest.Test(t, func(t *testing.T) {
		g := &game{receivers: []*receiver{newOther(), newOther()}, broken: p, script: s}
		g.world = &world{t: t, began: time.Now(), store: &alerttest.Store{}, every: 10 * time.Second,
			tables: []*table{newTable("shop.a", 5*time.Minute, 15*time.Minute), newTable("blog.b", 0, 10*time.Minute)}}
		g.history = make([][]stretch, len(g.tables))
		g.out = make([]bool, len(g.tables))
		g.make = g.desk
		g.world.start()
		for _, m := range s.Moves {
			g.play(m)
		}
		g.heal()
		g.world.stop()
		complaint = g.judge()
	})
	return complaint
}

// game is a script that is being played.
type game struct {
	*world
	script
	broken    plant
	process   *process
	receivers []*receiver
	history   [][]stretch // by table
	out       []bool      // the owner is down, by table
	failing   bool        // the store
	lives     []time.Time // restarts
}

func (g *game) desk() *alert.Desk {
	g.process = &process{}
	g.lives = append(g.lives, time.Now())
	var rs []*alert.Receiver
	for i, r := range g.receivers {
		var n alert.Notifier = r
		if g.broken.notifier != nil {
			n = g.broken.notifier(n)
		}
		rec := named([]string{"mail", "pager"}[i], mortalNotifier{n, g.process})
		if i == 1 {
			rec.Group, rec.Limit, rec.Repeat = 0, 1, nil
		}
		rs = append(rs, rec)
	}
	d := deskOf(rs...)()
	d.Hold = func(string) time.Duration { return g.Hold }
	var store alert.Store = g.store
	if g.broken.store != nil {
		store = g.broken.store(store)
	}
	d.Store = mortalStore{store, g.process}
	return d
}

func (g *game) play(m move) {
	switch m.What {
	case "run":
		g.run(m.For)
	case "outage":
		g.out[m.Which] = true
	case "recovery":
		g.out[m.Which] = false
	case "store fails":
		g.failing = true
		g.process.light(0)
		g.store.Fail(alerttest.ErrFails)
	case "store works":
		g.works()
	case "crash":
		// What was never saved dies with the process: home and the process are
		// not lost together here.
		if !g.failing {
			g.process.light(m.After)
		}
	case "restart":
		if !g.failing {
			g.world.restart()
		}
	default:
		g.receivers[m.Which].set(m.What)
	}
}

// light makes the process die after so many steps.
func (p *process) light(steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fuse = steps
}

func (r *receiver) set(mode string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = mode
}

func (g *game) works() {
	if g.failing {
		g.failing = false
		g.store.Fail(nil)
		g.run(time.Minute + 30*time.Second) // until all is saved
	}
}

func (g *game) run(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(g.every)
		for i, c := range g.tables {
			if !g.out[i] && time.Since(c.standing.AsOf) >= time.Minute {
				c.poll()
			}
			level := c.judged(time.Now()).Alarm
			if h := g.history[i]; len(h) == 0 || h[len(h)-1].level != level {
				g.history[i] = append(h, stretch{time.Now(), level})
			}
		}
		g.tick()
		if g.process.died() {
			g.world.restart()
		}
	}
}

// heal ends everything that is wrong, for long enough that all is told.
func (g *game) heal() {
	g.works()
	for i := range g.receivers {
		g.receivers[i].set("takes")
	}
	for i := range g.out {
		g.out[i] = false
	}
	g.run(2 * time.Hour)
}

// judge holds what arrived against what was true.
func (g *game) judge() string {
	for i, r := range g.receivers {
		if wrong := g.judgeReceiver(r); wrong != "" {
			return fmt.Sprintf("receiver %d: %s; it got\n%s", i, wrong, g.lines(r.got))
		}
	}
	m, err := g.store.Load(context.Background())
	if err != nil || len(m.Messages) > 0 {
		return fmt.Sprintf("store still has %d messages, %v", len(m.Messages), err)
	}
	return ""
}

func (g *game) judgeReceiver(r *receiver) string {
	type line struct {
		alert.Alert
		message string
		at      time.Time
	}
	first := map[string]line{}
	var order []line
	for _, h := range r.got {
		for _, a := range h.Alerts {
			l, again := first[a.ID]
			switch {
			case !again:
				l = line{a, h.ID, h.At}
				first[a.ID] = l
				order = append(order, l)
			case l.message != h.ID || l.Event != a.Event || l.Episode != a.Episode || l.Sequence != a.Sequence:
				return fmt.Sprintf("alert %s comes as %s of %s in message %s and as %s of %s in %s", a.ID, l.Event, l.Table, l.message, a.Event, a.Table, h.ID)
			case !cmp.Equal(l.Alert, a):
				return fmt.Sprintf("%s of %s comes in other words:\n%s", a.Event, a.Table, cmp.Diff(l.Alert, a))
			}
		}
	}
	open := map[string]line{} // by table
	ended := map[string]bool{}
	for _, l := range order {
		was, fires := open[l.Table]
		switch {
		case ended[l.Episode]:
			return fmt.Sprintf("%s of an episode of %s that had ended", l.Event, l.Table)
		case l.Event == alert.Firing && fires:
			return fmt.Sprintf("%s fires while it fires", l.Table)
		case l.Event == alert.Firing:
			open[l.Table] = l
		case fires && was.Episode != l.Episode:
			return fmt.Sprintf("%s of another episode of %s than the one that fires", l.Event, l.Table)
		case !fires && l.Event != alert.Resolved:
			return fmt.Sprintf("%s of %s, which does not fire", l.Event, l.Table)
		}
		if l.Event == alert.Resolved {
			delete(open, l.Table)
			ended[l.Episode] = true
		}
		if wrong := g.untrue(l.Alert, l.at, r.tried[l.ID]); wrong != "" {
			return wrong
		}
	}
	for name := range open {
		return fmt.Sprintf("%s fires for ever", name)
	}
	var alerts []alert.Alert
	for _, l := range order {
		alerts = append(alerts, l.Alert)
	}
	return g.missing(alerts)
}

// untrue says what of an alert was not so.
func (g *game) untrue(a alert.Alert, at, tried time.Time) string {
	history := g.historyOf(a.Table)
	if a.Event == alert.Resolved {
		if level := levelAt(history, a.Closed); level != syncer.Fresh {
			return fmt.Sprintf("%s is said to have ended at %v, when it was %s", a.Table, a.Closed.Sub(g.began), level)
		}
		return ""
	}
	if level := levelAt(history, a.Opened); level == syncer.Fresh {
		return fmt.Sprintf("%s is said to have opened at %v, when it was fresh", a.Table, a.Opened.Sub(g.began))
	}
	if a.Level == syncer.Critical && !criticalBetween(history, a.Opened, at) {
		return fmt.Sprintf("%s is said to be critical, and never was", a.Table)
	}
	// When it was first sent it was still so, by the last round, or another
	// process had promised it.
	again := slices.ContainsFunc(g.lives, func(life time.Time) bool { return !life.Before(a.Opened) && !life.After(tried) })
	if !again && levelAt(history, tried) == syncer.Fresh && levelAt(history, tried.Add(-g.every)) == syncer.Fresh {
		return fmt.Sprintf("%s of %s was sent at %v, when it was fresh", a.Event, a.Table, tried.Sub(g.began))
	}
	return ""
}

// missing names a stretch of ten minutes in which a table was stale and that the
// receiver was never told of.
func (g *game) missing(told []alert.Alert) string {
	for i, c := range g.tables {
		var from time.Time
		for _, s := range append(g.history[i], stretch{time.Now(), syncer.Fresh}) {
			switch {
			case s.level != syncer.Fresh && from.IsZero():
				from = s.at
			case s.level == syncer.Fresh && !from.IsZero():
				if s.at.Sub(from) >= 11*time.Minute && !anyOf(told, c.name, from, s.at) {
					return fmt.Sprintf("%s was stale from %v to %v, and nobody was told", c.name, from.Sub(g.began), s.at.Sub(g.began))
				}
				from = time.Time{}
			}
		}
	}
	return ""
}

func anyOf(told []alert.Alert, name string, from, until time.Time) bool {
	for _, a := range told {
		if a.Table == name && !a.Opened.After(until) && (a.Closed.IsZero() && !a.Opened.Before(from) || !a.Closed.Before(from)) {
			return true
		}
	}
	return false
}

func (g *game) historyOf(name string) []stretch {
	for i, c := range g.tables {
		if c.name == name {
			return g.history[i]
		}
	}
	return nil
}

func levelAt(history []stretch, at time.Time) (level syncer.Level) {
	for _, s := range history {
		if s.at.After(at) {
			break
		}
		level = s.level
	}
	return level
}

func criticalBetween(history []stretch, from, until time.Time) bool {
	for i, s := range history {
		ends := until.Add(time.Hour)
		if i+1 < len(history) {
			ends = history[i+1].at
		}
		if s.level == syncer.Critical && !s.at.After(until) && ends.After(from) {
			return true
		}
	}
	return false
}

// TestNothingIsLostBetweenAnyTwoSteps kills the desk between any two steps of
// open, enqueue, deliver and mark, makes its store and its receivers fail before
// and after they have taken something, and holds what arrived against what was
// true: every firing and every end, duplicates by the same id, in order, and
// nothing that was not so.
func TestNothingIsLostBetweenAnyTwoSteps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScript(rt)
		if wrong := s.run(t, plant{}); wrong != "" {
			rt.Fatalf("%s\nby %+v", wrong, s)
		}
	})
}

// TestPlantedFaultsAreFound breaks the desk through its seams, and holds the
// test above to finding it.
func TestPlantedFaultsAreFound(t *testing.T) {
	for name, p := range planted() {
		t.Run(name, func(t *testing.T) {
			scripts := rapid.Custom(drawScript)
			for seed := range 1500 {
				if wrong := scripts.Example(seed).run(t, p); wrong != "" {
					t.Logf("found by script %d: %s", seed, wrong)
					return
				}
			}
			t.Error("1500 scripts do not find it")
		})
	}
}
