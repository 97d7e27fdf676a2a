package feedtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Jira is the search for issues by JQL. A query has to be bounded. A date
// without an offset is read in the account's time zone and to the minute; only a
// bare number of milliseconds is exact. The index that is searched runs behind;
// stamps tell milliseconds, with an offset. The
// token of the next page is of its query, lives for seven days, and is absent on
// the last page; nothing tells how many there are. What is deleted is told
// nowhere.
type Jira struct {
	Store
	// Zone is the account's; nil: UTC.
	Zone *time.Location
	// Behind is how much later a change is searched than it was made.
	Behind time.Duration
	// Page is the most that one answer holds; 0: 3.
	Page int
	// Done lists the ids of issues that are done.
	Done []string
}

const jiraStamp = "2006-01-02T15:04:05.000-0700"

type jiraQuery struct {
	JQL           string   `json:"jql"`
	Fields        []string `json:"fields"`
	MaxResults    *int     `json:"maxResults"`
	NextPageToken *string  `json:"nextPageToken"`
}

var jiraJQL = regexp.MustCompile(`^project = (\w+)(?: AND updated >= (\S+|"[^"]*"))? ORDER BY updated ASC$`)

// ServeHTTP answers /rest/api/3/search/jql.
func (j *Jira) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j.note(r)
	j.date(w)
	var q jiraQuery
	refuse := func(message string) {
		answer(w, http.StatusBadRequest, object{"errorMessages": []string{message}, "errors": object{}})
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	switch {
	case r.URL.Path != "/rest/api/3/search/jql":
		answer(w, http.StatusNotFound, object{"errorMessages": []string{"null for uri"}})
		return
	case r.Method != http.MethodPost || d.Decode(&q) != nil:
		refuse("Invalid request payload. Refer to the REST API documentation and try again.")
		return
	}
	since, wrong := j.bound(q.JQL)
	if q.MaxResults != nil && *q.MaxResults < 1 {
		wrong = "maxResults must be positive."
	}
	at := jiraPlace{}
	if wrong == "" && q.NextPageToken != nil {
		at, wrong = j.place(*q.NextPageToken, q.JQL)
	}
	if wrong != "" {
		refuse(wrong)
		return
	}
	page, more := j.issues(since, at, min(*cmp.Or(q.MaxResults, new(50)), cmp.Or(j.Page, 3)))
	body := object{"issues": []object{}}
	for _, c := range page {
		body["issues"] = append(body["issues"].([]object), j.issue(c, q.Fields))
	}
	if more {
		last := page[len(page)-1]
		body["nextPageToken"] = jiraToken(jiraPlace{last.At.UnixMilli(), last.ID, j.clock().Unix(), hashOf(q.JQL)})
	}
	answer(w, http.StatusOK, body)
}

// bound reads the moment that a query begins at.
func (j *Jira) bound(jql string) (since time.Time, wrong string) {
	m := jiraJQL.FindStringSubmatch(jql)
	switch {
	case m == nil:
		return since, "Error in the JQL Query."
	case m[1] != "APP":
		return since, fmt.Sprintf("The value '%s' does not exist for the field 'project'.", m[1])
	case m[2] == "":
		return since, ""
	}
	if ms, err := strconv.ParseInt(m[2], 10, 64); err == nil {
		return time.UnixMilli(ms), ""
	}
	text := strings.ReplaceAll(strings.Trim(m[2], `"`), "/", "-")
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, j.zone()); err == nil {
			return at, ""
		}
	}
	return since, fmt.Sprintf("Date value '%s' for field 'updated' is invalid.", text)
}

func (j *Jira) zone() *time.Location {
	if j.Zone == nil {
		return time.UTC
	}
	return j.Zone
}

// jiraPlace is what a token holds: the last issue, when it was handed out, and
// of which query it is.
type jiraPlace struct {
	At     int64
	ID     string
	Issued int64
	Query  uint32
}

func jiraToken(p jiraPlace) string {
	text, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text)
}

func (j *Jira) place(token, jql string) (p jiraPlace, wrong string) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Query != hashOf(jql) {
		return p, "The provided next page token is invalid."
	}
	if j.clock().Unix()-p.Issued > 7*24*3600 {
		return p, "The provided next page token has expired."
	}
	return p, ""
}

func hashOf(text string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32()
}

// issues is a page of the index behind a place, and whether more follow.
func (j *Jira) issues(since time.Time, at jiraPlace, most int) (page []Change, more bool) {
	seen, upto := j.clock().Add(-j.Behind), 0
	for _, c := range j.Log() {
		if !c.At.After(seen) {
			upto = c.Seq
		}
	}
	all := j.between(0, upto, false)
	slices.SortStableFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()), cmp.Compare(a.ID, b.ID))
	})
	for _, c := range all {
		ms := c.At.UnixMilli()
		if ms < since.UnixMilli() || ms < at.At || ms == at.At && c.ID <= at.ID {
			continue
		}
		if len(page) == most {
			return page, true
		}
		page = append(page, c)
	}
	return page, false
}

func (j *Jira) issue(c Change, want []string) object {
	status := "To Do"
	if slices.Contains(j.Done, c.ID) {
		status = "Done"
	}
	whole := object{"summary": c.Value, "status": object{"name": status}, "updated": c.At.In(j.zone()).Format(jiraStamp)}
	fields := object{}
	for _, name := range want {
		if v, ok := whole[name]; ok {
			fields[name] = v
		}
	}
	return object{"id": c.ID, "key": "APP-" + c.ID, "fields": fields}
}
