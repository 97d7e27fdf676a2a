// Package feedtest is a shelf of well-known public feeds as fakes: each behaves
// as its owner documents it, the traps included, over the same small store. It
// touches memory only.
package feedtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Change is one numbered write of an owner.
type Change struct {
	Seq   int // from 1
	ID    string
	Value string
	Gone  bool
	At    time.Time
}

// Store is what an owner has. It is safe for concurrent use.
type Store struct {
	// Clock is the owner's; nil: this machine's.
	Clock func() time.Time

	mu      sync.Mutex
	log     []Change
	expired int // tokens up to this number are refused
	asked   []*url.URL
}

// Put writes items.
func (s *Store) Put(value string, ids ...string) { s.write(value, false, ids) }

// Delete deletes items.
func (s *Store) Delete(ids ...string) { s.write("", true, ids) }

func (s *Store) write(value string, gone bool, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.log = append(s.log, Change{Seq: len(s.log) + 1, ID: id, Value: value, Gone: gone, At: s.clock()})
	}
}

// Expire makes the owner refuse every token that it has handed out. The log
// moves on by a change of nothing, so that a token of today is another one.
func (s *Store) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = len(s.log)
	s.log = append(s.log, Change{Seq: len(s.log) + 1, Gone: true, At: s.clock()})
}

// Truth is what lives, by id.
func (s *Store) Truth() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, c := range s.log {
		if delete(out, c.ID); !c.Gone {
			out[c.ID] = c.Value
		}
	}
	return out
}

// Live is the last change of each item that lives, oldest first.
func (s *Store) Live() []Change { return s.between(0, s.now(), false) }

// Log is every change there ever was, oldest first.
func (s *Store) Log() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Asked is the URLs that the owner was asked, oldest first.
func (s *Store) Asked() []*url.URL {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *Store) clock() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock()
}

// date tells the owner's time.
func (s *Store) date(w http.ResponseWriter) {
	w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
}

func (s *Store) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL)
}

// now is the number of the last change.
func (s *Store) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

func (s *Store) refuses(token int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token > 0 && token <= s.expired
}

// between is the last change of each item after from and up to upto, oldest
// first, with or without those that are gone.
func (s *Store) between(from, upto int, gone bool) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]int{}
	for _, c := range s.log[:upto] {
		last[c.ID] = c.Seq
	}
	var out []Change
	for _, c := range s.log[from:upto] {
		if last[c.ID] == c.Seq && c.ID != "" && (gone || !c.Gone) {
			out = append(out, c)
		}
	}
	return out
}

// Since is when an item came to what c says of it.
func (s *Store) Since(c Change) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := c.At
	for _, o := range slices.Backward(s.log[:c.Seq]) {
		if o.ID != c.ID {
			continue
		}
		if o.Value != c.Value || o.Gone != c.Gone {
			break
		}
		at = o.At
	}
	return at
}

// first is the number of an item's first change.
func (s *Store) first(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1 + slices.IndexFunc(s.log, func(c Change) bool { return c.ID == id })
}

// cursor is what the tokens of a paged walk hold: changes after from, up to
// upto, of which skip were shown.
type cursor struct{ from, upto, skip int }

// token holds what goes wrong when it is encoded twice or not.
func (c cursor) token() string {
	return "+/=&" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", c.from, c.upto, c.skip))
}

func parseCursor(token string) (c cursor, ok bool) {
	raw, found := strings.CutPrefix(token, "+/=&")
	text, err := base64.StdEncoding.DecodeString(raw)
	if !found || err != nil {
		return c, false
	}
	n, err := fmt.Sscanf(string(text), "%d.%d.%d", &c.from, &c.upto, &c.skip)
	return c, err == nil && n == 3
}

// page cuts a page out of a walk; next is where the walk goes on, if it does.
func (c cursor) page(all []Change, size int) (page []Change, next *cursor) {
	from := min(c.skip, len(all))
	to := min(from+size, len(all))
	if to < len(all) {
		next = &cursor{c.from, c.upto, to}
	}
	return all[from:to], next
}

func sized(q url.Values, name string, most int) int {
	if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 {
		return min(n, most)
	}
	return most
}

type object = map[string]any

// number is an id as a JSON number where it is one.
func number(id string) any {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		return n
	}
	return id
}

// origin is the scheme and the host by which an owner was asked.
func origin(r *http.Request) string {
	scheme := r.URL.Scheme
	switch {
	case scheme != "":
	case r.TLS != nil:
		scheme = "https"
	default:
		scheme = "http"
	}
	return scheme + "://" + r.Host
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the asker may be gone
}
