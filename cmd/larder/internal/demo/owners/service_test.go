package owners_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// paths has one good request for each service.
func paths() map[string]string {
	return map[string]string{
		owners.Users:      "/v1/users",
		owners.Drivers:    "/drivers",
		owners.Passengers: "/api/passengers",
		owners.Products:   "/catalog/products",
		owners.Weather:    forecastOf(owners.Cities()[0]),
	}
}

func TestCredentials(t *testing.T) {
	f := run(t, still())
	for name, path := range paths() {
		s := f.Service(name)
		open := name == owners.Drivers || name == owners.Weather
		strange := owners.Credentials{Bearer: "x", User: s.Credentials().User, Password: "x", Header: s.Credentials().Header, Key: "x"}
		if s.Credentials().Bearer == "" {
			strange.Bearer = ""
		}
		for who, c := range map[string]owners.Credentials{"nobody": {}, "stranger": strange, "friend": s.Credentials()} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.Authorize(req)
			resp, body := send(t, req)
			want := http.StatusOK
			if who != "friend" && !open {
				want = http.StatusUnauthorized
			}
			if resp.StatusCode != want {
				t.Errorf("%s answers %s with %s, want %d", name, who, resp.Status, want)
			}
			if want == http.StatusUnauthorized && string(body) != `{"error":"credentials are missing or wrong"}`+"\n" {
				t.Errorf("%s tells %s: %s", name, who, body)
			}
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, s.Credentials()); got != "[secret]" {
				t.Errorf("credentials of %s print as %s", name, got)
			}
		}
	}
}

func TestBadParameters(t *testing.T) {
	f := run(t, small())
	for _, tt := range []struct{ service, target, reason string }{
		{owners.Users, "/v1/users?updated_since=yesterday", "updated_since is not an RFC 3339 time"},
		{owners.Users, "/v1/users?updated_since=2026-11-23T04:00:00+02:00", "updated_since is not an RFC 3339 time"},
		{owners.Users, "/v1/users?cursor=abc", "cursor is not one that this feed has given"},
		{owners.Users, "/v1/users?cursor=", "cursor is empty"},
		{owners.Users, "/v1/users?limit=0", "limit is not a number from 1"},
		{owners.Users, "/v1/users?limit=1&limit=2", "limit is given 2 times"},
		{owners.Users, "/v1/users?since=2026-11-23T04:00:00Z", `\"since\" is not a parameter here; there are`},
		{owners.Users, "/v1/users?limit=%zz", "query is malformed"},
		{owners.Drivers, "/drivers?page=0", "page is not a number from 1"},
		{owners.Drivers, "/drivers?page=9223372036854775807", "page is not a number from 1"},
		{owners.Drivers, "/drivers?per_page=many", "per_page is not a number from 1"},
		{owners.Passengers, "/api/passengers?offset=-1", "offset is not a number from 0"},
		{owners.Passengers, "/api/passengers?changed_after=2026-11-23", "changed_after is not a time in Unix milliseconds"},
		{owners.Products, "/catalog/products?after=MS4", "after is not one that this feed has given"},
		{owners.Weather, "/v1/forecast?latitude=52.52", "longitude is not a number from -180 to 180"},
		{owners.Weather, "/v1/forecast?latitude=NaN&longitude=1", "latitude is not a number from -90 to 90"},
	} {
		resp, body := get(t, f.Service(tt.service), tt.target)
		if resp.StatusCode != http.StatusBadRequest || !strings.HasPrefix(string(body), `{"error":"`+tt.reason) {
			t.Errorf("%s: %s: %s, want 400 for %s", tt.target, resp.Status, body, tt.reason)
		}
	}
	resp, body := get(t, f.Service(owners.Weather), "/v1/forecast?latitude=0&longitude=0")
	if resp.StatusCode != http.StatusNotFound || !strings.HasPrefix(string(body), `{"error":"`) {
		t.Errorf("a place in the sea: %s: %s", resp.Status, body)
	}
}

func TestPageSizeIsBounded(t *testing.T) {
	o := still()
	o.Drivers = 250
	f := run(t, o)
	for _, tt := range []struct {
		query string
		want  int
	}{{"", 100}, {"?per_page=3", 3}, {"?per_page=5000", 200}, {"?per_page=200&page=2", 50}, {"?page=1000", 0}} {
		resp, body := get(t, f.Service(owners.Drivers), "/drivers"+tt.query)
		items, _ := driversPage(t, "", resp, body)
		if len(items) != tt.want || body[0] != '[' {
			t.Errorf("/drivers%s: %d items, want %d", tt.query, len(items), tt.want)
		}
	}
}

