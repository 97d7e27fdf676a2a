package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// tries is how many lives a shrink may take.
const tries = 600

// Shrink makes of a history that the oracle objects to a shorter one that it
// still objects to.
func Shrink(t *testing.T, h History, place Place, seams Seams) History {
	s := shrinker{t: t, place: place, seams: seams, left: tries, best: h, about: about(Live(t, h, place, seams))}
	if s.about == about(nil) {
		return h
	}
	for before := -1; s.left > 0 && s.left != before; {
		before = s.left
		found := s.polls()
		found = s.log() || found
		found = s.calmer() || found
		found = s.simpler() || found
		if !found {
			break
		}
	}
	return s.best
}

type shrinker struct {
	t     *testing.T
	place Place
	seams Seams
	left  int
	best  History
	// about is what is objected to.
	about string
}

// about is the words of an objection, without what they are said of: a history
// that fails in another way is another one.
func about(err error) string {
	var v *Violation
	if !errors.As(err, &v) {
		return fmt.Sprint(err)
	}
	words := strings.FieldsFunc(v.What, func(r rune) bool { return !unicode.IsLetter(r) && r != ' ' })
	return strings.Join(words[:min(len(words), 2)], " ")
}

// try keeps a history that is objected to.
func (s *shrinker) try(change func(*History)) bool {
	if s.left <= 0 {
		return false
	}
	s.left--
	h := s.best
	h.Log, h.Polls = slices.Clone(h.Log), slices.Clone(h.Polls)
	change(&h)
	if about(Live(s.t, h, s.place, s.seams)) != s.about {
		return false
	}
	s.best = h
	return true
}

// polls drops polls, from the last one on: what the wait was for stays.
func (s *shrinker) polls() (found bool) {
	for i := len(s.best.Polls) - 1; i >= 0; i-- {
		found = s.try(func(h *History) {
			if gone := h.Polls[i]; i+1 < len(h.Polls) {
				h.Polls[i+1].Wait += gone.Wait
			}
			h.Polls = slices.Delete(h.Polls, i, i+1)
		}) || found
	}
	return found
}

// log drops changes, many at first, but for the last ones, which leave something
// in every partition.
func (s *shrinker) log() (found bool) {
	for n := len(s.best.Log) / 2; n > 0; n /= 2 {
		for i := len(s.best.Log) - s.best.Parts - n; i >= 0; i -= n {
			if i+n > len(s.best.Log)-s.best.Parts {
				continue
			}
			found = s.try(func(h *History) { h.Log = slices.Delete(h.Log, i, i+n) }) || found
		}
	}
	return found
}

// calmer takes from polls what goes on beside them, and goes wrong.
func (s *shrinker) calmer() (found bool) {
	for i := range s.best.Polls {
		for _, calm := range []func(*Poll){
			func(p *Poll) { p.Fault = Fault{Kind: None} },
			func(p *Poll) { p.Beside = 0 },
			func(p *Poll) { p.Audit = Unaudited },
			func(p *Poll) { p.Before = Quiet },
			func(p *Poll) { p.Wait = 0 },
		} {
			after := s.best.Polls[i]
			if calm(&after); after != s.best.Polls[i] {
				found = s.try(func(h *History) { h.Polls[i] = after }) || found
			}
		}
	}
	return found
}

// simpler tries a plainer contract.
func (s *shrinker) simpler() (found bool) {
	for _, plain := range []func(*Contract){
		func(c *Contract) { c.Slow = 0 },
		func(c *Contract) { c.Gather = 1 },
		func(c *Contract) { c.Confirm = 1 },
		func(c *Contract) { c.Shared = true },
		func(c *Contract) { c.Attempts = 1 },
		func(c *Contract) { c.Skew = 0 },
		func(c *Contract) { c.NoDate = false },
		func(c *Contract) { c.End, c.EmptyEvery, c.Again = "", 0, 0 },
		func(c *Contract) { c.Gzip, c.RoundUp, c.Replay = false, false, 0 },
		func(c *Contract) { c.Page = 100 },
		func(c *Contract) { c.Takes = 200 * time.Millisecond },
	} {
		after := s.best.Contract
		if plain(&after); after != s.best.Contract {
			found = s.try(func(h *History) { h.Contract = after }) || found
		}
	}
	return found
}
