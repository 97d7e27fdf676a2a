package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

// audits loads the sources that are compared with their owner, by name.
func audits(t *testing.T) (*config.Config, map[string]*config.Source) {
	c := load(t, "audits.toml", "TOKEN", "canary-{token}")
	all := map[string]*config.Source{}
	for _, s := range c.Sources {
		all[s.Name] = s
	}
	return c, all
}

func get(p string, query ...string) config.Request {
	q := config.Request{Method: "GET", Path: template(p)}
	for i := 0; i < len(query); i += 2 {
		q.Query = append(q.Query, config.Param{Name: query[i], Values: []config.Value{text(query[i+1])}})
	}
	return q
}

func event(name string) config.Path {
	p, err := config.ParseField("event:" + name)
	if err != nil {
		panic(err)
	}
	return p
}

func TestEveryKeyOfOAuth2(t *testing.T) {
	c, _ := audits(t)
	same(t, "auth", config.Auth{Kind: config.AuthOAuth2, OAuth2: &config.OAuth2{
		TokenURL: "http://127.0.0.1:8080/token", ClientID: config.NewSecret("me"),
		ClientSecret: config.NewSecret("canary-{token}"), RefreshToken: config.NewSecret("canary-file"),
		Scopes: []string{"read", "https://app.internal/.default"}, Params: secrets("audience", "canary-{token}"),
	}}, c.Owners[0].Auth)
}

func TestEveryKeyOfAudits(t *testing.T) {
	c, all := audits(t)
	cities := all["cities"]
	same(t, "audit", &config.Audit{Schedule: "@weekly", Compare: config.CompareSample, Share: 0.025}, cities.Audit)
	epoch := get("/epoch")
	same(t, "epoch", &config.Epoch{Request: &epoch, At: config.Place{Header: "X-Epoch"}, Falling: true}, cities.Epoch)
	same(t, "each", &config.EachQuery{SQL: "select id, lat from cities", Consumer: c.Consumers[0]}, cities.EachQuery)
	same(t, "each.concurrency", 3, cities.EachConcurrency)
	same(t, "records", config.Records{
		At: field("data"), As: config.AsMap, Format: config.JSON, Unwrap: field("object"),
		Key: []config.Path{path("each.id"), event("key")}, Version: []config.Path{event("rev")},
		Deleted: config.Deleted{List: &config.DeletedList{At: path("removed.list"), Key: field("id")}},
	}, cities.Records)
	w := config.Watermark{
		Fields: []config.Path{event("changed")}, Format: config.Format{Name: config.FormatRFC3339}, Overlap: 2 * time.Minute,
		Initial: "2020-01-01T00:00:00Z", Order: config.OrderNone, Null: config.NullFail,
		Ask:    config.Format{Name: config.FormatLayout, Layout: "2006-01-02 15:04", Zone: "Europe/Berlin"},
		Settle: 90 * time.Second, Window: 7 * 24 * time.Hour, Slices: 4,
	}
	same(t, "watermark", &w, cities.Watermark)
	w.Fields, w.Start, w.Settle, w.Window, w.Slices = nil, true, 0, 0, 0
	same(t, "watermark of the resync", &w, cities.Resync.Watermark)
	same(t, "records of the resync", &config.Records{
		At: field("all"), AbsentEmpty: true, Format: config.JSON, Unwrap: field("object"),
		Require: config.Test{At: config.Place{Body: field("ok")}, Equals: []config.Scalar{{Kind: config.Boolean, Text: "true"}}}, Key: cities.Records.Key, Version: cities.Records.Version,
	}, cities.Resync.Records)
}

func TestEveryKeyOfHydrate(t *testing.T) {
	_, all := audits(t)
	items, orders := all["items"], all["orders"]
	same(t, "records", config.Records{
		At: field("ids"), As: config.AsValue, Format: config.JSON, Key: []config.Path{field("id")}, Version: []config.Path{field("seq")},
		Hydrate: &config.Hydrate{
			Request: config.Request{
				Method: "POST", Path: template("/lookup"), ContentType: "application/json",
				Body: &config.Value{Kind: config.Object, Members: []config.Member{{Name: "ids", Value: text("{keys}")}}},
			},
			Batch: 50, Join: "|", At: field("rows"), Deleted: field("gone"), MissingDeleted: true,
		},
	}, items.Records)
	same(t, "audit", &config.Audit{Schedule: "@daily", Compare: config.CompareAll, Repair: true}, items.Audit)
	same(t, "epoch", &config.Epoch{Contiguous: true}, items.Epoch)
	same(t, "epoch of orders", &config.Epoch{At: config.Place{Body: path("meta.epoch")}}, orders.Epoch)
	same(t, "records of orders", config.Records{
		Format: config.JSON, Key: []config.Path{field("id")}, Version: []config.Path{field("at")},
		Deleted: config.Deleted{Ask: &config.DeletedAsk{
			Request: get("/gone", "since", "{since}", "until", "{until}", "shop", "{each.shop}"),
			At:      field("list"), Key: path("order.id"), From: config.Place{Body: field("covered")}, Earliest: config.Place{Header: "X-Earliest"},
		}},
		Hydrate: &config.Hydrate{Request: get("/orders/{record.id}"), Batch: 1, Join: ","},
	}, orders.Records)
}

