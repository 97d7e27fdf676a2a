package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// drifted are the records of batches with what nobody named.
func drifted(batches []*syncer.Batch) []string {
	var out []string
	for _, b := range batches {
		for _, r := range b.Records {
			line := string(r.Slots[0])
			if r.Gone {
				line = "-" + line
			}
			for _, f := range r.Unnamed {
				line += " " + f.Name + "=" + string(f.Raw)
			}
			if r.Untold {
				line += " …"
			}
			out = append(out, line)
		}
	}
	return out
}

// TestUnnamedFieldsAreTold: whatever a source reads by itself is named.
func TestUnnamedFieldsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sources.Spec)
		body   string
		want   []string
	}{
		"not asked for": {func(s *sources.Spec) { s.Unnamed = false }, `[{"id":1,"x":2}]`, []string{"1"}},
		"first level":   {nil, `[{"id":1,"x":{"a":[1]},"name":"n"},{"id":2}]`, []string{`1 x={"a":[1]}`, "2"}},
		"deeper paths name their field": {func(s *sources.Spec) { s.Paths = []string{"id", "profile.name"} },
			`[{"id":1,"profile":{"other":1},"name":"n"}]`, []string{`1 name="n"`}},
		"deleted is named":     {func(s *sources.Spec) { s.Records.Deleted = "gone" }, `[{"id":1,"gone":true,"x":2}]`, []string{"-1 x=2"}},
		"open fields are told": {func(s *sources.Spec) { s.Open = []string{"name", "id"} }, `[{"id":1,"name":"n"}]`, []string{`1 name="n"`}},
		"each is no field":     {func(s *sources.Spec) { s.Paths = append(s.Paths, "each.city") }, `[{"id":1,"each":3}]`, []string{`1 each=3`}},
		"too many":             {nil, `[{"id":1` + many(1001) + `}]`, []string{"1" + shownMany(1000) + " …"}},
		"the inner record's": {func(s *sources.Spec) { s.Records.Unwrap, s.Records.Deleted = "data", "op" },
			`[{"id":1,"kind":"k","data":{"id":1,"x":2,"op":false}}]`, []string{`1 x=2`}},
		"the only record's": {func(s *sources.Spec) { s.Records.As, s.Records.Error = sources.AsOne, "error" },
			`{"id":1,"error":null,"x":2}`, []string{`1 x=2`}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := list(sources.Paging{By: sources.None})
			spec.Records.At, spec.Paths, spec.Unnamed = "", []string{"id", "name"}, true
			if c.change != nil {
				c.change(&spec)
			}
			w := snapshot()
			w.Partition = syncer.NewPartition(syncer.PartitionValue{Name: "city", JSON: []byte(`"Rome"`)})
			batches, _ := complete(t, source(t, pages(c.body), spec), w)
			if diff := cmp.Diff(c.want, drifted(batches)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"f%d":0`, i)
	}
	return b.String()
}

func shownMany(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " f%d=0", i)
	}
	return b.String()
}

// TestUnnamedFieldsOfFetchedRecords: where a feed has ids only, the records that
// are fetched for them count, and what asks for them is named.
func TestUnnamedFieldsOfFetchedRecords(t *testing.T) {
	l := shelfOf("a")
	l.feed = `{"ids":[{"id":"a","kind":"changed"}]}`
	l.answer = func([]string) string { return `{"books":[{"id":"a","name":"n","pages":7}]}` }
	spec := batched()
	spec.Records.As, spec.Unnamed = sources.AsArray, true
	batches, _ := complete(t, source(t, l.owner(t), spec), snapshot())
	if diff := cmp.Diff([]string{`"a" pages=7`}, drifted(batches)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestUnnamedFieldsOfEitherRequest: what only one of two requests reads is named
// in the answers of both.
func TestUnnamedFieldsOfEitherRequest(t *testing.T) {
	owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":1,"updated_at":"2026-01-01T00:00:00Z","gone":false,"x":1}]}`)
	})
	spec := users(t, sources.None)
	spec.Paging, spec.Unnamed, spec.Paths = sources.Paging{By: sources.None}, true, []string{"id"}
	spec.Records = sources.Records{At: "data", Key: []string{"id"}, Deleted: "gone"}
	spec.Resync = sources.Resync{Known: true, Records: &sources.Records{At: "data", Key: []string{"id"}}}
	s := source(t, owner, spec)
	for _, w := range []syncer.Walk{changes("2025-01-01T00:00:00Z"), resync()} {
		batches, _ := complete(t, s, w)
		if diff := cmp.Diff([]string{`1 x=1`}, drifted(batches)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", w.Kind, diff)
		}
	}
	names := strings.Join(s.Names(), " ")
	for _, want := range []string{"id", "gone", "updated_at"} {
		if !strings.Contains(names, want) {
			t.Errorf("names are %q, want %q among them", names, want)
		}
	}
}