func TestHeadersAndCount(t *testing.T) {
	f := run(t, still())
	for name, path := range paths() {
		s := f.Service(name)
		for i := range 3 {
			resp, _ := get(t, s, path)
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("%s: Content-Type %q", name, got)
			}
			if _, err := http.ParseTime(resp.Header.Get("Date")); err != nil {
				t.Errorf("%s: Date: %v", name, err)
			}
			if got := resp.Header.Get("Cache-Control"); got != "" {
				t.Errorf("%s: Cache-Control %q", name, got)
			}
			if got := s.Requests(); got != int64(i+1) {
				t.Errorf("%s has counted %d requests, want %d", name, got, i+1)
			}
		}
	}
}

func TestDownRefusesAndComesBack(t *testing.T) {
	f := run(t, small())
	s := f.Service(owners.Users)
	url := s.URL()
	get(t, s, "/v1/users") // leaves an open connection behind
	for range 3 {
		if err := errors.Join(s.Down(true), s.Down(true)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(url + "/v1/users")
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("GET while down: %v, want a refused connection", err)
		}
		before := s.Truth()
		s.Change(5)
		if cmp.Equal(before, s.Truth()) {
			t.Error("the data stand still while the service is down")
		}
		if resp, _ := get(t, f.Service(owners.Drivers), "/drivers"); resp.StatusCode != http.StatusOK {
			t.Errorf("another service answers %s meanwhile", resp.Status)
		}
		if err := errors.Join(s.Down(false), s.Down(false)); err != nil {
			t.Fatal(err)
		}
		if s.URL() != url {
			t.Errorf("came back at %s, want %s", s.URL(), url)
		}
		c := newCache(feeds()[0])
		c.poll(t, s, 10, nothing)
		if diff := cmp.Diff(byKey(t, s.Truth(), "id"), c.live()); diff != "" {
			t.Errorf("copy differs from truth (-truth +copy):\n%s", diff)
		}
	}
}

func TestRunClosesThePorts(t *testing.T) {
	for _, down := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		f, err := owners.Start(ctx, small())
		if err != nil {
			t.Fatal(err)
		}
		s := f.Service(owners.Drivers)
		if err := s.Down(down); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.Get(s.URL() + "/drivers"); !errors.Is(err, syscall.ECONNREFUSED) {
			if err == nil {
				resp.Body.Close()
			}
			t.Errorf("GET after Run: %v, want a refused connection", err)
		}
		if err := errors.Join(s.Down(true)); err != nil {
			t.Errorf("Down(true) after Run: %v", err)
		}
		if err := s.Down(false); !errors.Is(err, owners.ErrEnded) {
			t.Errorf("Down(false) after Run: %v, want ErrEnded", err)
		}
	}
}

// The same seed tells the same story, but for the instants, and another seed
// another one.
func TestSeedDecidesTheData(t *testing.T) {
	story := func(seed int64) map[string][]owners.Row {
		o := small()
		o.Seed = seed
		f := run(t, o)
		f.Change(40)
		out := map[string][]owners.Row{}
		for _, s := range f.Services() {
			for _, row := range s.Truth() {
				for _, column := range []string{"updated_at", "updated", "modified", "time"} {
					delete(row, column)
				}
				out[s.Name()] = append(out[s.Name()], row)
			}
		}
		return out
	}
	first, again, other := story(1), story(1), story(2)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("seed 1 twice (-first +again):\n%s", diff)
	}
	for name, rows := range other {
		if cmp.Equal(first[name], rows) {
			t.Errorf("seeds 1 and 2 give the same %s", name)
		}
	}
}

func TestSizes(t *testing.T) {
	f := run(t, still())
	want := map[string]int{
		owners.Users: 500, owners.Drivers: 120, owners.Passengers: 800, owners.Products: 300, owners.Weather: 4 * 24,
	}
	got := map[string]int{}
	for _, s := range f.Services() {
		got[s.Name()] = len(s.Truth())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if f.Service("orders") != nil {
		t.Error("there is a service of orders")
	}
	for _, o := range []owners.Options{{Users: -1}, {Products: 1_000_000_000}} {
		if _, err := owners.Start(t.Context(), o); err == nil {
			t.Errorf("Start takes %+v", o)
		}
	}
}

func TestTruthIsExactText(t *testing.T) {
	f := run(t, still())
	for _, row := range f.Service(owners.Products).Truth() {
		if price := row["price"]; len(price) < 4 || price[len(price)-3] != '.' {
			t.Fatalf("price %q has not two places", price)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000000Z", row["modified"]); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range f.Service(owners.Weather).Truth() {
		if n := row["temperature"]; strings.Contains(n, ".") && strings.HasSuffix(n, "0") {
			t.Fatalf("temperature %q has trailing zeros", n)
		}
	}
	nobody := 0
	for _, row := range f.Service(owners.Passengers).Truth() {
		if _, ok := row["driver_id"]; !ok {
			nobody++
		}
	}
	if nobody == 0 || nobody == 800 {
		t.Errorf("%d of 800 passengers have no driver", nobody)
	}
}
