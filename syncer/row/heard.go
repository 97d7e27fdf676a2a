package row

import "sync"

// Heard are the fields of a table that its bookkeeping knows as they are, so
// that nothing is to be written when they come again. It is safe for concurrent
// use, and its zero value has heard of nothing.
type Heard struct {
	mu     sync.Mutex
	fields map[string]bool
	// put off are those whose column could not be added, by the walk that is not
	// to try it again.
	putOff map[string]string
}

// mostHeard bounds the names that an owner makes up as it goes.
const mostHeard = 10_000

// News reports whether any of the fields is news to a table of that spec. Where
// columns are to be added, one that never had a value is not, nor is one whose
// column could not be added in the same walk.
func (h *Heard) News(s *Spec, walk string, found []Unnamed) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range found {
		if off, ok := h.putOff[f.Name]; ok && off == walk {
			continue
		}
		if s.Drift == DriftFail || !h.fields[f.Name] && (f.Typed || s.Drift == DriftNote) {
			return true
		}
	}
	return false
}

// Note notes fields whose standing was written down in a walk. Those that were
// refused may be taken by the next one.
func (h *Heard) Note(s *Spec, walk string, found []Unnamed, refused []Note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fields == nil || len(h.fields) > mostHeard {
		h.fields = make(map[string]bool)
	}
	for _, f := range found {
		if f.Typed || s.Drift == DriftNote {
			h.fields[f.Name] = true
			delete(h.putOff, f.Name)
		}
	}
	for _, n := range refused { // of which there are not more than were found
		if h.putOff == nil || len(h.putOff) > mostHeard {
			h.putOff = make(map[string]string)
		}
		delete(h.fields, n.Name)
		h.putOff[n.Name] = walk
	}
}

// Forget forgets all of them: the bookkeeping may have changed.
func (h *Heard) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fields, h.putOff = nil, nil
}
