package sources_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// member is a value of a body that is a text.
func member(name, value string) sources.Member {
	return sources.Member{Name: name, Value: sources.TextValue(text(value))}
}

const jiraLayout = "2006-01-02T15:04:05.000-0700"

// jiraIssues asks by jql, with {since} written as ask says.
func jiraIssues(t *testing.T, jql string, ask *row.Format) sources.Spec {
	t.Helper()
	return sources.Spec{
		Name: "issues", Mode: sources.Incremental,
		Request: sources.Request{Method: http.MethodPost, Path: text("/rest/api/3/search/jql"),
			Body: &sources.Value{Kind: sources.Object, Members: []sources.Member{
				member("jql", jql), member("maxResults", "{size}"), member("nextPageToken", "{cursor}"),
				{Name: "fields", Value: sources.Value{Kind: sources.List, Items: []sources.Value{sources.TextValue(text("summary")), sources.TextValue(text("updated"))}}},
			}}},
		Paging:  sources.Paging{By: sources.Cursor, Next: "nextPageToken", Size: 100},
		Records: sources.Records{At: "issues", Key: []string{"id"}},
		Watermark: sources.Watermark{From: []string{"fields.updated"}, Format: format(t, jiraLayout), Ask: ask,
			Overlap: 5 * time.Minute, Initial: "1999-01-01T00:00:00.000+0000"},
		Paths: []string{"id", "fields.summary"},
	}
}

// fake is a fake owner, asked without a table.
func fake(owner http.Handler) sources.Owner {
	return sources.Owner{Name: "fake", URL: "https://owner.example", Transport: sourcetest.Transport(owner), Log: zerolog.Nop(), Retry: sources.Retry{Attempts: 1}}
}

// TestFeedJiraBareDates: a date that the owner reads in the account's zone is
// another moment there than in the zone that it was written for. Written for the
// account's zone, or as milliseconds, it is the one that is meant.
func TestFeedJiraBareDates(t *testing.T) {
	account := time.FixedZone("", -5*3600)
	in := func(zone *time.Location) *row.Format {
		f, err := row.ParseFormat("2006-01-02 15:04", zone)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const quoted, bare = `project = APP AND updated >= "{since}" ORDER BY updated ASC`, `project = APP AND updated >= {since} ORDER BY updated ASC`
	for name, c := range map[string]struct {
		jql   string
		ask   *row.Format
		loses bool
	}{
		"milliseconds":             {bare, format(t, "unix_ms"), false},
		"a date in the account's":  {quoted, in(account), false},
		"a date in universal time": {quoted, in(time.UTC), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &feedtest.Jira{Zone: account}
				j.Put("new", "101", "102", "103", "104")
				time.Sleep(time.Hour)
				s := newShelf(t, j, jiraIssues(t, c.jql, c.ask))
				s.poll(syncer.Resync)
				time.Sleep(30*time.Second + 7*time.Millisecond)
				j.Put("edited", "102")
				time.Sleep(time.Minute)
				before := map[string]string{"101": "new", "102": "new", "103": "new", "104": "new"}
				s.poll(syncer.Changes)
				if c.loses {
					s.holds("asked five hours too late", before)
					return
				}
				s.holds("edited", j.Truth())
			})
		})
	}
}

// TestFeedJiraTokens: a token is of its query and of its week. One that is
// refused where a walk goes on sends the walk back to its beginning.
func TestFeedJiraTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &feedtest.Jira{}
		j.Put("new", "101", "102", "103", "104", "105", "106", "107")
		time.Sleep(time.Hour)
		spec := jiraIssues(t, `project = APP AND updated >= {since} ORDER BY updated ASC`, format(t, "unix_ms"))
		s := source(t, fake(j), spec)
		cut := func() *syncer.Resume {
			for b, err := range s.Walk(t.Context(), resync()) {
				if err != nil {
					t.Fatal(err)
				}
				return b.Resume
			}
			return nil
		}
		w := resync()
		w.From.Resume = cut()
		time.Sleep(6 * 24 * time.Hour)
		if batches, _ := complete(t, s, w); len(ids(batches)) != 4 {
			t.Errorf("goes on with %v", ids(batches))
		}
		time.Sleep(2 * 24 * time.Hour)
		if _, err := walk(t, s, w); !isNotResumable(err) {
			t.Errorf("a token of last week: %v", err)
		}
		other := spec
		body := *spec.Request.Body
		body.Members = append([]sources.Member{member("jql", `project = APP ORDER BY updated ASC`)}, body.Members[1:]...)
		other.Request.Body = &body
		w = resync()
		w.From.Resume = cut()
		if _, err := walk(t, source(t, fake(j), other), w); !isNotResumable(err) {
			t.Errorf("a token of another query: %v", err)
		}
	})
}

