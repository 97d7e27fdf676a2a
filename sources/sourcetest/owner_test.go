package sourcetest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/sourcetest"
)

// read returns the ids of one page.
func read(t *testing.T, carrier http.RoundTripper, url string) ([]int64, error) {
	t.Helper()
	resp, err := (&http.Client{Transport: carrier}).Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var page struct{ Data []sourcetest.Row }
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	var ids []int64
	for _, r := range page.Data {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// TestThreeInstants: a change is stamped, committed and shown one after the
// other; the truth counts what is committed.
func TestThreeInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Whole}
		o.Put("old", 1, 2)
		now := o.Now()
		o.Commit(sourcetest.Change{ID: 1, Name: "new", Stamp: now, Commit: now.Add(time.Minute), Visible: now.Add(2 * time.Minute)})
		o.Commit(sourcetest.Change{ID: 3, Name: "new", Stamp: now, Commit: now.Add(time.Minute), Visible: now.Add(2 * time.Minute)})
		for minute, want := range []struct{ truth, shown int }{{2, 2}, {3, 2}, {3, 3}} {
			shown, err := read(t, o.Transport(), "https://owner.example/")
			if err != nil || len(shown) != want.shown || len(o.Truth()) != want.truth {
				t.Errorf("minute %d: shows %v of %d, %v", minute, shown, len(o.Truth()), err)
			}
			time.Sleep(time.Minute)
		}
		o.Delete(2)
		if diff := cmp.Diff([]string{"new", "new"}, []string{o.Truth()[0].Name, o.Truth()[1].Name}); diff != "" || len(o.Truth()) != 2 {
			t.Error(diff)
		}
	})
}

// TestTransportMisbehavesLikeAServer: what goes wrong on a socket goes wrong
// without one.
func TestTransportMisbehavesLikeAServer(t *testing.T) {
	var fault atomic.Pointer[sourcetest.Fault]
	o := &sourcetest.Owner{Style: sourcetest.Whole, Fault: func(int, *http.Request) *sourcetest.Fault { return fault.Load() }}
	o.Put("row", 1, 2)
	server := httptest.NewServer(o)
	defer server.Close()
	for name, carrier := range map[string]http.RoundTripper{"transport": o.Transport(), "server": http.DefaultTransport} {
		fault.Store(nil)
		if ids, err := read(t, carrier, server.URL); err != nil || len(ids) != 2 {
			t.Errorf("%s: %v, %v", name, ids, err)
		}
		fault.Store(sourcetest.CutAt(10))
		if _, err := read(t, carrier, server.URL); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: a cut gives %v", name, err)
		}
		fault.Store(&sourcetest.Fault{Drop: true})
		if _, err := read(t, carrier, server.URL); !errors.Is(err, io.EOF) {
			t.Errorf("%s: a drop gives %v", name, err)
		}
	}
}
