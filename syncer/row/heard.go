package row

import "sync"

// Heard are the fields of a table that its bookkeeping knows as they are, so
// that nothing is to be written when they come again. It is safe for concurrent
// use, and its zero value has heard of nothing.
type Heard struct {
	mu     sync.Mutex
	fields map[string]bool
}

// mostHeard bounds the names that an owner makes up as it goes.
const mostHeard = 10_000

// News reports whether any of the fields is news to a table of that spec. Where
// columns are to be added, one that never had a value is not.
func (h *Heard) News(s *Spec, found []Unnamed) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range found {
		if s.Drift == DriftFail || !h.fields[f.Name] && (f.Typed || s.Drift == DriftNote) {
			return true
		}
	}
	return false
}

// Note notes fields whose standing was written down.
func (h *Heard) Note(s *Spec, found []Unnamed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fields == nil || len(h.fields) > mostHeard {
		h.fields = make(map[string]bool)
	}
	for _, f := range found {
		if f.Typed || s.Drift == DriftNote {
			h.fields[f.Name] = true
		}
	}
}

// Forget forgets all of them: the bookkeeping may have changed.
func (h *Heard) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fields = nil
}
