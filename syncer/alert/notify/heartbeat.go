package notify

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// HeartbeatOptions say whom we tell that we are alive.
type HeartbeatOptions struct {
	// URL is asked by GET. All behind the host is kept secret.
	URL string
	// Every is the time between two beats; 0: a minute.
	Every time.Duration
	// AllFresh beats only while every copy is fresh that is neither paused nor
	// another daemon's.
	AllFresh bool
	// Writable says whether home can be written; nil: it is not asked.
	Writable func(context.Context) error
	Log      zerolog.Logger
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Heartbeat tells another service regularly that the judging loop runs, so that
// somebody notices when it does not: it beats only if copies were judged since
// the last beat. It implements [syncer.Watch], and is safe for concurrent use.
type Heartbeat struct {
	o      HeartbeatOptions
	sender *sender
	first  chan struct{} // closed by the first judgement

	mu       sync.Mutex
	judged   time.Time
	allFresh bool
	last     time.Time
	silent   string
}

const (
	// beatTime bounds one try of a beat.
	beatTime = 10 * time.Second
	// mostTries is how often a beat is tried.
	mostTries = 3
	// betweenTries is waited between two tries.
	betweenTries = time.Second
	// leastJudged is how old a judgement may be in any case: one is made each
	// second.
	leastJudged = 3 * time.Second
)

// NewHeartbeat checks the options. It sends nothing.
func NewHeartbeat(o HeartbeatOptions) (*Heartbeat, error) {
	if o.Every == 0 {
		o.Every = time.Minute
	}
	if o.Every < 0 {
		return nil, wrong("every", "must be more than nothing")
	}
	s, err := newSender(o.URL, o.Transport)
	if err != nil {
		return nil, err
	}
	s.limit = beatTime
	return &Heartbeat{o: o, sender: s, first: make(chan struct{})}, nil
}

// Judged implements [syncer.Watch].
func (h *Heartbeat) Judged(_ time.Time, all []syncer.Judged) {
	fresh := true
	for i := range all {
		if c := &all[i]; !c.Paused && !c.Standby && c.Level != syncer.Fresh {
			fresh = false
			break
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.judged.IsZero() {
		close(h.first)
	}
	h.judged, h.allFresh = time.Now(), fresh
}

// Last is when a beat was last answered; zero: none was.
func (h *Heartbeat) Last() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// Run beats, first when copies were first judged, until the context ends, and
// returns nil then.
func (h *Heartbeat) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-h.first:
		h.beat(ctx)
	}
	tick := time.NewTicker(h.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.beat(ctx)
		}
	}
}

// beat tells that we are alive, if we are.
func (h *Heartbeat) beat(ctx context.Context) {
	if why := h.silence(ctx); why != "" {
		h.say(ctx, why)
		return
	}
	var err error
	for try := range mostTries {
		if try > 0 && !wait(ctx, betweenTries) {
			return
		}
		if _, _, err = h.sender.do(ctx, http.MethodGet, nil, nil); err == nil {
			h.beaten()
			return
		}
	}
	h.say(ctx, err.Error())
}

// silence is why there is no beat; "" if there is one.
func (h *Heartbeat) silence(ctx context.Context) string {
	h.mu.Lock()
	judged, fresh := h.judged, h.allFresh
	h.mu.Unlock()
	switch {
	case judged.IsZero() || time.Since(judged) > max(h.o.Every, leastJudged):
		return "copies were not judged since the last beat"
	case h.o.AllFresh && !fresh:
		return "not all copies are fresh"
	case h.o.Writable == nil:
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	if err := h.o.Writable(ctx); err != nil {
		return "home is not writable: " + err.Error()
	}
	return ""
}

func (h *Heartbeat) beaten() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
	if h.silent != "" {
		h.o.Log.Info().Msg("heartbeat is back")
	}
	h.silent = ""
}

// say logs once why there is no beat. That we are stopped is no reason.
func (h *Heartbeat) say(ctx context.Context, why string) {
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.silent != why {
		h.o.Log.Warn().Str("error", why).Msg("no heartbeat is sent")
	}
	h.silent = why
}

// wait reports whether so much time passed before the context ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
