package sources_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// text reads a template as a config writes it.
func text(s string) sources.Template {
	var t sources.Template
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			t = append(t, sources.Part{Literal: before})
		}
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		name, field, _ := strings.Cut(name, ".")
		t = append(t, sources.Part{Placeholder: name, Field: field})
		s = after
	}
	return t
}

func param(name string, values ...string) sources.Param {
	p := sources.Param{Name: name}
	for _, v := range values {
		p.Values = append(p.Values, sources.TextValue(text(v)))
	}
	return p
}

func rfc3339(t testing.TB) *row.Format { return format(t, "rfc3339") }

func format(t testing.TB, name string) *row.Format {
	t.Helper()
	f, err := row.ParseFormat(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// users is the spec of the owner's list in a paging style, incremental with
// tombstones and an overlap of two minutes.
func users(t testing.TB, by sources.Style) sources.Spec {
	spec := sources.Spec{
		Name: "users",
		Mode: sources.Incremental,
		Request: sources.Request{
			Path:  text("/users"),
			Query: []sources.Param{param("since", "{since}"), param("size", "{size}")},
		},
		Paging:  sources.Paging{By: by, Size: 3},
		Records: sources.Records{At: "data", Key: []string{"id"}, Deleted: "deleted_at"},
		Watermark: sources.Watermark{
			From: []string{"updated_at"}, Format: rfc3339(t), Overlap: 2 * time.Minute,
		},
		Paths: []string{"id", "name", "updated_at"},
	}
	switch by {
	case sources.Cursor:
		spec.Paging.Next = "meta.next_cursor"
		spec.Request.Query = append(spec.Request.Query, param("cursor", "{cursor}"))
	case sources.NextURL:
		spec.Paging.Next = "links.next"
	case sources.Page:
		spec.Paging.First = 1
		spec.Request.Query = append(spec.Request.Query, param("page", "{page}"))
	case sources.Offset:
		spec.Request.Query = append(spec.Request.Query, param("offset", "{offset}"))
	case sources.Keyset:
		spec.Request.Query = append(spec.Request.Query, param("after_stamp", "{last.updated_at}"), param("after_id", "{last.id}"))
	}
	return spec
}

// long is a name by which a few thousand records are more than a window.
var long = strings.Repeat("long ", 120)

// lines is the spec of the owner's list of lines.
func lines(t testing.TB) sources.Spec {
	spec := users(t, sources.None)
	spec.Records.At, spec.Records.Format = "", sources.NDJSON
	return spec
}

var styles = map[sources.Style]sourcetest.Style{
	sources.None:    sourcetest.Whole,
	sources.Cursor:  sourcetest.Cursor,
	sources.NextURL: sourcetest.NextURL,
	sources.Link:    sourcetest.Link,
	sources.Page:    sourcetest.Page,
	sources.Offset:  sourcetest.Offset,
	sources.Keyset:  sourcetest.Keyset,
}

// everyStyle runs a test in each paging style.
func everyStyle(t *testing.T, f func(t *testing.T, by sources.Style, o *sourcetest.Owner)) {
	for by, served := range styles {
		t.Run(string(by), func(t *testing.T) {
			f(t, by, &sourcetest.Owner{Style: served, PageSize: 3, Tombstones: true})
		})
	}
}

// quick is an owner's settings for tests: no waiting between attempts.
func quick(o *sourcetest.Owner) sources.Owner {
	return sources.Owner{
		Name: "shop", URL: "https://owner.example/v1", Transport: o.Transport(), Log: zerolog.Nop(),
		Retry: sources.Retry{Attempts: 2, Min: time.Microsecond, Max: time.Microsecond},
	}
}

func source(t testing.TB, owner sources.Owner, spec sources.Spec) *sources.Source {
	t.Helper()
	client, err := sources.NewClient(owner)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sources.New(client, spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func changes(since string) syncer.Walk {
	return syncer.Walk{ID: "w1", Kind: syncer.Changes, Sent: time.Now(), From: syncer.Position{Watermark: since}}
}

func resync() syncer.Walk { return syncer.Walk{ID: "w1", Kind: syncer.Resync, Sent: time.Now()} }

// walk is all that a walk yields, and checks what every walk keeps to.
func walk(t testing.TB, s *sources.Source, w syncer.Walk) ([]*syncer.Batch, error) {
	t.Helper()
	var batches []*syncer.Batch
	var failed error
	ended := false
	for b, err := range s.Walk(t.(interface{ Context() context.Context }).Context(), w) {
		switch {
		case ended:
			t.Error("walk goes on behind its end")
		case (b == nil) == (err == nil):
			t.Errorf("walk yields batch %v and error %v", b, err)
		}
		ended = err != nil || b.End != nil
		if err != nil {
			failed = err
			continue
		}
		if b.End != nil && b.Resume != nil {
			t.Error("the last batch can be resumed")
		}
		batches = append(batches, b)
	}
	if !ended {
		t.Error("walk has no end")
	}
	return batches, failed
}

// complete is walk for one that must not fail.
func complete(t testing.TB, s *sources.Source, w syncer.Walk) ([]*syncer.Batch, *syncer.End) {
	t.Helper()
	batches, err := walk(t, s, w)
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	return batches, batches[len(batches)-1].End
}

// fails checks that a walk fails in a class and moves nothing.
func fails(t testing.TB, s *sources.Source, w syncer.Walk, want syncer.Class) error {
	t.Helper()
	batches, err := walk(t, s, w)
	if err == nil {
		t.Fatalf("walk of %d batches succeeds, want class %q", len(batches), want)
	}
	if got := syncer.Classify(err); got != want {
		t.Errorf("class %q, want %q: %v", got, want, err)
	}
	return err
}

// copied folds batches the way a table does: the last record of a key counts.
func copied(t testing.TB, batches []*syncer.Batch, into map[string]string) map[string]string {
	t.Helper()
	if into == nil {
		into = map[string]string{}
	}
	for _, b := range batches {
		for _, r := range b.Records {
			if id := string(r.Slots[0]); r.Gone {
				delete(into, id)
			} else {
				into[id] = string(bytes.Join(r.Slots[1:3], []byte(" ")))
			}
		}
	}
	return into
}

// truth is what a copy should be.
func truth(o *sourcetest.Owner) map[string]string {
	rows := map[string]string{}
	for _, r := range o.Truth() {
		name, _ := json.Marshal(r.Name)
		rows[fmt.Sprint(r.ID)] = string(name) + ` "` + r.UpdatedAt + `"`
	}
	return rows
}

func ids(batches []*syncer.Batch) []string {
	var all []string
	for _, b := range batches {
		for _, r := range b.Records {
			all = append(all, string(r.Slots[0]))
		}
	}
	return all
}

func sequence(from, to int64) []int64 {
	return slices.Collect(func(yield func(int64) bool) {
		for i := from; i <= to && yield(i); i++ {
		}
	})
}

func isNotResumable(err error) bool { return errors.Is(err, syncer.ErrNotResumable) }

// scripted is an owner that answers as f says; n counts requests from 1.
func scripted(f func(n int, w http.ResponseWriter, r *http.Request)) sources.Owner {
	var n atomic.Int64 // a request that is given up may still be under way when the next comes
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		f(int(n.Add(1)), w, r)
	})
	return sources.Owner{
		Name: "shop", URL: "https://owner.example/v1", Transport: sourcetest.Transport(handler), Log: zerolog.Nop(),
		Retry: sources.Retry{Attempts: 1},
	}
}

// pages is an owner that answers with one body after the other, and with the
// last one for ever.
func pages(bodies ...string) sources.Owner {
	return scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, bodies[min(n, len(bodies))-1])
	})
}

// list is a snapshot of records with an id, paged as p says.
func list(p sources.Paging, query ...sources.Param) sources.Spec {
	return sources.Spec{
		Name: "list", Mode: sources.SnapshotAll, Paging: p,
		Request: sources.Request{Path: text("/list"), Query: query},
		Records: sources.Records{At: "data", Key: []string{"id"}},
		Paths:   []string{"id"},
	}
}

func snapshot() syncer.Walk { return syncer.Walk{ID: "w1", Kind: syncer.Snapshot, Sent: time.Now()} }

// answer is a response of JSON with headers, by pairs of name and value.
func answer(body string, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}
