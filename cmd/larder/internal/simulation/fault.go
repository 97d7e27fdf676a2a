package simulation

import (
	"errors"
	"net/http"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

var errTable = errors.New("table is down")

// arm prepares a poll's fault.
func (l *life) arm(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.requests, l.walks, l.struck = f, 0, 0, false
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
	l.telling("    asks %s", r.URL.RequestURI())
	if f := l.fault; f.At != l.requests {
		return nil, nil
	} else if f.Kind == KillAsking && f.Step == "asking" {
		l.hit("kill before a request")
		l.die()
		return nil, errKilled
	} else if f.Kind == Stop {
		l.hit("stop")
		l.struck = true
		l.stop()
		return nil, r.Context().Err()
	} else if f.Kind == Answer {
		l.hit("answer: " + f.Step)
		l.struck = true
		return answer(f.Step), nil
	}
	return nil, nil
}

// answered strikes behind an answer.
func (l *life) answered() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fault; f.Kind == KillAsking && f.Step == "answered" && f.At == l.requests {
		l.hit("kill after an answer")
		l.die()
	}
	if l.killed {
		return errKilled
	}
	return nil
}

// answer is the owner's other answer.
func answer(step string) *sourcetest.Fault {
	switch step {
	case "status 500":
		return sourcetest.Status(http.StatusInternalServerError)
	case "status 404":
		return sourcetest.Status(http.StatusNotFound)
	case "429":
		return sourcetest.RetryAfter(http.StatusTooManyRequests, "7")
	case "html":
		return sourcetest.HTML("text/html")
	case "html as json":
		return sourcetest.HTML("application/json")
	case "error body":
		return sourcetest.ErrorBody()
	case "redirect":
		return sourcetest.Redirect(http.StatusFound, "https://elsewhere.example/")
	case "drop":
		return &sourcetest.Fault{Drop: true}
	case "stall":
		return &sourcetest.Fault{Keep: true, Stall: time.Minute}
	case "cut":
		return sourcetest.CutAt(40)
	}
	return nil
}

// answers are the names of the owner's other answers.
func answers() []string {
	return []string{"status 500", "status 404", "429", "html", "html as json", "error body", "redirect", "drop", "stall", "cut"}
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
		l.hit("kill at " + step)
		l.unheard[i] = step == "committed"
		l.die()
		return errKilled
	case f.Kind == TableFails && f.Table == i && (here || t.writes > f.At):
		l.hit("table fails")
		l.struck = true
		l.unheard[i] = l.unheard[i] || step == "committed"
		return errTable
	}
	return nil
}

// usurp hands the lease to another daemon ahead of the write in hand.
func (t *table) usurp() {
	if f := t.fault; f.Kind != LeaseLost || f.Table != t.index || f.At != t.writes || t.killed {
		return
	}
	t.hit("lease lost")
	t.struck = true
	t.acquire(t.databases[t.index%len(t.databases)].Daemon(daemon))
}
