package config

import "time"

// Paging is how the pages of a walk follow each other and when they end.
type Paging struct {
	By PagingStyle
	// Assumed says that By is "none" because nothing tells of pages, not because somebody wrote so.
	Assumed   bool
	Next      Place
	First     int // the number of the first page
	Size      int // 0: not said
	More      Test
	Total     Place
	Pages     Place
	ShortPage bool // a page of fewer records than Size is the last
	MaxPages  int  // 0: no bound
	MaxTime   time.Duration
}

// PagingStyle is one way that pages follow each other.
type PagingStyle string

// The paging styles.
const (
	PagingNone    PagingStyle = "none"
	PagingCursor  PagingStyle = "cursor"
	PagingNextURL PagingStyle = "next_url"
	PagingLink    PagingStyle = "link"
	PagingPage    PagingStyle = "page"
	PagingOffset  PagingStyle = "offset"
	PagingKeyset  PagingStyle = "keyset"
	PagingSince   PagingStyle = "since"
)

// Test is a place and what it must hold. Without values it must be there and be neither null nor false.
type Test struct {
	At     Place
	Equals []Scalar // any of them
}

// IsZero reports whether there is nothing to test.
func (t Test) IsZero() bool { return t.At.IsZero() }

func (r *reader) paging(n *node, p *Paging) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	choose(s, "by", &p.By)
	s.place("next", &p.Next)
	s.integer("first", &p.First)
	s.integer("size", &p.Size)
	if more := s.child("more"); more != nil {
		p.More = r.test(more)
	}
	s.place("total", &p.Total)
	s.place("pages", &p.Pages)
	s.flag("short_page", &p.ShortPage)
	s.integer("max_pages", &p.MaxPages)
	s.duration("max_time", &p.MaxTime)
}

// test reads a place, or { at, equals }.
func (r *reader) test(n *node) Test {
	if _, isFile := fileOf(n); n.kind != kindTable || isFile {
		at, _ := r.place(n)
		return Test{At: at}
	}
	s, ok := r.section(n)
	if !ok {
		return Test{}
	}
	var t Test
	if s.need("at", `at = "PATH"`) != nil {
		s.place("at", &t.At)
	}
	if equals := s.need("equals", "equals = VALUE"); equals != nil {
		t.Equals = r.scalars(equals)
	}
	return t
}
