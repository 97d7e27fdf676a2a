package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

const (
	// mostBody bounds what a nudge may say: it is hashed while it is read, and
	// kept nowhere.
	mostBody = 1 << 20
	// refusedEvery is how often at most refused nudges of one name are told of.
	refusedEvery = time.Minute
)

// Nudge is one name under which somebody outside may say that a source has
// something new.
type Nudge struct {
	Name string
	Kind Kind
	// Secrets each prove that a nudge is genuine; several while they are
	// replaced.
	Secrets []string
	// Debounce is how long after a poll was asked for further nudges wait, to be
	// one poll together; 0: none does.
	Debounce time.Duration
	Target   Poker
}

// Poker is a source that can be asked to be polled at once, and once more after
// its lag. Nudge only leaves a mark: it does not wait, and marks that were left
// before the poll began are one. An error says that the source is not polled by
// this process at the moment, and is a syncer.ErrFenced where another daemon
// polls it. A syncer.Scheduled is a Poker.
type Poker interface {
	Nudge() error
}

// Outcome is what became of a nudge.
type Outcome string

// The outcomes: a poll was asked for; nothing proves that it is genuine; another
// daemon polls the source; nobody does at the moment.
const (
	Accepted    Outcome = "accepted"
	Refused     Outcome = "refused"
	Standby     Outcome = "standby"
	Unavailable Outcome = "unavailable"
)

// Outcomes are all that there are.
func Outcomes() []Outcome { return []Outcome{Accepted, Refused, Standby, Unavailable} }

// nudge is a Nudge with what came in under its name.
type nudge struct {
	Nudge
	nudged func(name string, what Outcome, at time.Time)
	claim  claimer
	log    zerolog.Logger
	later  chan struct{} // has a mark when a poll is due at open
	mu     sync.Mutex
	open   time.Time // until then further nudges wait
	waits  bool      // one does
	told   time.Time // when it was last told that some are refused
	hidden int       // how many were since
}

func newNudge(n Nudge, nudged func(string, Outcome, time.Time), log zerolog.Logger) (*nudge, error) {
	claim, err := claimerOf(n.Kind, n.Secrets)
	if err != nil {
		return nil, err
	}
	if n.Target == nil {
		return nil, errors.New("has no target")
	}
	if nudged == nil {
		nudged = func(string, Outcome, time.Time) {}
	}
	return &nudge{Nudge: n, nudged: nudged, claim: claim, later: make(chan struct{}, 1), log: log.With().Str("nudge", n.Name).Logger()}, nil
}

// nudge answers POST /nudge/NAME. What a stranger can have of it is the hash of
// a bounded body.
func (s *Server) nudge(w http.ResponseWriter, r *http.Request) {
	n := s.nudges[r.PathValue("name")]
	if n == nil {
		refuse(w, http.StatusNotFound, "there is no nudge of this name", "see [nudge.NAME] of the configuration")
		return
	}
	if err := n.verify(r, http.MaxBytesReader(w, r.Body, mostBody)); err != nil {
		n.nudged(n.Name, Refused, time.Now())
		n.refuse(w, err)
		return
	}
	waits, err := n.accept(time.Now())
	n.count(waits, err)
	switch {
	case errors.Is(err, syncer.ErrFenced):
		refuse(w, http.StatusServiceUnavailable, "this larder stands by: another daemon holds the lease and polls the source",
			"send it to that one; it polls by its schedule, too")
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "source is not polled at the moment: its consumers' databases are down, or were not asked yet",
			"send it again later; the schedule polls as soon as it can")
	case waits:
		answer(w, http.StatusAccepted, map[string]string{"status": "accepted", "poll": "after " + n.Debounce.String()})
	default:
		answer(w, http.StatusAccepted, map[string]string{"status": "accepted", "poll": "now"})
	}
}

// count says what became of a genuine nudge. It is not told at info, because a
// busy sender would flood the log.
func (n *nudge) count(waits bool, err error) {
	what := Accepted
	switch {
	case errors.Is(err, syncer.ErrFenced):
		what = Standby
	case err != nil:
		what = Unavailable
	}
	n.nudged(n.Name, what, time.Now())
	if what == Accepted {
		n.log.Debug().Bool("waits", waits).Msg("nudge is accepted")
	}
}

// verify reads a request and returns nil if it is genuine.
func (n *nudge) verify(r *http.Request, body io.Reader) error {
	claim, err := n.claim(r.Header, time.Now())
	if err != nil {
		return err
	}
	if err := claim.read(body); err != nil {
		return err
	}
	if !claim.holds() {
		return refusal("signature is not that of the body by any of the secrets")
	}
	return nil
}

func (n *nudge) refuse(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	var refused refusal
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "body is larger than 1 MiB", "send less: only that it came counts")
	case errors.As(err, &refused):
		n.tell(refused)
		if n.Kind == Bearer {
			w.Header().Set("WWW-Authenticate", `Bearer realm="larder"`)
		}
		refuse(w, http.StatusUnauthorized, string(refused), "sign it as kind "+string(n.Kind)+" says, with the secret of nudge "+n.Name)
	default:
		refuse(w, http.StatusBadRequest, "body cannot be read", "send it again")
	}
}

// tell logs that nudges are refused: a sender with an old secret should be
// noticed, a flood should not fill a disk.
func (n *nudge) tell(why refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.told) < refusedEvery {
		n.hidden++
		return
	}
	n.log.Warn().Str("why", string(why)).Int("others", n.hidden).Msg("nudge is refused")
	n.told, n.hidden = time.Now(), 0
}

// accept asks for a poll at once, or says that it waits for the end of the
// debounce, together with others.
func (n *nudge) accept(now time.Time) (waits bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Before(n.open) {
		if !n.waits {
			n.waits = true
			n.later <- struct{}{} // it is empty: its last mark was taken before waits was unset
		}
		return true, nil
	}
	return false, n.poke(now)
}

// poke asks for a poll. mu is held.
func (n *nudge) poke(now time.Time) error {
	err := n.Target.Nudge()
	if err == nil {
		n.open = now.Add(n.Debounce)
	}
	return err
}

// run asks for the polls that wait, until ctx ends.
func (n *nudge) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.later:
		}
		n.mu.Lock()
		timer := time.NewTimer(time.Until(n.open))
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		n.mu.Lock()
		n.waits = false
		if err := n.poke(time.Now()); err != nil {
			n.log.Debug().Err(err).Msg("nudge that waited is lost; the schedule polls")
		}
		n.mu.Unlock()
	}
}
