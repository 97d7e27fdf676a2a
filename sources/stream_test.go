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

// TestTotalOfAHugeArray: a list of which fewer keys come than the owner counts is
// no whole list, in whatever order it comes and however it is read.
func TestTotalOfAHugeArray(t *testing.T) {
	for _, n := range []int{500, 3000} { // read whole, and in windows
		for _, order := range []sources.Order{sources.Unordered, sources.Descending} {
			spec := list(sources.Paging{Total: "total"})
			spec.Mode = sources.Incremental
			spec.Watermark = sources.Watermark{From: []string{"id"}, Format: format(t, "integer"), Order: order}
			var b strings.Builder
			for i := n; i > 0; i-- {
				fmt.Fprintf(&b, `{"id":%d,"pad":"%s"},`, i, strings.Repeat("x", 1000))
			}
			body := func(total int) string {
				return fmt.Sprintf(`{"total":%d,"data":[%s]}`, total, strings.TrimSuffix(b.String(), ","))
			}
			fails(t, source(t, served(t, body(n+1)), spec), resync(), syncer.ClassPaging)
			if _, end := complete(t, source(t, served(t, body(n)), spec), resync()); !end.Listed {
				t.Errorf("%d of %d: end %+v", n, n, end)
			}
		}
	}
}

// TestExpiredAnswerWithoutAList: a long answer that tells that the watermark is
// too old need not hold a list.
func TestExpiredAnswerWithoutAList(t *testing.T) {
	spec := huge()
	spec.Mode, spec.Paging.Total, spec.Resync.Known = sources.Delta, "", true
	spec.Watermark = sources.Watermark{Place: "next", Opaque: sources.Token}
	spec.Request.Query = []sources.Param{param("since", "{since}")}
	spec.Expired = sources.Expired{Status: []int{200}, At: "gone"}
	body := `{"items":[` + wideRecords(1, 3000) + `],"gone":true}`
	if _, err := walk(t, source(t, served(t, body), spec), changes("t1")); !errors.Is(err, syncer.ErrExpired) {
		t.Error(err)
	}
}

// TestWholeAnswers are not read in windows: what stands behind the records may
// say that nulls among them are none.
func TestWholeAnswers(t *testing.T) {
	spec := list(sources.Paging{})
	spec.Records.Error, spec.Request.Whole = "errors", true
	array := `{"data":[` + wideRecords(1, 3000) + `]`
	if batches, _ := complete(t, source(t, served(t, array+`}`), spec), snapshot()); len(batches) != 1 {
		t.Errorf("%d batches", len(batches))
	}
	batches, err := walk(t, source(t, served(t, array+`,"errors":[{"message":"half of it"}]}`), spec), snapshot())
	if syncer.Classify(err) != syncer.ClassAnswer || len(batches) > 0 {
		t.Errorf("%d batches: %v", len(batches), err)
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

// TestNewestFirstInWindows: a body that is read in windows cannot be turned
// round, so that of a key's events the oldest would stand.
func TestNewestFirstInWindows(t *testing.T) {
	client, err := sources.NewClient(at("https://owner.example"))
	if err != nil {
		t.Fatal(err)
	}
	spec := lines(t)
	spec.Mode, spec.Records.Key, spec.Records.Deleted = sources.Log, []string{"key"}, ""
	spec.Paths = []string{"key", "id"}
	spec.Watermark = sources.Watermark{First: "id", Format: format(t, "integer")}
	if _, err := sources.New(client, spec); err == nil {
		t.Error("is taken")
	}
	byID, versioned, array := spec, spec, spec
	byID.Records.Key, versioned.Records.Version, array.Records.Format = []string{"id"}, []string{"id"}, sources.JSON
	for name, spec := range map[string]sources.Spec{"its id is the key": byID, "a version": versioned, "one page": array} {
		if _, err := sources.New(client, spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
