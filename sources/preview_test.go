package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// linked answers with a body, and says that more follows.
func linked(body string) sources.Owner {
	return scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", `<?page=2>; rel="next"`)
		fmt.Fprint(w, body)
	})
}

// TestAnAnswerThatNamesTheNextIsNotAll, unless somebody said that it is enough:
// neither as a page nor as a body that is read while it arrives.
func TestAnAnswerThatNamesTheNextIsNotAll(t *testing.T) {
	for name, body := range map[string]string{
		"page": `{"data":[{"id":1}]}`, "stream": `{"data":[` + wideRecords(1, 2000) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			err := fails(t, source(t, linked(body), list(sources.Paging{Assumed: true})), snapshot(), syncer.ClassPaging)
			for _, way := range []string{`paging = { by = "link" }`, `paging = { by = "none" }`} {
				if !strings.Contains(err.Error(), way) {
					t.Errorf("%v, want %s", err, way)
				}
			}
			if batches, _ := walk(t, source(t, linked(body), list(sources.Paging{Assumed: true})), snapshot()); len(batches) > 0 {
				t.Errorf("%d batches are handed on before", len(batches))
			}
			complete(t, source(t, linked(body), list(sources.Paging{By: sources.None})), snapshot())
		})
	}
}

// TestPreviewFindsWhereMoreIsNamed in the usual places, and only where no paging
// is said.
func TestPreviewFindsWhereMoreIsNamed(t *testing.T) {
	const head = `{"data":[{"id":1}],`
	for body, want := range map[string]string{
		`"has_more":true}`:                             "has_more",
		`"has_more":false}`:                            "",
		`"meta":{"next_cursor":"abc"}}`:                "meta.next_cursor",
		`"meta":{"next_cursor":""}}`:                   "",
		`"paging":{"nextPageToken":null}}`:             "",
		`"pagination":{"next":2}}`:                     "pagination.next",
		`"pageInfo":{"hasNextPage":true}}`:             "pageInfo.hasNextPage",
		`"links":{"next":"https://a/2"}}`:              "links.next",
		`"meta":[1],"next":"https://a/2"}`:             "next",
		`"meta":{"total":1},"links":{"next":null}}`:    "",
		`"unknown":{"has_more":true,"next":"a"}}`:      "",
		`"nextPageToken":"x","meta":{"next":"other"}}`: "nextPageToken",
	} {
		b, more, err := source(t, pages(head+body), list(sources.Paging{Assumed: true})).Preview(t.Context(), snapshot())
		if err != nil || len(b.Records) != 1 || more != want {
			t.Errorf("%s: more at %q, want %q (%v)", body, more, want, err)
		}
	}
	b, more, err := source(t, pages("\ufeff"+head+`"has_more":true}`), list(sources.Paging{Assumed: true})).Preview(t.Context(), snapshot())
	if err != nil || len(b.Records) != 1 || more != "has_more" {
		t.Errorf("behind a mark of UTF-8: more at %q (%v)", more, err)
	}
	_, more, err = source(t, pages(head+`"has_more":true}`), list(sources.Paging{By: sources.None})).Preview(t.Context(), snapshot())
	if err != nil || more != "" {
		t.Errorf("more at %q where one answer is enough (%v)", more, err)
	}
}
