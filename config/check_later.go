package config

import "slices"

// checkLater refuses what would change nothing behind the first page.
func (r *reader) checkLater(s section, q *Request, by PagingStyle) {
	later := s.child("request").child("later")
	if later == nil || later.kind != kindTable {
		return
	}
	query := later.child("query")
	switch {
	case by == PagingNone:
		r.wrong(later, `is of every page after the first, and this paging is by "none"; say by what the next page is asked, or leave it out`)
	case query != nil && (by == PagingNextURL || by == PagingLink):
		r.wrong(query, "has no use, because this paging is by %q, which asks the owner's URL as it is; leave it out", by)
	}
	if query != nil && query.kind == kindTable {
		r.checkTaken(query, "request.query", func(name string) bool {
			return slices.ContainsFunc(q.Query, func(p Param) bool { return p.Name == name })
		})
	}
	if body := later.child("body"); body != nil && body.kind == kindTable && q.Body != nil && q.graphql == nil {
		r.checkTaken(body, "request.body", func(name string) bool {
			return slices.ContainsFunc(q.Body.Members, func(m Member) bool { return m.Name == name })
		})
	}
}

// checkTaken refuses to take away what is not there.
func (r *reader) checkTaken(n *node, from string, has func(name string) bool) {
	_, gone := r.split(n)
	for _, name := range gone {
		if !has(name) {
			r.wrong(n.child(name), "takes away what %s does not have; leave it out", from)
		}
	}
}
