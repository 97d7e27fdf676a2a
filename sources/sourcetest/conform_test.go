package sourcetest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/sourcetest"
)

// script asks an owner and says what comes.
type script struct {
	owner *sourcetest.Owner
	// fill writes the log; nil: five records, a second apart, an hour ago.
	fill func(o *sourcetest.Owner, base time.Time)
	// asks are queries: "next" is the token of the answer before, "token" the one
	// that its delta ends with, "link" the link; or func(*sourcetest.Owner).
	asks []any
	// want is the ids of each answer, or its status, or how it broke.
	want string
	// shows are texts that the last answer holds, headers included.
	shows []string
	hits  []string
}

// reached is an answer, or why there is none.
type reached struct {
	Status int
	Header http.Header
	Body   string
	Err    string
}

// carry brings one request to the owner. The redirect is not followed, nothing
// is unpacked.
func carry(carrier http.RoundTripper, base, query string, header http.Header) reached {
	r, err := http.NewRequest(http.MethodGet, base+"/users"+query, nil)
	if err != nil {
		return reached{Err: err.Error()}
	}
	r.Header = http.Header{"Accept-Encoding": {"gzip"}}
	maps.Copy(r.Header, header)
	resp, err := carrier.RoundTrip(r)
	if err != nil {
		return reached{Err: broke(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reached{resp.StatusCode, resp.Header, string(body), broke(err)}
}

func broke(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut"
	case errors.Is(err, io.EOF):
		return "dropped"
	}
	return err.Error()
}

type listing struct {
	Data []struct{ ID json.Number }
	Meta struct {
		Next  string `json:"next_cursor"`
		Token string
	}
	Links struct{ Next, Delta string }
}

func (r reached) list() (l listing, err error) {
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		r.Body = `{"data":[` + strings.ReplaceAll(strings.TrimSpace(r.Body), "\n", ",") + `]}`
	}
	return l, json.Unmarshal([]byte(r.Body), &l)
}

// says is what came, in short.
func (r reached) says() string {
	l, err := r.list()
	switch {
	case r.Err != "":
		return r.Err
	case r.Status != http.StatusOK:
		return fmt.Sprint(r.Status)
	case err != nil:
		return "?"
	}
	var ids []string
	for _, d := range l.Data {
		ids = append(ids, d.ID.String())
	}
	return strings.Join(ids, " ")
}

// run plays the script against one owner.
func (s script) run(carrier http.RoundTripper, base string) (all []reached) {
	var last listing
	header := http.Header{}
	for _, step := range s.asks {
		query, ok := step.(string)
		if !ok {
			step.(func(*sourcetest.Owner))(s.owner)
			continue
		}
		name, rest, _ := strings.Cut(query, "+")
		switch name {
		case "next":
			query = "?cursor=" + url.QueryEscape(last.Meta.Next) + rest
		case "token":
			query = "?token=" + url.QueryEscape(last.Meta.Token) + rest
		case "link":
			query = last.Links.Next
		case "same":
			header.Set("If-None-Match", all[len(all)-1].Header.Get("Etag"))
			query = rest
		case "fresh":
			header.Set("Cache-Control", "no-cache")
			query = rest
		}
		r := carry(carrier, base, query, header)
		last, _ = r.list()
		all = append(all, r)
	}
	return all
}

var anyToken = regexp.MustCompile(`t(\+|%2B)(/|%2F)(=|%3D)(%2B|%252B)( |%20|\+)(&|%26)([0-9A-Za-z+/=]|%2B|%2F|%3D)+`)

// steady drops what is another whenever it is said: when it was.
func steady(all []reached) []reached {
	for i := range all {
		r := &all[i]
		body := anyToken.ReplaceAllString(r.Body, "TOKEN")
		if body != r.Body {
			r.Header.Del("Etag")
			r.Header.Del("Content-Length") // digits of an instant
		}
		r.Body = body
		for _, name := range []string{"Date", "Retry-After", "X-Ratelimit-Reset"} {
			if v := r.Header.Get(name); v != "" && len(v) > 4 {
				r.Header.Set(name, "told")
			}
		}
	}
	return all
}

// fillFive writes records 1 to 5, a second apart.
func fillFive(o *sourcetest.Owner, base time.Time) {
	for i := range 5 {
		at := base.Add(time.Duration(i) * time.Second)
		o.Commit(sourcetest.Change{ID: int64(i + 1), Name: "row", Stamp: at, Commit: at, Visible: at})
	}
}

func (s script) prepare(base time.Time) {
	if s.fill == nil {
		s.fill = fillFive
	}
	s.fill(s.owner, base)
}

// TestEachKnob plays a script for each knob, carried and over a socket: the
// knob shows, it is counted, and both ways answer alike. No knob is left out.
func TestEachKnob(t *testing.T) {
	base := time.Now().UTC().Truncate(time.Second).Add(-time.Hour + 302674*time.Microsecond)
	covered := map[string]bool{}
	for name, make := range scripts(base) {
		t.Run(name, func(t *testing.T) {
			carried, served := make(), make()
			carried.prepare(base)
			served.prepare(base)
			server := httptest.NewServer(served.owner)
			defer server.Close()
			socket := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
			near, far := carried.run(carried.owner.Transport(), server.URL), served.run(socket, server.URL)
			var says []string
			for _, r := range near {
				says = append(says, r.says())
			}
			if got := strings.Join(says, " | "); got != carried.want {
				t.Errorf("got %q, want %q", got, carried.want)
			}
			last := near[len(near)-1]
			for _, text := range carried.shows {
				if dump := fmt.Sprint(last.Header, last.Body); !strings.Contains(dump, text) {
					t.Errorf("%q is not in %s", text, dump)
				}
			}
			hits := carried.owner.Hits()
			for _, hit := range carried.hits {
				covered[hit] = true
				if hits[hit] == 0 {
					t.Errorf("%q is not counted: %v", hit, hits)
				}
			}
			if diff := cmp.Diff(steady(near), steady(far)); diff != "" {
				t.Errorf("carried (-) and over a socket (+): %s", diff)
			}
			if diff := cmp.Diff(hits, served.owner.Hits()); diff != "" {
				t.Errorf("hits carried (-) and over a socket (+): %s", diff)
			}
		})
	}
	for _, name := range sourcetest.Knobs() {
		if !covered[name] {
			t.Errorf("no script hits %q", name)
		}
	}
	if all := sourcetest.Knobs(); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Error("two knobs share a name")
	}
}

// TestNothingHitsWhatIsNotSet: an owner without knobs counts only that it
// listed.
func TestNothingHitsWhatIsNotSet(t *testing.T) {
	o := &sourcetest.Owner{}
	fillFive(o, time.Now().Add(-time.Hour).Truncate(time.Second))
	carry(o.Transport(), "https://owner.example", "", nil)
	if diff := cmp.Diff(map[string]int{}, o.Hits()); diff != "" {
		t.Error(diff)
	}
}