// Slices and partitions are walked as the owner takes requests, and one zone is that of both layouts.
func TestAuditDefaults(t *testing.T) {
	_, all := audits(t)
	w := all["orders"].Watermark
	if w.Slices != 6 || all["orders"].EachConcurrency != 6 || all["items"].EachConcurrency != 0 {
		t.Errorf("%d slices, %d and %d partitions at one time", w.Slices, all["orders"].EachConcurrency, all["items"].EachConcurrency)
	}
	same(t, "ask", config.Format{Name: config.FormatLayout, Layout: "02.01.2006 15:04", Zone: "UTC"}, w.Ask)
	same(t, "format", config.Format{Name: config.FormatLayout, Layout: "2006-01-02 15:04", Zone: "UTC"}, w.Format)
	c := changed(t, `, deleted = "never"`, ``, "watermark", "audit = { schedule = \"@hourly\", compare = \"keys\" }\nwatermark")
	same(t, "audit", &config.Audit{Schedule: "@hourly", Compare: config.CompareKeys, Repair: true}, c.Sources[0].Audit)
	if !c.Tables[0].DeletesByAudit() {
		t.Error("nothing but the audit sees a deletion, and the table does not say so")
	}
	c = changed(t, `deleted = "never"`, `deleted = "never", hydrate = { request = { path = "/all/{keys}" } }`)
	if got := c.Sources[0].Records.Hydrate.Batch; got != 100 {
		t.Errorf("%d keys are asked for at once", got)
	}
	if c.Sources[0].Request.Conditional {
		t.Error("a list of keys is asked conditionally, though records change without it")
	}
	c = changed(t, `"never"`, `{ request = { path = "/gone" }, at = "ids" }`)
	if got := c.Sources[0]; got.Request.Conditional || all["cities"].Request.Conditional {
		t.Error("one of several requests is conditional")
	}
	c = changed(t, "watermark", "audit = { schedule = \"@hourly\", compare = \"sample\" }\nwatermark")
	same(t, "sample", &config.Audit{Schedule: "@hourly", Compare: config.CompareSample, Repair: true, Share: 0.1}, c.Sources[0].Audit)
}

func TestEveryKeyOfAuditedTables(t *testing.T) {
	c, _ := audits(t)
	cities, items, orders := c.Tables[0], c.Tables[1], c.Tables[2]
	if cities.Where != `population > 1000 and country != "XX"` || cities.OnDelete != config.OnDeleteKeep {
		t.Errorf("where %q, on_delete %q", cities.Where, cities.OnDelete)
	}
	if orders.OnDelete != config.OnDeleteMark || orders.Newest != 2*time.Hour {
		t.Errorf("on_delete %q, newest %s", orders.OnDelete, orders.Newest)
	}
	if fields, as := orders.Dated(); len(fields) != 1 || fields[0].Text != "at" || as != orders.Source.Watermark.Format {
		t.Errorf("orders are dated by %v in %v", fields, as)
	}
	if fields, _ := items.Dated(); len(fields) != 0 {
		t.Errorf("items are dated by %v", fields)
	}
	same(t, "budget", config.Budget{Critical: time.Hour, Deletes: 48 * time.Hour}, items.Budget)
	for table, want := range map[*config.Table]bool{cities: false, items: true, orders: false} {
		if got := table.DeletesByAudit(); got != want {
			t.Errorf("%s: deletions are seen by audits alone: %v, want %v", table.Name, got, want)
		}
	}
}

// A list of everything is asked in one go, up to its end, whatever bounds the polls for changes.
func TestResyncIsUnbounded(t *testing.T) {
	bounded := []string{`{since}"`, `{since}", until = "{until}"`, `"updated_at"`,
		`{ from = "updated_at", settle = "1m", window = "1d", initial = "2024-01-01T00:00:00Z" }` + "\nresync = RESYNC"}
	for _, resync := range []string{
		`{ request = { path = "/all" } }`,
		`{ request = { path = "/all" }, watermark = { from = "body:now", format = "rfc3339" } }`,
	} {
		s := changed(t, append(bounded, "RESYNC", resync)...).Sources[0]
		if w := s.Resync.Watermark; w == nil || w.Settle != 0 || w.Window != 0 || w.Slices != 0 || w.Overlap != s.Watermark.Overlap {
			t.Errorf("%s: watermark %+v", resync, w)
		}
		if s.Watermark.Settle == 0 || s.Watermark.Window == 0 {
			t.Errorf("%s unbounds the polls for changes", resync)
		}
	}
	s := changed(t, `"updated_at"`, `"updated_at"`+"\nresync = { request = { path = \"/all\" }, records = { hydrate = { request = { path = \"/{record.id}\" } } } }").Sources[0]
	if s.Resync.Watermark != nil || s.Resync.Records.Hydrate.Batch != 1 || s.Records.Hydrate != nil {
		t.Errorf("a list of ids is hydrated by %+v, with the watermark %+v", s.Resync.Records.Hydrate, s.Resync.Watermark)
	}
}

