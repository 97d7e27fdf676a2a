package simulation

import (
	"errors"
	"net/http"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

var errTable = errors.New("table is down")

// arm prepares a poll's fault.
func (l *life) arm(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.requests, l.walks, l.struck, l.refuses = f, 0, 0, false, false
	l.unheard = [2]bool{}
	for _, t := range l.tables {
		t.writes = 0
	}
}

// asked counts a request and says how it is answered.
func (l *life) asked(r *http.Request) (*sourcetest.Fault, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.killed {
		return nil, errKilled
	}
	l.requests++
	l.telling("    %s asks %s", l.clock(), r.URL.RequestURI())
	if l.refuses {
		l.refuses = false
		return sourcetest.Status(http.StatusBadRequest), nil
	}
	f := l.fault
	if f.At != l.requests {
		return nil, nil
	}
	switch {
	case f.Kind == KillAsking && f.Step == "asking":
		l.strikes("kill before a request")
		l.die()
		return nil, errKilled
	case f.Kind == Stop:
		l.strikes("stop")
		l.struck = true
		l.stop()
		return nil, r.Context().Err()
	case f.Kind == Answer:
		l.strikes(f.Step)
		l.struck = true
		return l.answer(f.Step), nil
	}
	return nil, nil
}

// answered strikes behind an answer.
func (l *life) answered() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fault; f.Kind == KillAsking && f.Step == "answered" && f.At == l.requests && !l.killed {
		l.strikes("kill behind an answer")
		l.die()
	}
	if l.killed {
		return errKilled
	}
	return nil
}

// walking counts a walk, and has its first request refused if it goes on where
// another stood.
func (l *life) walking(w syncer.Walk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.walks++
	l.hit("walk " + string(w.Kind))
	if w.From.Resume == nil {
		return
	}
	l.hit("walk resumed")
	if l.fault.Kind == Refuse && !l.struck {
		l.strikes("resume refused")
		l.struck, l.refuses = true, true
	}
}

// answer is the owner's other answer.
func (l *life) answer(step string) *sourcetest.Fault {
	switch step {
	case "status 500":
		return sourcetest.Status(http.StatusInternalServerError)
	case "status 404":
		return sourcetest.Status(http.StatusNotFound)
	case "status 410":
		return sourcetest.Status(http.StatusGone)
	case "429 for seconds":
		return sourcetest.RetryAfter(http.StatusTooManyRequests, "7")
	case "503 until a date":
		now := l.owner.Now()
		if l.NoDate { // whoever does not tell the time cannot mean its own
			now = time.Now()
		}
		return sourcetest.RetryAfter(http.StatusServiceUnavailable, now.Add(9*time.Second).UTC().Format(http.TimeFormat))
	case "login page":
		return sourcetest.HTML("text/html")
	case "login page as JSON":
		return sourcetest.HTML("application/json")
	case "error body":
		return sourcetest.ErrorBody()
	case "errors of GraphQL":
		return sourcetest.GraphQLErrors()
	case "null for the list":
		return sourcetest.NullList()
	case "no list":
		return sourcetest.NoList()
	case "empty list":
		l.lie()
		return sourcetest.EmptyList()
	case "half the list":
		return sourcetest.HalfList()
	case "keys twice":
		return sourcetest.Twice()
	case "media type":
		return sourcetest.Media("text/plain")
	case "redirect":
		return sourcetest.Redirect(http.StatusFound, "https://elsewhere.example/")
	case "drop":
		return sourcetest.Drop()
	case "stall":
		return sourcetest.Stall(time.Minute)
	case "cut":
		return sourcetest.CutAt(l.fault.Table * 37)
	}
	return nil
}

// answers are the names of the owner's other answers.
func answers() []string {
	return []string{"status 500", "status 404", "status 410", "429 for seconds", "503 until a date", "login page", "login page as JSON",
		"error body", "errors of GraphQL", "null for the list", "no list", "empty list", "half the list", "keys twice",
		"media type", "redirect", "drop", "stall", "cut"}
}

// lie notes that an answer is not to be told from a true one: it has a list,
// which is empty, and all that stands beside it says so, too. No copy is wiped
// for it; what the copies claim from here on counts again once they have walked
// to an end.
func (l *life) lie() {
	l.hit("owner lied")
	for i := range l.tables {
		for j := range l.parts {
			if l.doubt[stand{i, j}] == 0 {
				l.doubt[stand{i, j}] = lied
			}
		}
	}
}

// die ends the daemon: from here on it can neither ask nor write.
func (l *life) die() {
	l.killed, l.struck = true, true
	l.stop()
}

// strike is asked at each step of a write, in its turn.
func (l *life) strike(step string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, i := l.fault, l.inHand
	t := l.tables[i]
	here := f.Table == i && f.Step == step && f.At == t.writes
	switch {
	case l.killed:
		return errKilled
	case f.Kind == Kill && here:
		l.strikes("kill at " + step)
		l.unheard[i] = step == "committed"
		l.die()
		return errKilled
	case f.Kind == TableFails && f.Table == i && (here || t.writes > f.At):
		if !l.struck {
			l.strikes("table fails at " + f.Step)
		}
		l.struck = true
		l.unheard[i] = l.unheard[i] || step == "committed"
		return errTable
	}
	return nil
}

// usurp hands the lease to another daemon ahead of the write in hand.
func (t *table) usurp() {
	t.mu.Lock()
	f := t.fault
	strikes := f.Kind == LeaseLost && f.Table == t.index && f.At == t.writes && !t.struck && !t.killed
	t.struck = t.struck || strikes
	t.mu.Unlock()
	if !strikes {
		return
	}
	t.strikes("lease lost")
	_ = t.acquire(t.databases[t.index%len(t.databases)].Daemon(daemon))
}

// doubts reports whether what a stand claims is in doubt.
func (l *life) doubts(s stand) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubt[s] != 0
}
