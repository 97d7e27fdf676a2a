package sources_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// goneRecords is wideRecords that are gone.
func goneRecords(from, n int) string {
	return strings.ReplaceAll(wideRecords(from, n), `"pad"`, `"gone":true,"pad"`)
}

// folded is what batches leave, key by key, and how many deletions they hold.
func folded(batches []*syncer.Batch) (rows map[string]string, gone int) {
	rows = map[string]string{}
	for _, b := range batches {
		for _, r := range b.Records {
			rows[string(r.Slots[0])] = string(slices.Concat(r.Slots[1:]...))
			if r.Gone {
				gone++
				rows[string(r.Slots[0])] = "gone"
			}
		}
	}
	return rows, gone
}

// plain is an owner behind a socket that answers with a body of text.
func plain(t *testing.T, body string) sources.Owner {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return at(server.URL)
}

// TestAFailedAnswerDeletesNothing: an answer that says that it is a failure, or
// breaks off, has not deleted a row by then, however it is read.
func TestAFailedAnswerDeletesNothing(t *testing.T) {
	total := `"total":9,`
	for name, c := range map[string]struct {
		body  string
		class syncer.Class
	}{
		"small, an error behind": {`{"ok":true,` + total + `"data":[` + goneRecords(1, 10) + `],"error":"backend is down"}`, syncer.ClassAnswer},
		"long, an error behind":  {`{"ok":true,` + total + `"data":[` + goneRecords(1, 3000) + `],"error":"backend is down"}`, syncer.ClassAnswer},
		"long, not ok":           {`{` + total + `"data":[` + goneRecords(1, 3000) + `]}`, syncer.ClassAnswer},
		"long, cut off":          {`{"ok":true,` + total + `"data":[` + goneRecords(1, 3000), syncer.ClassDecode},
		"long, a misfit":         {`{"ok":true,` + total + `"data":[` + goneRecords(1, 3000) + `,7]}`, syncer.ClassDecode},
		"long, no total":         {`{"ok":true,"data":[` + goneRecords(1, 3000) + `]}`, syncer.ClassPaging},
		"long, too few":          {`{"ok":true,"total":3001,"data":[` + goneRecords(1, 3000) + `]}`, syncer.ClassPaging},
	} {
		t.Run(name, func(t *testing.T) {
			spec := huge()
			spec.Records.Deleted = "gone"
			batches, err := walk(t, source(t, served(t, c.body), spec), snapshot())
			if _, gone := folded(batches); gone > 0 || syncer.Classify(err) != c.class {
				t.Errorf("%d rows are deleted by it: class %q, want %q: %v", gone, syncer.Classify(err), c.class, err)
			}
		})
	}
}

// TestFailedLinesDeleteNothing: of rows in lines, too, a body that breaks off, or
// that ends in the midst of one.
func TestFailedLinesDeleteNothing(t *testing.T) {
	pad := strings.Repeat("x", 1000)
	for format, c := range map[sources.Format][2]string{
		sources.NDJSON: {"", `{"id":%d,"name":"` + pad + `","gone":%t}` + "\n"},
		sources.CSV:    {"id,name,gone\n", "%d," + pad + ",%t\n"},
	} {
		var b strings.Builder
		b.WriteString(c[0])
		for i := range 3000 {
			fmt.Fprintf(&b, c[1], i, i%2 == 0)
		}
		spec := formed(sources.Records{Format: format, Key: []string{"id"}, Deleted: "gone"}, "id", "name")
		whole, end := complete(t, source(t, plain(t, b.String()), spec), snapshot())
		if rows, gone := folded(whole); gone != 1500 || len(rows) != 3000 || !end.Listed {
			t.Errorf("%s: %d rows, %d gone, end %+v", format, len(rows), gone, end)
		}
		batches, err := walk(t, source(t, plain(t, b.String()[:b.Len()-20]), spec), snapshot())
		if rows, gone := folded(batches); err == nil || gone > 0 || len(rows) == 0 {
			t.Errorf("%s, cut: %d rows, %d gone: %v", format, len(rows), gone, err)
		}
	}
}

// TestDeletionsWaitInTheirOrder: what comes of a key behind its deletion comes
// behind it, though that waits for the end, however the key is written.
func TestDeletionsWaitInTheirOrder(t *testing.T) {
	spec := list(sources.Paging{})
	spec.Records.Deleted, spec.Paths = "gone", []string{"id", "v"}
	body := `{"data":[{"id":1,"gone":true},{"id":2,"v":1},{"id":3,"v":1},{"id":"3","gone":true},` + wideRecords(10, 1500) +
		`,{"id":1,"v":2},{"id":2,"gone":true},{"id":3,"v":2},{"id":3,"gone":true},{"id":"1","v":3},` + wideRecords(2000, 1500) + `]}`
	batches, _ := complete(t, source(t, served(t, body), spec), snapshot())
	last := batches[len(batches)-1]
	var came []string
	for _, r := range last.Records {
		came = append(came, strings.TrimSuffix(fmt.Sprintf("%s=%s", r.Slots[0], r.Slots[1]), "="))
	}
	if want := []string{"1", `"3"`, "1=2", "2", "3=2", "3", `"1"=3`}; !slices.Equal(came, want) || last.End == nil {
		t.Errorf("the end brings %q, want %q", came, want)
	}
	if rows, gone := folded(batches); gone != 4 || len(rows) != 3003+2 {
		t.Errorf("%d rows, %d gone", len(rows), gone)
	}
}

// TestManyDeletionsWait in parts, as many as fit into max_body.
func TestManyDeletionsWait(t *testing.T) {
	var b strings.Builder
	const n = 25_000
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"gone":true,"pad":"%s"},`, i, strings.Repeat("x", 100))
	}
	owner := served(t, `{"data":[`+strings.TrimSuffix(b.String(), ",")+`]}`)
	spec := list(sources.Paging{})
	spec.Records.Deleted = "gone"
	batches, _ := complete(t, source(t, owner, spec), snapshot())
	seen, behind := 0, 0
	for _, b := range batches {
		if len(b.Records) > 0 {
			behind++
			seen += len(b.Records)
		}
		if len(b.Records) > 10_000 || len(b.Records) > 0 && b.Size < int64(len(b.Records)) {
			t.Errorf("a batch of %d records, of %d bytes", len(b.Records), b.Size)
		}
	}
	if seen != n || behind != 3 {
		t.Errorf("%d deletions in %d batches", seen, behind)
	}
	owner.MaxBody = 2 << 20
	batches, err := walk(t, source(t, owner, spec), snapshot())
	if _, gone := folded(batches); syncer.Classify(err) != syncer.ClassTooLarge || gone > 0 {
		t.Errorf("%d gone: %v", gone, err)
	}
}
