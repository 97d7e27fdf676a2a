package feedtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// GitHubQL is the issues of a repository, asked by GraphQL. Whatever goes wrong
// is told in an answer of status 200. A cursor is the place in its ordering, and
// refused under another; an empty page has none. since includes its second, and
// times tell no more. What a query costs is told in the body; when nothing is
// left, the answer is an error of type RATE_LIMITED. What is deleted leaves the
// list and is told nowhere.
type GitHubQL struct {
	Store
	// Owner and Name are the repository's.
	Owner, Name string
	// Closed lists the ids of issues that are closed.
	Closed []string
	// Left is how many queries may still be sent, counted down; nil: any number.
	Left *int
	// Broken makes the title of an issue fail, which is answered with null and
	// an error beside the data; "": none.
	Broken string
}

// githubQuery is what GraphQL over HTTP sends.
type githubQuery struct {
	Query     string                     `json:"query"`
	Variables map[string]json.RawMessage `json:"variables"`
}

// ServeHTTP answers /graphql.
func (g *GitHubQL) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.note(r)
	g.date(w)
	var q githubQuery
	switch {
	case r.URL.Path != "/graphql" || r.Method != http.MethodPost:
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
	case json.NewDecoder(r.Body).Decode(&q) != nil || q.Query == "":
		answer(w, http.StatusBadRequest, object{"message": "A query attribute must be specified and must be a string."})
	case g.spend():
		answer(w, http.StatusOK, object{"errors": []object{{"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1."}}})
	default:
		answer(w, http.StatusOK, g.run(q))
	}
}

// spend counts a query, and reports whether nothing was left for it.
func (g *GitHubQL) spend() bool {
	if g.Left == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	*g.Left = max(*g.Left-1, -1)
	return *g.Left < 0
}

// issueArgs are the arguments of issues.
type issueArgs struct {
	first      int
	since      time.Time
	descending bool
	after      *githubPlace
}

// githubPlace is a place in an ordering.
type githubPlace struct {
	Order string
	At    int64
	ID    string
}

var (
	githubFields = regexp.MustCompile(`(?:nodes|node) \{([ \w]*)\}`)
	githubAsks   = regexp.MustCompile(`repository\(owner: \$owner, name: \$repo\) \{\s+issues\(first: \$n, after: \$after, filterBy: \{since: \$since\}, orderBy: \{field: UPDATED_AT, direction: (ASC|DESC)\}\)`)
)

// run answers the one query that is known, with the fields that it selects.
func (g *GitHubQL) run(q githubQuery) object {
	failed := func(kind, message string) object {
		return object{"data": object{"repository": nil}, "errors": []object{{"type": kind, "path": []string{"repository"}, "message": message}}}
	}
	asks, fields := githubAsks.FindStringSubmatch(q.Query), githubFields.FindStringSubmatch(q.Query)
	if asks == nil || fields == nil {
		return object{"errors": []object{{"message": "Parse error on query", "extensions": object{"code": "undefinedField"}}}}
	}
	args, wrong := g.args(q.Variables, asks[1] == "DESC")
	switch owner, name := textOf(q.Variables["owner"]), textOf(q.Variables["repo"]); {
	case wrong != "":
		return object{"errors": []object{{"message": wrong, "extensions": object{"code": "variableMismatch"}}}}
	case owner != g.Owner || name != g.Name:
		return failed("NOT_FOUND", fmt.Sprintf("Could not resolve to a Repository with the name '%s/%s'.", owner, name))
	case args.after != nil && args.after.Order != asks[1]:
		return failed("INVALID_CURSOR_ARGUMENTS", "`after` does not appear to be a valid cursor.")
	}
	issues, more, errs := g.issues(args, strings.Fields(fields[1]))
	info := object{"hasNextPage": more, "endCursor": nil}
	if len(issues) > 0 {
		last := issues[len(issues)-1]
		info["endCursor"] = cursorOf(githubPlace{asks[1], last.at.Unix(), last.id})
	}
	list := object{"pageInfo": info}
	nodes, edges := []object{}, []object{}
	for _, i := range issues {
		nodes, edges = append(nodes, i.fields), append(edges, object{"node": i.fields})
	}
	if strings.Contains(q.Query, "edges") {
		list["edges"] = edges
	} else {
		list["nodes"] = nodes
	}
	data := object{"repository": object{"issues": list}}
	if strings.Contains(q.Query, "rateLimit") {
		remaining := 5000
		if g.Left != nil {
			g.mu.Lock()
			remaining = max(*g.Left, 0)
			g.mu.Unlock()
		}
		data["rateLimit"] = object{"cost": 1, "remaining": remaining, "resetAt": g.clock().Add(time.Hour).UTC().Format(time.RFC3339)}
	}
	out := object{"data": data}
	if len(errs) > 0 {
		out["errors"] = errs
	}
	return out
}

