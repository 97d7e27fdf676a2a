//go:build unix

package main_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// wire stands between larder and its owner. A rough one loses answers, cuts
// them, and lets later ones overtake them.
type wire struct {
	owner http.Handler

	mu    sync.Mutex
	rough bool
	// sent is closed when an answer was sent on, and made anew.
	sent chan struct{}
	hits map[string]int
}

// overtaken is how long an answer waits for a later one at most.
const overtaken = 300 * time.Millisecond

// newWire makes a larder's requests go over a wire.
func newWire(t *testing.T, r *rig) *wire {
	w := &wire{owner: r.owner, sent: make(chan struct{}), hits: make(map[string]int)}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	text, err := os.ReadFile(r.larder.Config)
	if err == nil {
		text = []byte(strings.ReplaceAll(string(text), r.owner.URL(), server.URL))
		err = os.WriteFile(r.larder.Config, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// ServeHTTP lets the owner answer, and draws what becomes of that.
func (w *wire) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	w.owner.ServeHTTP(answer, r)
	fate := rand.IntN(8)
	w.mu.Lock()
	if !w.rough {
		fate = -1
	}
	later := w.sent
	w.mu.Unlock()
	body := answer.Body.Bytes()
	switch fate {
	case 0:
		w.hit("lost")
		panic(http.ErrAbortHandler)
	case 1:
		w.hit("cut")
		maps.Copy(to.Header(), answer.Header())
		to.Header().Set("Content-Length", fmt.Sprint(len(body)))
		to.WriteHeader(answer.Code)
		_, _ = to.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case 2, 3:
		select {
		case <-later:
			w.hit("overtaken")
		case <-time.After(overtaken):
			w.hit("late")
		case <-r.Context().Done():
			return
		}
	}
	maps.Copy(to.Header(), answer.Header())
	to.WriteHeader(answer.Code)
	_, _ = to.Write(body) // a reader that has gone needs no answer
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.sent)
	w.sent = make(chan struct{})
}

func (w *wire) hit(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hits[what]++
}

// set makes the wire rough or smooth.
func (w *wire) set(rough bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rough = rough
}

// enough reports whether everything has happened a few times.
func (w *wire) enough() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range []string{"lost", "cut", "late", "overtaken"} {
		if w.hits[what] < 3 {
			return false
		}
	}
	return true
}

// roughWire walks lists and changes side by side over a rough wire: what comes
// late is old news, and must not be taken for new.
func roughWire(t *testing.T, program string) {
	for _, newRig := range faults(t, newSQLiteRig, newPostgresRig) {
		r, _ := newRig(t, program)
		w := newWire(t, r)
		f := r.run(r.larder)
		f.listens()
		w.set(true)
		var list *killtest.Process
		_, err := killtest.Eventually(f.within(patience), 50*time.Millisecond, func() (bool, error) {
			f.claims("over a rough wire")
			if list == nil || !list.Running() {
				list = f.larder.Start(t, "resync", "users")
			}
			return w.enough(), nil
		})
		if err != nil {
			t.Fatalf("only %v: %v\n%s", w.hits, err, f.daemon.Log()[f.heard:])
		}
		w.set(false)
		f.recovers("the wire is smooth again")
		t.Logf("%v", w.hits)
	}
}
