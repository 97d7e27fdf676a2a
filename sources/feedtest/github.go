package feedtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GitHub is the list of a repository's issues. Pull requests stand in it, too.
// Closed ones are there only with state=all. since includes its second, and
// times tell no more. Pages are numbered, so that they move when something
// changes; the Link header leads from one to the next. What is deleted leaves
// the list and is told nowhere.
type GitHub struct {
	Store
	// Pulls are the ids that are pull requests, and Closed those that are
	// closed.
	Pulls, Closed []string
	// Left is how many requests may still be sent, counted down; nil: any
	// number.
	Left *int
}

const githubPage = 3

// ServeHTTP answers /repos/{owner}/{repo}/issues.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.note(r)
	if g.refuse(w) {
		return
	}
	q := r.URL.Query()
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	if q.Has("since") && err != nil {
		answer(w, http.StatusUnprocessableEntity, object{"message": "Validation Failed"})
		return
	}
	items := g.issues(since, q.Get("state") == "all", q.Get("sort") == "updated", q.Get("direction") == "asc")
	size, page := sized(q, "per_page", githubPage), max(sized(q, "page", 1<<30), 1)
	if !q.Has("page") {
		page = 1
	}
	from, to := min((page-1)*size, len(items)), min(page*size, len(items))
	if last := (len(items) + size - 1) / size; page < last {
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, pageURL(r, page+1), pageURL(r, last)))
	}
	body, _ := json.Marshal(items[from:to])
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, items[from:to])
}

// refuse counts requests, and says when there are too many.
func (g *GitHub) refuse(w http.ResponseWriter) bool {
	g.date(w)
	if g.Left == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	*g.Left = max(*g.Left-1, -1)
	w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(max(*g.Left, 0)))
	w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(g.clock().Add(time.Hour).Unix(), 10))
	if *g.Left >= 0 {
		return false
	}
	w.Header().Set("Retry-After", "3600")
	answer(w, http.StatusTooManyRequests, object{"message": "API rate limit exceeded"})
	return true
}

func pageURL(r *http.Request, page int) string {
	q := r.URL.Query()
	q.Set("page", strconv.Itoa(page))
	return origin(r) + r.URL.Path + "?" + q.Encode()
}

func (g *GitHub) issues(since time.Time, closed, byUpdate, ascending bool) []object {
	all := g.between(0, g.now(), false)
	if !byUpdate { // what the list does unless asked: by creation
		slices.SortStableFunc(all, func(a, b Change) int { return strings.Compare(a.ID, b.ID) })
	}
	if !ascending {
		slices.Reverse(all)
	}
	items := []object{}
	for _, c := range all {
		at, state := c.At.UTC().Truncate(time.Second), "open"
		if slices.Contains(g.Closed, c.ID) {
			state = "closed"
		}
		if at.Before(since) || state == "closed" && !closed {
			continue
		}
		item := object{"id": number(c.ID), "number": g.first(c.ID), "title": c.Value, "state": state, "updated_at": at.Format(time.RFC3339)}
		if slices.Contains(g.Pulls, c.ID) {
			item["pull_request"] = object{"url": "https://" + c.ID}
		}
		items = append(items, item)
	}
	return items
}

// Issues is what lives and is no pull request.
func (g *GitHub) Issues() map[string]string {
	all := g.Truth()
	for _, id := range g.Pulls {
		delete(all, id)
	}
	return all
}