// args reads the variables by their types; wrong says which is of another.
func (g *GitHubQL) args(v map[string]json.RawMessage, descending bool) (args issueArgs, wrong string) {
	args.descending = descending
	const mismatch = "Variable $%s of type %s was provided invalid value"
	if json.Unmarshal(v["n"], &args.first) != nil || args.first < 1 || args.first > 100 {
		return args, fmt.Sprintf(mismatch, "n", "Int!")
	}
	if since := v["since"]; since != nil && string(since) != "null" {
		var err error
		if args.since, err = time.Parse(time.RFC3339, textOf(since)); err != nil {
			return args, fmt.Sprintf(mismatch, "since", "DateTime")
		}
	}
	if after := v["after"]; after != nil && string(after) != "null" {
		args.after = placeOf(textOf(after))
	}
	return args, ""
}

func textOf(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

func cursorOf(p githubPlace) string {
	text, _ := json.Marshal(p)
	return base64.StdEncoding.EncodeToString(append([]byte("cursor:v2:"), text...))
}

// placeOf reads a cursor; one that is none is a place in no ordering.
func placeOf(cursor string) *githubPlace {
	p := &githubPlace{}
	raw, err := base64.StdEncoding.DecodeString(cursor)
	text, ok := strings.CutPrefix(string(raw), "cursor:v2:")
	if err != nil || !ok || json.Unmarshal([]byte(text), p) != nil {
		return &githubPlace{}
	}
	return p
}

type githubIssue struct {
	id     string
	at     time.Time
	fields object
}

// issues is a page behind a place, and whether more follow.
func (g *GitHubQL) issues(args issueArgs, fields []string) (page []githubIssue, more bool, errs []object) {
	all := g.between(0, g.now(), false)
	slices.SortStableFunc(all, func(a, b Change) int {
		if d := a.At.Truncate(time.Second).Compare(b.At.Truncate(time.Second)); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	if args.descending {
		slices.Reverse(all)
	}
	for _, c := range all {
		at := c.At.UTC().Truncate(time.Second)
		if at.Before(args.since) || args.after != nil && !args.after.before(at, c.ID) {
			continue
		}
		if len(page) == min(args.first, githubPage) {
			return page, true, errs
		}
		i := githubIssue{id: c.ID, at: at, fields: object{}}
		whole := object{"id": "I_" + c.ID, "number": g.first(c.ID), "title": c.Value, "state": "OPEN", "updatedAt": at.Format(time.RFC3339)}
		if slices.Contains(g.Closed, c.ID) {
			whole["state"] = "CLOSED"
		}
		if g.Broken != "" && g.Broken == c.ID {
			whole["title"] = nil
			errs = append(errs, object{"message": "Something went wrong while executing your query.", "path": []string{"repository", "issues", "nodes", "title"}})
		}
		for _, name := range fields {
			i.fields[name] = whole[name]
		}
		page = append(page, i)
	}
	return page, false, errs
}

// before reports whether an issue comes behind the place.
func (p *githubPlace) before(at time.Time, id string) bool {
	if p.Order == "DESC" {
		return at.Unix() < p.At || at.Unix() == p.At && id < p.ID
	}
	return at.Unix() > p.At || at.Unix() == p.At && id > p.ID
}
