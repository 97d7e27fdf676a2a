package sources_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// wideRecords is n records, of about a KiB each, as the inside of an array.
func wideRecords(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"pad":"%s"}`, from+i, strings.Repeat("x", 1000))
	}
	return b.String()
}

// huge is a spec of an array that is read in windows, with all that a body may
// have beside it.
func huge() sources.Spec {
	spec := list(sources.Paging{Total: "total"})
	spec.Records.Error, spec.Records.Require = "error", sources.Test{At: "ok", Equals: []string{"true"}}
	return spec
}

// TestHugeArray: a body of more than a window is handed out in windows, none of
// which says where the walk can go on, and its end is a batch of its own.
func TestHugeArray(t *testing.T) {
	for name, body := range map[string]string{
		"places behind": `{"data":[` + wideRecords(1, 3000) + `],"ok":true,"total":3000,"error":null}`,
		"places before": `{"ok":true,"total":3000,"error":[],"data":[` + wideRecords(1, 3000) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			batches, end := complete(t, source(t, served(t, body), huge()), snapshot())
			if got := len(ids(batches)); got != 3000 || !end.Listed || len(batches) != 4 || len(batches[3].Records) != 0 {
				t.Errorf("%d records in %d batches, end %+v", got, len(batches), end)
			}
			for _, b := range batches {
				if b.Resume != nil {
					t.Errorf("resume %+v", b.Resume)
				}
			}
		})
	}
	small := `{"data":[` + wideRecords(1, 900) + `],"ok":true,"total":900}`
	if batches, _ := complete(t, source(t, served(t, small), huge()), snapshot()); len(batches) != 1 {
		t.Errorf("a body of less than a window comes in %d batches", len(batches))
	}
}

// TestHugeArrayThatIsNone: whatever is wrong with a body, there is no end.
func TestHugeArrayThatIsNone(t *testing.T) {
	array := `"data":[` + wideRecords(1, 3000) + `]`
	for name, c := range map[string]struct {
		body    string
		class   syncer.Class
		batches int
	}{
		"an error before":        {`{"error":"half of it","ok":true,"total":3000,` + array + `}`, syncer.ClassAnswer, 0},
		"an error behind":        {`{"ok":true,"total":3000,` + array + `,"error":"half of it"}`, syncer.ClassAnswer, 3},
		"not ok before":          {`{"ok":false,"total":3000,` + array + `}`, syncer.ClassAnswer, 0},
		"not ok behind":          {`{` + array + `,"total":3000,"ok":false}`, syncer.ClassAnswer, 3},
		"ok missing":             {`{` + array + `,"total":3000}`, syncer.ClassAnswer, 3},
		"cut off":                {`{"ok":true,"total":3000,` + array, syncer.ClassDecode, 3},
		"cut off inside":         {`{"ok":true,"total":3000,"data":[` + wideRecords(1, 2500), syncer.ClassDecode, 2},
		"two values":             {`{"ok":true,"total":3000,` + array + `}{}`, syncer.ClassDecode, 3},
		"a second list":          {`{"ok":true,"total":3000,` + array + `,"data":[]}`, syncer.ClassDecode, 3},
		"a record that is none":  {`{"ok":true,"total":3000,"data":[` + wideRecords(1, 1500) + `,7,` + wideRecords(1501, 1499) + `]}`, syncer.ClassDecode, 1},
		"no list":                {`{"ok":true,"total":3000,"items":[` + wideRecords(1, 3000) + `]}`, syncer.ClassAnswer, 0},
		"fewer than the total":   {`{"ok":true,"total":3001,` + array + `}`, syncer.ClassPaging, 16},
		"a total that is none":   {`{"ok":true,"total":"many",` + array + `}`, syncer.ClassPaging, 3},
		"keys twice, of a total": {`{"ok":true,"total":3000,"data":[` + wideRecords(1, 1500) + `,` + wideRecords(1, 1500) + `]}`, syncer.ClassPaging, 16},
	} {
		t.Run(name, func(t *testing.T) {
			batches, err := walk(t, source(t, served(t, c.body), huge()), snapshot())
			if got := syncer.Classify(err); err == nil || got != c.class || len(batches) != c.batches {
				t.Errorf("%d batches, want %d; class %q, want %q: %v", len(batches), c.batches, got, c.class, err)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// TestHugeArrayMovesItsWatermark by the records, or by a place behind them.
func TestHugeArrayMovesItsWatermark(t *testing.T) {
	spec := huge()
	spec.Mode, spec.Paging.Total = sources.Delta, ""
	spec.Request.Query = []sources.Param{param("since", "{since}")}
	spec.Watermark = sources.Watermark{Place: "next", Opaque: sources.Token}
	spec.Resync.Known = true
	body := `{"ok":true,"data":[` + wideRecords(1, 3000) + `],"next":"t2"}`
	if _, end := complete(t, source(t, served(t, body), spec), changes("t1")); end.Watermark != "t2" {
		t.Errorf("end %+v", end)
	}
	fails(t, source(t, served(t, strings.Replace(body, `"next"`, `"nix"`, 1)), spec), changes("t1"), syncer.ClassAnswer)

	spec.Watermark = sources.Watermark{Place: "next", Opaque: sources.Token}
	spec.Expired = sources.Expired{Status: []int{200}, At: "gone"}
	for _, body := range []string{`{"gone":true,"ok":true,"data":[` + wideRecords(1, 3000) + `]}`, `{"ok":true,"data":[` + wideRecords(1, 3000) + `],"gone":true,"next":"t2"}`} {
		if _, err := walk(t, source(t, served(t, body), spec), changes("t1")); !errors.Is(err, syncer.ErrExpired) {
			t.Errorf("%.20s: %v", body, err)
		}
	}
}

// TestCutOfAHugeArray: a body that breaks off in its first window is asked for
// again at once, behind it by the next poll.
func TestCutOfAHugeArray(t *testing.T) {
	body := `{"ok":true,"total":3000,"data":[` + wideRecords(1, 3000) + `]}`
	for _, c := range []struct{ cut, asked, batches int }{{1000, 2, 4}, {1 << 20, 2, 4}, {2 << 20, 1, 2}} {
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			if asked.Add(1) == 1 {
				_, _ = io.WriteString(w, body[:c.cut])
				return
			}
			_, _ = io.WriteString(w, body)
		}))
		owner := at(server.URL)
		owner.Retry = sources.Retry{Attempts: 2, Min: time.Microsecond, Max: time.Microsecond}
		batches, err := walk(t, source(t, owner, huge()), snapshot())
		if int(asked.Load()) != c.asked || len(batches) != c.batches || (err == nil) != (c.asked == 2) || err != nil && syncer.Classify(err) != syncer.ClassConnect {
			t.Errorf("cut after %d bytes: asked %d times, %d batches: %v", c.cut, asked.Load(), len(batches), err)
		}
		server.Close()
	}
}

// table is the spec of a snapshot in CSV.
func table(r sources.Records) sources.Spec {
	r.Format, r.Key = sources.CSV, []string{"id"}
	return formed(r, "id", "name")
}

// typed is an owner behind a socket that answers with a body of a media type.
func typed(t *testing.T, media, body string) sources.Owner {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Accept"), "text/csv") {
			t.Errorf("accepts %q", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return at(server.URL)
}

func TestCSVRecords(t *testing.T) {
	gone := table(sources.Records{Deleted: "gone"})
	is := table(sources.Records{Deleted: "gone", DeletedEquals: []string{"true", "1"}})
	semi := table(sources.Records{Separator: ";"})
	for name, c := range map[string]struct {
		spec sources.Spec
		body string
		want []string
	}{
		"plain":      {table(sources.Records{}), "id,name\r\n1,a\r\n2,\r\n", []string{`"1" "a"`, `"2" null`}},
		"nothing":    {table(sources.Records{}), "id,name\n", nil},
		"semicolons": {semi, "id;name\n1;a,b\n", []string{`"1" "a,b"`}},
		"what is not gone": {gone, "id,name,gone\n1,a,\n2,b,\"\"\n3,c,false\n4,d,False\n5,e,0\n6,f,2024-01-02\n7,g,true\n8,h,1\n",
			[]string{`"1" "a"`, `"2" "b"`, `"3" "c"`, `"4" "d"`, `"5" "e"`, `-"6" "f"`, `-"7" "g"`, `-"8" "h"`}},
		"what equals": {is, "id,name,gone\n1,a,true\n2,b,1\n3,c,0\n4,d,TRUE\n", []string{`-"1" "a"`, `-"2" "b"`, `"3" "c"`, `"4" "d"`}},
	} {
		t.Run(name, func(t *testing.T) {
			batches, end := complete(t, source(t, typed(t, "text/csv", c.body), c.spec), snapshot())
			if diff := cmp.Diff(c.want, shown(batches)); diff != "" || !end.Listed {
				t.Errorf("end %+v (-want +got):\n%s", end, diff)
			}
		})
	}
}

func TestCSVThatIsNone(t *testing.T) {
	gone := table(sources.Records{Deleted: "gone"})
	for name, c := range map[string]struct {
		media, body string
		spec        sources.Spec
		class       syncer.Class
	}{
		"JSON":               {"application/json", `id`, gone, syncer.ClassAnswer},
		"an error as CSV":    {"text/csv", `{"error":"no"}`, gone, syncer.ClassDecode},
		"HTML as CSV":        {"text/csv", `<html>`, gone, syncer.ClassAnswer},
		"nothing":            {"text/csv", ``, gone, syncer.ClassAnswer},
		"no header":          {"text/csv", "1,a,\n", gone, syncer.ClassAnswer},
		"no field of gone":   {"text/csv", "id,name\n1,a\n", gone, syncer.ClassAnswer},
		"fewer fields":       {"text/csv", "id,name,gone\n1,a\n", gone, syncer.ClassDecode},
		"a quote left open":  {"text/csv", "id,name,gone\n1,\"a,\n", gone, syncer.ClassDecode},
		"in its last window": {"text/csv", "id,name,gone\n" + strings.Repeat("1,"+strings.Repeat("x", 1000)+",\n", 3000) + "1\n", gone, syncer.ClassDecode},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, source(t, typed(t, c.media, c.body), c.spec), snapshot(), c.class)
		})
	}
	for name, r := range map[string]sources.Records{"unwrap": {Unwrap: "a"}, "at": {At: "a"}, "a field inside": {Deleted: "a.b"}, "a separator": {Separator: ",,"}} {
		client, err := sources.NewClient(at("https://owner.example"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources.New(client, table(r)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	spec := table(sources.Records{Separator: ";"})
	spec.Records.Format = sources.JSON
	client, _ := sources.NewClient(at("https://owner.example"))
	if _, err := sources.New(client, spec); err == nil {
		t.Error("JSON with a separator is taken")
	}
}

// TestCSVInWindows: more than a window is handed out as it comes, and a body
// that could have been cut unseen is none.
func TestCSVInWindows(t *testing.T) {
	body := "id,name\n"
	for i := range 3000 {
		body += fmt.Sprintf("%d,%s\n", i, strings.Repeat("x", 700))
	}
	batches, end := complete(t, source(t, typed(t, "text/csv", body), table(sources.Records{})), snapshot())
	if got := len(shown(batches)); got != 3000 || len(batches) != 4 || !end.Listed {
		t.Errorf("%d records in %d batches, end %+v", got, len(batches), end)
	}
	fails(t, source(t, pages("id,name\n1,a\n"), table(sources.Records{})), snapshot(), syncer.ClassAnswer)
}

// TestCSVWatermark: stamps are texts, and an empty one is none, in quotes too.
func TestCSVWatermark(t *testing.T) {
	spec := table(sources.Records{})
	spec.Mode, spec.Paths = sources.Incremental, append(spec.Paths, "n")
	spec.Request.Query = []sources.Param{param("since", "{since}")}
	spec.Watermark = sources.Watermark{From: []string{"n"}, Format: format(t, "integer"), Null: sources.NullInclude}
	_, end := complete(t, source(t, typed(t, "text/csv", "id,name,n\n1,a,7\n2,b,\"12\"\n3,c,\n4,d,\"\"\n"), spec), changes("5"))
	if end.Watermark != "12" {
		t.Errorf("end %+v", end)
	}
}