// TestFeedJiraIndex: what is searched runs behind what was written; the overlap
// finds it, however long the polls between see nothing of it.
func TestFeedJiraIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &feedtest.Jira{Behind: 4 * time.Minute}
		j.Put("new", "101", "102", "103", "104")
		time.Sleep(time.Hour)
		s := newShelf(t, j, jiraIssues(t, `project = APP AND updated >= {since} ORDER BY updated ASC`, format(t, "unix_ms")))
		s.poll(syncer.Resync)
		j.Put("edited", "103")
		for range 3 {
			time.Sleep(time.Minute)
			s.poll(syncer.Changes)
		}
		time.Sleep(2 * time.Minute)
		s.poll(syncer.Changes)
		s.holds("indexed", j.Truth())
	})
}

// githubIssuesQL asks by GraphQL, in an order.
func githubIssuesQL(t *testing.T, direction string) sources.Spec {
	t.Helper()
	document := sources.Template{{Literal: `query($owner: String!, $repo: String!, $n: Int!, $after: String, $since: DateTime) {
  repository(owner: $owner, name: $repo) {
    issues(first: $n, after: $after, filterBy: {since: $since}, orderBy: {field: UPDATED_AT, direction: ` + direction + `}) {
      pageInfo { hasNextPage endCursor }
      edges { node { id title updatedAt } } } } }`}}
	const at = "data.repository.issues."
	return sources.Spec{
		Name: "issues", Mode: sources.Incremental,
		Request: sources.Request{Method: http.MethodPost, Path: text("/graphql"),
			Body: &sources.Value{Kind: sources.Object, Members: []sources.Member{
				{Name: "query", Value: sources.TextValue(document)},
				{Name: "variables", Value: sources.Value{Kind: sources.Object, Members: []sources.Member{
					member("owner", "o"), member("repo", "r"), member("n", "{size}"), member("after", "{cursor}"), member("since", "{since}"),
				}}},
			}}},
		Paging:    sources.Paging{By: sources.Cursor, Next: at + "pageInfo.endCursor", More: sources.Test{At: at + "pageInfo.hasNextPage"}, Size: 100},
		Records:   sources.Records{At: at + "edges", Unwrap: "node", Key: []string{"id"}, Version: []string{"updatedAt"}, Error: "errors"},
		Watermark: sources.Watermark{From: []string{"updatedAt"}, Format: rfc3339(t), Overlap: time.Minute},
		Paths:     []string{"id", "title"},
	}
}

// TestFeedGitHubQLCursors: records in edges; a cursor is of its order, and under
// another it is refused with 200, which sends the walk back to its beginning.
func TestFeedGitHubQLCursors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &feedtest.GitHubQL{Owner: "o", Name: "r"}
		g.Put("new", names(1, 10)...)
		time.Sleep(time.Hour)
		up := source(t, fake(g), githubIssuesQL(t, "ASC"))
		batches, _ := complete(t, up, resync())
		if got := ids(batches); len(got) != 10 || got[0] != `"I_k01"` {
			t.Errorf("edges hold %v", got)
		}
		w := resync()
		w.From.Resume = batches[1].Resume
		if rest, _ := complete(t, up, w); len(ids(rest)) != 4 {
			t.Errorf("goes on with %v", ids(rest))
		}
		if _, err := walk(t, source(t, fake(g), githubIssuesQL(t, "DESC")), w); !isNotResumable(err) {
			t.Errorf("a cursor of the other order: %v", err)
		}
	})
}
