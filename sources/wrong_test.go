package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// connection is a snapshot of a GraphQL connection.
func connection() sources.Spec {
	spec := list(sources.Paging{By: sources.Cursor, Next: "data.users.pageInfo.endCursor", More: sources.Test{At: "data.users.pageInfo.hasNextPage"}})
	spec.Request.Method = http.MethodPost
	spec.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{
		{Name: "query", Value: sources.TextValue(sources.Template{{Literal: "{ users }"}})},
		{Name: "variables", Value: sources.Value{Kind: sources.Object, Members: []sources.Member{{Name: "after", Value: sources.TextValue(text("{cursor}"))}}}},
	}}
	spec.Records.At, spec.Records.Error = "data.users.nodes", "errors"
	return spec
}

func nodes(ids, more, cursor string) string {
	return `{"data":{"users":{"nodes":[` + ids + `],"pageInfo":{"hasNextPage":` + more + `,"endCursor":` + cursor + `}}}}`
}

// TestErrorsInside200: whatever stands at the errors of an answer, it fails the
// poll, with the owner's own words, bounded, quoted and without secrets.
func TestErrorsInside200(t *testing.T) {
	for name, c := range map[string]struct {
		body, says string
		class      syncer.Class
	}{
		"no data":       {`{"errors":[{"message":"Field 'x' is missing"}],"data":null}`, `"Field 'x' is missing"`, syncer.ClassAnswer},
		"beside data":   {strings.Replace(nodes(`{"id":1}`, "false", "null"), `{"data"`, `{"errors":[{"message":"resolver failed"},{"message":"b"},{}],"data"`, 1), `"resolver failed" and 2 more`, syncer.ClassAnswer},
		"a type":        {`{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`, "rate limit exceeded", syncer.ClassRateLimited},
		"an extension":  {`{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`, "Throttled", syncer.ClassRateLimited},
		"credentials":   {`{"errors":[{"message":"who?","extensions":{"code":"UNAUTHENTICATED"}}]}`, "who?", syncer.ClassAuth},
		"a text":        {`{"errors":"ratelimited"}`, `"ratelimited"`, syncer.ClassRateLimited},
		"an object":     {`{"errors":{"code":7,"message":"seven"}}`, `"seven"`, syncer.ClassAnswer},
		"no words":      {`{"errors":[{"path":["users",3]}]}`, `users`, syncer.ClassAnswer},
		"a number":      {`{"errors":3}`, `"3"`, syncer.ClassAnswer},
		"a line break":  {`{"errors":["a\nb"]}`, `"a\nb"`, syncer.ClassAnswer},
		"a secret":      {`{"errors":[{"message":"token s3cr3t/+ is bad"}]}`, `"token [secret] is bad"`, syncer.ClassAnswer},
		"a cut secret":  {`{"errors":[{"message":"` + strings.Repeat("x", 297) + `s3cr3t/+"}]}`, "xxx[se…", syncer.ClassAnswer},
		"much":          {`{"errors":[{"message":"` + strings.Repeat("x", 100_000) + `"}]}`, "xxx…", syncer.ClassAnswer},
		"a long list":   {`{"errors":[{"message":"` + strings.Repeat("é", 20_000) + `"},"b"]}`, "éé…\" and 1 more", syncer.ClassAnswer},
		"odd members":   {`{"errors":[{"message":{"a":1},"code":[1],"extensions":[]}]}`, `extensions`, syncer.ClassAnswer},
		"an odd string": {`{"errors":["\ud800"]}`, "answer has something", syncer.ClassAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			owner := pages(c.body)
			owner.Auth = auth.Bearer("Bearer", auth.Literal("s3cr3t/+"))
			err := fails(t, source(t, owner, connection()), snapshot(), c.class)
			if text := err.Error(); !strings.Contains(text, c.says) || len(text) > 1000 || strings.Contains(text, "s3cr") || strings.Contains(text, "\n") {
				t.Errorf("says %s", text)
			}
		})
	}
}

// TestConnectionsEnd: an empty last page has no cursor, and one that says that
// more follows without saying where fails.
func TestConnectionsEnd(t *testing.T) {
	owner := pages(nodes(`{"id":1},{"id":2}`, "true", `"a"`), nodes("", "true", `"b"`), nodes(`{"id":3}`, "true", `"c"`), nodes("", "false", "null"))
	batches, _ := complete(t, source(t, owner, connection()), snapshot())
	if got := strings.Join(ids(batches), " "); got != "1 2 3" {
		t.Error(got)
	}
	fails(t, source(t, pages(nodes("", "true", "null")), connection()), snapshot(), syncer.ClassPaging)
	fails(t, source(t, pages(nodes("", "null", "null")), connection()), snapshot(), syncer.ClassPaging)
	fails(t, source(t, pages(`{"data":{"users":null}}`), connection()), snapshot(), syncer.ClassAnswer)
	fails(t, source(t, pages(nodes("null", "false", "null")), connection()), snapshot(), syncer.ClassDecode)
}

// TestThrottledInside200: an owner that refuses whoever asks does not refuse the
// place where a walk stands, and is asked again when it says.
func TestThrottledInside200(t *testing.T) {
	refuse := true
	var asked []string
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		var body [4 << 10]byte
		n, _ := r.Body.Read(body[:])
		asked = append(asked, string(body[:n]))
		if refuse {
			w.Header().Set("Retry-After", "90")
			fmt.Fprint(w, `{"errors":[{"type":"RATE_LIMITED","message":"later"}],"data":null}`)
			return
		}
		fmt.Fprint(w, nodes(`{"id":3}`, "false", "null"))
	})
	s := source(t, owner, connection())
	cut := pages(nodes(`{"id":1}`, "true", `"here"`), `{"errors":["x"]}`)
	batches, err := walk(t, source(t, cut, connection()), snapshot())
	if err == nil || len(batches) != 1 || batches[0].Resume == nil {
		t.Fatalf("%d batches, %v", len(batches), err)
	}
	w := snapshot()
	w.From.Resume = batches[0].Resume
	err = fails(t, s, w, syncer.ClassRateLimited)
	if in := time.Until(syncer.RetryAt(err)); isNotResumable(err) || in < 80*time.Second || in > 90*time.Second {
		t.Errorf("asked again in %v: %v", in, err)
	}
	refuse = false
	batches, _ = complete(t, s, w)
	if got := strings.Join(ids(batches), " "); got != "3" || !strings.Contains(asked[1], `{"after":"here"}`) {
		t.Errorf("got %s, asked %s", got, asked)
	}
}
