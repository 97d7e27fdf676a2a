package config

// Hydrate is how whole records are fetched where the feed carries only their keys.
type Hydrate struct {
	Request        Request
	Batch          int    // keys in one request; 1 where Request names one record
	Join           string // between the keys of {keys}
	At             Path   // of the records in the answer; zero: the body
	Deleted        Path   // that marks a record of the answer as gone; zero: none does
	MissingDeleted bool   // what was asked for and not answered is gone; else the row is kept
}

// What becomes of a key that was asked for and not answered.
const (
	missingKeep    = "keep"
	missingDeleted = "deleted"
)

// maxJoin bounds what stands between two keys.
const maxJoin = 16

func (r *reader) hydrate(n *node) *Hydrate {
	h := defaultHydrate()
	s, ok := r.section(n)
	if !ok {
		return h
	}
	if request := s.need("request", `request = { path = "/…", query = { ids = "{keys}" } }`); request != nil {
		r.request(request, &h.Request)
		h.Request.fill(PagingNone)
		h.fill()
	}
	s.integer("batch", &h.Batch)
	s.text("join", &h.Join)
	if h.Join == "" || len(h.Join) > maxJoin {
		r.wrong(s.child("join"), "must be 1 to %d characters, such as \",\"", maxJoin)
	}
	s.path("at", &h.At)
	s.path("deleted", &h.Deleted)
	missing := missingKeep
	choose(s, "missing", &missing)
	h.MissingDeleted = missing == missingDeleted
	return h
}
