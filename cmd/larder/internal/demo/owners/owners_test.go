package owners_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// still are options under which only Change changes anything.
func still() owners.Options {
	return owners.Options{Seed: 7, Every: -1, WeatherEvery: -1}
}

// run starts a fleet and joins it when the test ends.
func run(t *testing.T, o owners.Options) *owners.Fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f, err := owners.Start(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f
}

// get asks a service for a target, a path with query or a whole URL.
func get(t *testing.T, s *owners.Service, target string) (*http.Response, []byte) {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = s.URL() + target
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Credentials().Authorize(req)
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// item is one record as a feed shows it.
type item struct {
	row   owners.Row
	stamp time.Time
	gone  bool
}

// feed is what a walker must know of one changed-since API, written from the
// API's description and not from its code.
type feed struct {
	name, key string
	first     func(since time.Time, limit int) string
	// page reads one answer to target and says where the next page is, ""
	// at the end.
	page func(t *testing.T, target string, resp *http.Response, body []byte) (items []item, next string)
}

func feeds() []feed {
	return []feed{
		{
			name: owners.Users, key: "id",
			first: func(since time.Time, limit int) string {
				return target("/v1/users", "updated_since", text(since), "limit", strconv.Itoa(limit))
			},
			page: usersPage,
		},
		{
			name: owners.Drivers, key: "id",
			first: func(since time.Time, limit int) string {
				return target("/drivers", "since", text(since), "per_page", strconv.Itoa(limit))
			},
			page: driversPage,
		},
		{
			name: owners.Passengers, key: "id",
			first: func(since time.Time, limit int) string {
				ms := ""
				if !since.IsZero() {
					ms = strconv.FormatInt(since.UnixMilli(), 10)
				}
				return target("/api/passengers", "changed_after", ms, "limit", strconv.Itoa(limit))
			},
			page: passengersPage,
		},
		{
			name: owners.Products, key: "sku",
			first: func(since time.Time, limit int) string {
				return target("/catalog/products", "modified_since", text(since), "limit", strconv.Itoa(limit))
			},
			page: productsPage,
		},
	}
}

// target is a path with those parameters that have a value.
func target(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return path + "?" + query.Encode()
}

func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// with is target with one parameter set anew.
func with(t *testing.T, target, name, value string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func usersPage(t *testing.T, target string, _ *http.Response, body []byte) ([]item, string) {
	var page struct {
		Data []struct {
			ID        json.Number
			Profile   struct{ DisplayName string }
			AvatarURL string `json:"avatar_url"`
			Email     string
			UpdatedAt string  `json:"updated_at"`
			DeletedAt *string `json:"deleted_at"`
		}
		Meta struct {
			NextCursor *string `json:"next_cursor"`
		}
	}
	decode(t, body, &page)
	var items []item
	for _, u := range page.Data {
		at := parse(t, u.UpdatedAt)
		items = append(items, item{owners.Row{
			"id": u.ID.String(), "display_name": u.Profile.DisplayName, "avatar_url": u.AvatarURL,
			"email": u.Email, "updated_at": micros(at),
		}, at, u.DeletedAt != nil})
	}
	if page.Meta.NextCursor == nil {
		return items, ""
	}
	return items, with(t, target, "cursor", *page.Meta.NextCursor)
}

func driversPage(t *testing.T, _ string, resp *http.Response, body []byte) ([]item, string) {
	var page []struct {
		ID, Rating          json.Number
		Name, Plate, Status string
		UpdatedAt           string `json:"updated_at"`
	}
	decode(t, body, &page)
	var items []item
	for _, d := range page {
		at := parse(t, d.UpdatedAt)
		items = append(items, item{owners.Row{
			"id": d.ID.String(), "name": d.Name, "plate": d.Plate, "rating": d.Rating.String(),
			"status": d.Status, "updated_at": micros(at),
		}, at, d.Status == "deleted"})
	}
	for link := range strings.SplitSeq(resp.Header.Get("Link"), ", ") {
		if next, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
			return items, strings.TrimPrefix(next, "<")
		}
	}
	return items, ""
}

func passengersPage(t *testing.T, target string, _ *http.Response, body []byte) ([]item, string) {
	var page struct {
		Items []struct {
			ID       json.Number
			Name     string
			DriverID *json.Number `json:"driver_id"`
			Updated  int64
			Removed  bool
		}
		Total int
	}
	decode(t, body, &page)
	var items []item
	for _, p := range page.Items {
		at := time.UnixMilli(p.Updated)
		row := owners.Row{"id": p.ID.String(), "name": p.Name, "updated": micros(at)}
		if p.DriverID != nil {
			row["driver_id"] = p.DriverID.String()
		}
		items = append(items, item{row, at, p.Removed})
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	offset, _ := strconv.Atoi(u.Query().Get("offset")) // 0 where there is none
	offset += len(items)
	if offset >= page.Total {
		return items, ""
	}
	return items, with(t, target, "offset", strconv.Itoa(offset))
}

func productsPage(t *testing.T, _ string, _ *http.Response, body []byte) ([]item, string) {
	var page struct {
		Products []struct {
			SKU, Name    string
			Price, Stock json.Number
			Modified     string
			DeletedAt    *string `json:"deleted_at"`
		}
		Next *string
	}
	decode(t, body, &page)
	var items []item
	for _, p := range page.Products {
		at := parse(t, p.Modified)
		items = append(items, item{owners.Row{
			"sku": p.SKU, "name": p.Name, "price": p.Price.String(), "stock": p.Stock.String(),
			"modified": micros(at),
		}, at, p.DeletedAt != nil})
	}
	if page.Next == nil {
		return items, ""
	}
	return items, *page.Next
}

func decode(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
}

func parse(t *testing.T, stamp string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.999999Z", stamp)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func micros(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }

// cache is a consumer's copy: the newest version seen of every key.
type cache struct {
	feed   feed
	newest time.Time
	items  map[string]item
}

// poll walks the feed to its end from the newest stamp of the last poll and
// returns how many pages and items that took. between is called after every
// page.
func (c *cache) poll(t *testing.T, s *owners.Service, limit int, between func()) (pages, seen int) {
	t.Helper()
	high := c.newest
	for next := c.feed.first(c.newest, limit); next != ""; {
		resp, body := get(t, s, next)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s: %s", next, resp.Status, body)
		}
		var items []item
		items, next = c.feed.page(t, next, resp, body)
		if len(items) > limit {
			t.Fatalf("a page holds %d items, limit is %d", len(items), limit)
		}
		for _, it := range items {
			if it.stamp.After(high) {
				high = it.stamp
			}
			if old, ok := c.items[it.row[c.feed.key]]; !ok || !it.stamp.Before(old.stamp) {
				c.items[it.row[c.feed.key]] = it
			}
		}
		pages, seen = pages+1, seen+len(items)
		between()
	}
	c.newest = high
	return pages, seen
}

func newCache(f feed) *cache { return &cache{feed: f, items: map[string]item{}} }

// live are the rows of the copy by key.
func (c *cache) live() map[string]owners.Row {
	rows := map[string]owners.Row{}
	for key, it := range c.items {
		if !it.gone {
			rows[key] = it.row
		}
	}
	return rows
}

// byKey are the rows of the truth by key.
func byKey(t *testing.T, rows []owners.Row, columns ...string) map[string]owners.Row {
	t.Helper()
	out := map[string]owners.Row{}
	for _, row := range rows {
		var key []string
		for _, column := range columns {
			key = append(key, row[column])
		}
		out[strings.Join(key, " ")] = row
	}
	if len(out) != len(rows) || len(rows) == 0 {
		t.Fatalf("%d rows have %d keys", len(rows), len(out))
	}
	return out
}

func nothing() {}

// weather asks for the forecasts of all cities.
func weather(t *testing.T, s *owners.Service) map[string]owners.Row {
	t.Helper()
	rows := map[string]owners.Row{}
	for _, city := range owners.Cities() {
		var forecast struct {
			Hours []struct {
				Time              time.Time
				Temperature, Wind json.Number
			}
		}
		resp, body := get(t, s, forecastOf(city))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s", city.Name, resp.Status, body)
		}
		decode(t, body, &forecast)
		for _, h := range forecast.Hours {
			at := micros(h.Time)
			rows[city.Name+" "+at] = owners.Row{
				"city": city.Name, "time": at, "temperature": h.Temperature.String(), "wind": h.Wind.String(),
			}
		}
	}
	return rows
}

func forecastOf(city owners.City) string {
	return fmt.Sprintf("/v1/forecast?latitude=%s&longitude=%s", city.Latitude, city.Longitude)
}
