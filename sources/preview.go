package sources

import (
	"bytes"
	"context"
	"encoding/json"
	"sync/atomic"

	"github.com/larder-sync/larder/syncer"
)

// Preview is the first batch of a walk; nil where there is none. Where paging is
// by None only because nothing tells of pages, more is the place at which the
// answer says in one of the usual ways that there are other pages; "" where it
// does not. A body that is read while it arrives is not looked at.
func (s *Source) Preview(ctx context.Context, w syncer.Walk) (b *syncer.Batch, more string, err error) {
	var found atomic.Pointer[string] // windows of a walk may be asked for at once
	var peek func([]byte)
	if s.forKind(w.Kind).spec.Paging.Assumed {
		peek = func(body []byte) {
			if at := namesMore(body); at != "" {
				found.CompareAndSwap(nil, &at)
			}
		}
	}
	for b, err = range s.walk(ctx, w, peek) {
		break
	}
	if at := found.Load(); at != nil {
		more = *at
	}
	return b, more, err
}

// namesMore finds where a body says that more follows.
func namesMore(body []byte) string {
	var top map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &top) != nil {
		return ""
	}
	if name := sayingMore(top); name != "" {
		return name
	}
	for _, parent := range []string{"meta", "metadata", "paging", "pagination", "page", "pageInfo", "page_info", "links", "_links", "response_metadata", "data", "result", "response"} {
		var inner map[string]json.RawMessage
		if json.Unmarshal(top[parent], &inner) != nil {
			continue
		}
		if name := sayingMore(inner); name != "" {
			return parent + "." + name
		}
	}
	return ""
}

// sayingMore is the member that says so, among those of one object.
func sayingMore(members map[string]json.RawMessage) string {
	for _, flag := range []string{"has_more", "hasMore", "hasNextPage", "has_next_page"} {
		if string(members[flag]) == "true" {
			return flag
		}
	}
	for _, next := range []string{"next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next_page", "nextPage", "next", "@odata.nextLink", "nextLink"} {
		if raw := members[next]; len(raw) > 0 && !empty(raw) {
			return next
		}
	}
	return ""
}