// A format may be said again in a resync, that of a token too.
func TestResyncSaysTheFormatAgain(t *testing.T) {
	for _, x := range []struct {
		format string
		good   bool
	}{{"token", true}, {"url", false}, {"unix", false}} {
		text := strings.NewReplacer(`"updated_at"`, `{ from = "body:next", format = "token" }`+
			"\nresync = { request = { path = \"/all\" }, watermark = { from = \"body:token\", format = \""+x.format+"\" } }").Replace(shop)
		_, err := config.Parse("larder.toml", []byte(text), environ())
		if (err == nil) != x.good || err != nil && !strings.Contains(err.Error(), `write "token"`) {
			t.Errorf("format %q: %v", x.format, err)
		}
	}
}

// A record that carries only what changed follows the ones before it: its slices are walked one after the other.
func TestPartialRecordsAreWalkedInTurn(t *testing.T) {
	const slices = `{ from = "updated_at", window = "1d", initial = "2024-01-01T00:00:00Z" }`
	for records, want := range map[string]int{``: 2, `, partial = true`: 1} {
		s := changed(t, `{since}"`, `{since}", until = "{until}"`, `"updated_at"`, slices, `"never"`, `"never"`+records).Sources[0]
		if s.Watermark.Slices != want || s.Records.Partial != (records != "") {
			t.Errorf("with %q: partial %v, %d slices at one time, want %d", records, s.Records.Partial, s.Watermark.Slices, want)
		}
	}
}

// The shorthand of an audit is merged with what all sources share.
func TestAuditInherits(t *testing.T) {
	c := changed(t, "[source.users]", "[defaults.source]\naudit = { compare = \"keys\", repair = false }\nepoch = { falling = true }\n[source.users]",
		"watermark", "audit = \"@daily\"\nepoch = \"epoch\"\nwatermark")
	same(t, "audit", &config.Audit{Schedule: "@daily", Compare: config.CompareKeys}, c.Sources[0].Audit)
	same(t, "epoch", &config.Epoch{At: config.Place{Body: field("epoch")}, Falling: true}, c.Sources[0].Epoch)
}

// What all sources share, one can go without: a snapshot compares everything anyway.
func TestAuditCanBeUndone(t *testing.T) {
	for _, x := range []struct{ source, want string }{
		{"request", ""},
		{"audit = false\nrequest", "none"},
		{"audit = { schedule = false, compare = \"keys\" }\nrequest", "none"},
	} {
		text := []string{"[source.users]\nrequest", "[defaults.source]\naudit = \"@daily\"\n[source.users]\n" + x.source}
		if got := changed(t, text...).Sources[0].Audit; (got == nil) != (x.want == "none") {
			t.Errorf("%q: audit %+v", x.source, got)
		}
	}
	c := changed(t, "[source.users]\nrequest", "[defaults.source]\naudit = \"@daily\"\n[source.users]\nmode = \"snapshot\"\naudit = false\nrequest",
		`since = "{since}"`, `all = 1`, `, deleted = "never"`, ``, "watermark = \"updated_at\"\n", ``)
	if c.Sources[0].Audit != nil || c.Sources[0].Mode != config.Snapshot {
		t.Errorf("a snapshot with audit = false is compared by %+v", c.Sources[0].Audit)
	}
}

// The example of each kind of feed loads, as the mode that it is.
func TestExamplesLoad(t *testing.T) {
	env := func(string) (string, bool) { return "example", true }
	for name, mode := range map[string]config.Mode{
		"users": config.Incremental, "stripe-events": config.Incremental, "salesforce-accounts": config.Incremental, "github-issues": config.Incremental,
		"github-graphql": config.Incremental, "jira-issues": config.Incremental,
		"weather": config.Snapshot, "open-meteo": config.Snapshot, "http-feeds": config.EventLog,
		"graph-users": config.Delta, "google-calendar": config.Delta, "zendesk-tickets": config.Delta,
	} {
		c, err := config.Load(filepath.Join("..", "deploy", "examples", name+".toml"), env)
		if err != nil {
			t.Error(err)
			continue
		}
		checkWhole(t, c)
		if got := c.Sources[0].Mode; got != mode {
			t.Errorf("%s is a %s, want %s", name, got, mode)
		}
	}
}
