package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

// shop is a small config, of which a test changes one line.
const shop = `consumer.shop.database = "sqlite:shop.db"
owner.users.url = "https://users.internal"
[source.users]
request = { path = "/users", query = { since = "{since}" } }
records = { key = "id", deleted = "never" }
watermark = "updated_at"
[[table]]
source = "users"
budget = "15m"
columns = { id = "bigint" }
`

// changed loads the small config with pairs of texts replaced.
func changed(t *testing.T, oldnew ...string) *config.Config {
	t.Helper()
	text := shop
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("the config has no %q to replace", oldnew[i])
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	c, err := config.Parse("larder.toml", []byte(text), environ())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// The paging style follows from the placeholders and next, and with it confirm and conditional.
func TestPagingStyle(t *testing.T) {
	const query = `query = { since = "{since}" }`
	for _, x := range []struct {
		query, paging string
		style         config.PagingStyle
		confirm       int
	}{
		{``, ``, config.PagingNone, 1},
		{`, c = "{cursor}"`, `next = "next"`, config.PagingCursor, 1},
		{``, `next = "next"`, config.PagingNextURL, 2},
		{``, `by = "none"`, config.PagingNone, 1},
		{``, `by = "link"`, config.PagingLink, 2},
		{`, p = "{page}"`, ``, config.PagingPage, 2},
		{`, o = "{offset}"`, ``, config.PagingOffset, 2},
		{`, after = "{last.id}"`, ``, config.PagingKeyset, 1},
		{`, after = "{last.id}", n = "{size}"`, `size = 10`, config.PagingKeyset, 1},
	} {
		c := changed(t, query, strings.Replace(query, " }", x.query+" }", 1), "records", "paging = { "+x.paging+" }\nrecords")
		if got := c.Sources[0].Paging.By; got != x.style {
			t.Errorf("%s with %s: paging by %q, want %q", x.query, x.paging, got, x.style)
		}
		if got, want := c.Sources[0].Paging.Assumed, x.style == config.PagingNone && x.paging == ""; got != want {
			t.Errorf("%s with %s: paging is assumed %v, want %v", x.query, x.paging, got, want)
		}
		if got := c.Tables[0].Confirm; got != x.confirm {
			t.Errorf("paging by %q confirms %d times, want %d", x.style, got, x.confirm)
		}
		if got, want := c.Sources[0].Request.Conditional, x.style == config.PagingNone; got != want {
			t.Errorf("paging by %q: conditional %v, want %v", x.style, got, want)
		}
	}
}

// A body makes the request a POST, whose answers have no validators.
func TestMethod(t *testing.T) {
	c := changed(t, `path = "/users"`, `path = "/users", body = { all = true }`)
	if q := c.Sources[0].Request; q.Method != "POST" || q.ContentType != "application/json" || q.Conditional {
		t.Errorf("a body is sent by %s as %q, conditional %v", q.Method, q.ContentType, q.Conditional)
	}
}

// Two minutes, or one unit of a coarser format; integers and the type of an added version follow the format.
func TestWatermarkDefaults(t *testing.T) {
	for _, x := range []struct {
		watermark string
		overlap   time.Duration
		column    string
		as        string
	}{
		{`"updated_at"`, 2 * time.Minute, "timestamptz", ""},
		{`{ from = "updated_at", format = "unix" }`, 2 * time.Minute, "timestamptz", "unix"},
		{`{ from = "updated_at", format = "unix_ms" }`, 2 * time.Minute, "timestamptz", "unix_ms"},
		{`{ from = "updated_at", format = "date" }`, 24 * time.Hour, "date", ""},
		{`{ from = "updated_at", format = "2006-01-02 15:04", zone = "UTC" }`, 2 * time.Minute, "timestamptz", "2006-01-02 15:04"},
		{`{ from = "updated_at", format = "2006-01-02 15h -0700" }`, time.Hour, "timestamptz", "2006-01-02 15h -0700"},
		{`{ from = "updated_at", format = "2006-01-02T15:04:05Z07" }`, 2 * time.Minute, "timestamptz", "2006-01-02T15:04:05Z07"},
		{`{ from = "updated_at", format = "2006-01-02 MST", zone = "UTC" }`, 24 * time.Hour, "timestamptz", "2006-01-02 MST"},
		{`{ from = "updated_at", format = "02.01.2006", zone = "Europe/Berlin" }`, 24 * time.Hour, "timestamptz", "02.01.2006"},
		{`{ from = "updated_at", format = "integer", order = "ascending" }`, 0, "bigint", ""},
		{`{ from = "updated_at", format = "integer", overlap = 1000 }`, 0, "bigint", ""},
		{`{ from = "updated_at", overlap = "0s" }`, 0, "timestamptz", ""},
	} {
		c := changed(t, `"updated_at"`, x.watermark)
		if got := c.Sources[0].Watermark.Overlap; got != x.overlap {
			t.Errorf("%s: overlap %v, want %v", x.watermark, got, x.overlap)
		}
		version, _ := c.Tables[0].Column(c.Tables[0].Version)
		if version.Type.Name != x.column || version.As.String() != x.as {
			t.Errorf("%s: version is %s as %q, want %s as %q", x.watermark, version.Type, version.As, x.column, x.as)
		}
	}
	c := changed(t, `"updated_at"`, `{ from = "updated_at", format = "integer", overlap = 1000 }`)
	if got := c.Sources[0].Watermark.OverlapCount; got != 1000 {
		t.Errorf("overlap of integers is %d, want 1000", got)
	}
}

// A watermark that is no field of the record gives no version.
func TestWatermarkPlaces(t *testing.T) {
	for _, from := range []string{"start", "header:Date", "body:meta.now"} {
		c := changed(t, `"updated_at"`, `"`+from+`"`)
		w := c.Sources[0].Watermark
		if got := c.Tables[0]; got.Version != "" || len(w.Fields) != 0 {
			t.Errorf("from %q: version %q, fields %v", from, got.Version, w.Fields)
		}
		if w.Start != (from == "start") || w.Start == !w.Place.IsZero() {
			t.Errorf("from %q: start %v, place %q", from, w.Start, w.Place)
		}
	}
}

// What can be told from the rest may be left out: of several owners and consumers the one of the source's name.
func TestReferences(t *testing.T) {
	c := changed(t, "owner.users.url", "owner.drivers.url = \"https://drivers.internal\"\nowner.users.url",
		"consumer.shop.database", "consumer.users.database = \"sqlite:users.db\"\nconsumer.shop.database")
	if got := c.Sources[0].Owner.Name; got != "users" {
		t.Errorf("the source's owner is %q", got)
	}
	if got := c.Tables[0].Consumer.Name; got != "users" {
		t.Errorf("the table's consumer is %q", got)
	}
}

// [defaults] are merged key by key and deep; what is one of several kinds is replaced whole.
func TestInheritance(t *testing.T) {
	c := changed(t, `owner.users.url = "https://users.internal"`, `
[defaults.owner]
timeout = "10s"
rate = "5/s"
auth = { bearer = "a" }
retry = { attempts = 3, max = "5s" }
[defaults.source]
lag = "30s"
watermark = { overlap = "7m" }
records = { deleted = { field = "gone", equals = 1 } }
[defaults.table]
confirm = 4
budget = { warn = "3m" }
columns = { name = "text" }
[defaults.consumer]
bookkeeping = "books"
[owner.users]
url = "https://users.internal"
rate = "9/s"
auth = { header = { X-Key = "b" } }
retry = { max = "9s" }`)
	o, s, table := c.Owners[0], c.Sources[0], c.Tables[0]
	for _, x := range []struct {
		what      string
		got, want any
	}{
		{"timeout", o.Timeout, 10 * time.Second},
		{"rate", o.Rate.Count, 9},
		{"auth", o.Auth.Kind, config.AuthHeader},
		{"retry.attempts", o.Retry.Attempts, 3},
		{"retry.max", o.Retry.Max, 9 * time.Second},
		{"lag", s.Lag, 30 * time.Second},
		{"overlap", s.Watermark.Overlap, 7 * time.Minute},
		{"watermark.from", s.Watermark.Fields[0].Text, "updated_at"},
		{"deleted", s.Records.Deleted.Never, true},
		{"confirm", table.Confirm, 4},
		{"budget.warn", table.Budget.Warn, 3 * time.Minute},
		{"budget.critical", table.Budget.Critical, 15 * time.Minute},
		{"columns", len(table.Columns), 3},
		{"bookkeeping", c.Consumers[0].Bookkeeping, "books"},
	} {
		if x.got != x.want {
			t.Errorf("%s is %v, want %v", x.what, x.got, x.want)
		}
	}
}

// The home is in the folder that systemd made for the unit, else beside the config.
func TestHome(t *testing.T) {
	for _, x := range []struct {
		text, want string
		env        []string
	}{
		{"", "etc/larder.db", nil},
		{"", "etc/larder.db", []string{"STATE_DIRECTORY", ""}},
		{"", "/var/lib/larder/larder.db", []string{"STATE_DIRECTORY", "/var/lib/larder"}},
		{"", "/var/lib/a/larder.db", []string{"STATE_DIRECTORY", "/var/lib/a:/var/lib/b"}},
		{"larder.home = \"h.db\"\n", "etc/h.db", []string{"STATE_DIRECTORY", "/var/lib/larder"}},
		{"larder.home = \"sqlite:/h.db\"\n", "/h.db", nil},
	} {
		c, err := config.Parse("etc/larder.toml", []byte(x.text+shop), environ(x.env...))
		if err != nil {
			t.Fatal(err)
		}
		if c.Larder.Home != x.want {
			t.Errorf("%q with %v: home is %q, want %q", x.text, x.env, c.Larder.Home, x.want)
		}
	}
}
