package feedtest

import (
	"net/http"
	"net/url"
	"slices"
)

// Graph is the delta query of Microsoft Graph for users. A walk leads by
// @odata.nextLink to a last page, which alone has the @odata.deltaLink. On the
// way there is a page without items, and items come again. A changed item that
// the asker knows has only those properties that changed. What is removed is
// deleted, or has only left what the query sees, and may come back.
type Graph struct {
	Store
	// Leaves are ids of which a removal is no deletion.
	Leaves []string
	// Code, if set, is told with 400 in place of 410 where a token is too old.
	Code string
}

const graphPage = 2

// ServeHTTP answers /users/delta.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.note(r)
	q := r.URL.Query()
	at, empty := cursor{upto: g.now()}, false
	switch {
	case q.Has("$skiptoken"):
		c, ok := parseCursor(q.Get("$skiptoken"))
		if !ok || g.refuses(c.upto) {
			g.refuse(w, r)
			return
		}
		at = c
		empty = c.skip < 0
	case q.Has("$deltatoken"):
		c, ok := parseCursor(q.Get("$deltatoken"))
		if !ok || g.refuses(c.upto) {
			g.refuse(w, r)
			return
		}
		at = cursor{from: c.upto, upto: g.now()}
	case q.Get("$select") == "":
		answer(w, http.StatusBadRequest, object{"error": object{"code": "BadRequest"}})
		return
	}
	if empty {
		at.skip = -at.skip
		answer(w, http.StatusOK, object{"value": []any{}, "@odata.nextLink": link(r, "$skiptoken", at)})
		return
	}
	items, next := at.page(g.between(at.from, at.upto, at.from > 0), graphPage)
	body := object{"value": g.items(items, at.from)}
	switch {
	case next == nil:
		body["@odata.deltaLink"] = link(r, "$deltatoken", cursor{upto: at.upto})
	case at.skip == 0: // an empty page follows, and an item comes again
		body["@odata.nextLink"] = link(r, "$skiptoken", cursor{at.from, at.upto, 1 - next.skip})
	default:
		body["@odata.nextLink"] = link(r, "$skiptoken", *next)
	}
	answer(w, http.StatusOK, body)
}

// refuse says that a token is too old. The Location leads to a new beginning,
// by another name of the same owner.
func (g *Graph) refuse(w http.ResponseWriter, r *http.Request) {
	status, code := http.StatusGone, "resyncRequired"
	if g.Code != "" {
		status, code = http.StatusBadRequest, g.Code
	}
	w.Header().Set("Location", origin(r)+r.URL.Path+"?$deltatoken=")
	answer(w, status, object{"error": object{"code": code}})
}

func link(r *http.Request, name string, c cursor) string {
	return origin(r) + r.URL.Path + "?" + name + "=" + url.QueryEscape(c.token())
}

// items writes changes down for somebody who knows what was before from.
func (g *Graph) items(changes []Change, from int) []object {
	known := map[string]string{}
	for _, c := range g.between(0, from, false) {
		known[c.ID] = c.Value
	}
	items := []object{}
	for _, c := range changes {
		item := object{"id": c.ID, "displayName": c.Value, "mail": c.ID + "@example.org", "accountEnabled": true, "jobTitle": "title"}
		name, knows := known[c.ID]
		switch {
		case c.Gone && slices.Contains(g.Leaves, c.ID):
			item = object{"id": c.ID, "@removed": object{"reason": "changed"}}
		case c.Gone:
			item = object{"id": c.ID, "@removed": object{"reason": "deleted"}}
		case knows && name == c.Value: // something else has changed
			item = object{"id": c.ID, "jobTitle": "another"}
		case knows:
			item = object{"id": c.ID, "displayName": c.Value}
		}
		items = append(items, item)
	}
	return items
}
