package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

func everyKey(t *testing.T) *config.Config {
	return load(t, "every-key.toml",
		"APP_DATABASE", "postgres://app:canary-dsn@db:5432/app?sslmode=disable&password=canary-too",
		"TOKEN", "canary-{token}")
}

func secrets(values ...string) (all []config.Credential) {
	for i := 0; i < len(values); i += 2 {
		all = append(all, config.Credential{Name: values[i], Value: config.NewSecret(values[i+1])})
	}
	return all
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEveryKeyOfLarderConsumerOwner(t *testing.T) {
	c := everyKey(t)
	same(t, "larder", config.Larder{
		Name: "larder of the shop", Home: "testdata/good/state/history.db", Timezone: "Europe/Berlin", Concurrency: 8,
		History: 12 * time.Hour, Log: config.Log{Format: "json", Level: "debug"},
		Listen: "[::]:9000", ListenSaid: true, ReadToken: config.NewSecret("canary-{reading}"),
		Heartbeat: &config.Heartbeat{URL: config.NewSecret("https://hc.example.com/canary-{token}"), Every: 30 * time.Second, When: config.HeartbeatAllFresh},
	}, c.Larder)
	same(t, "consumers", []*config.Consumer{
		{
			Name: "app", KeyPath: "consumer.app", Bookkeeping: "copies", Connections: 9,
			Database: config.Database{
				Postgres: config.NewSecret("postgres://app:canary-dsn@db:5432/app?sslmode=disable&password=canary-too"),
				Shown:    "postgres://db:5432/app",
			},
		},
		{
			Name: "trip", KeyPath: "consumer.trip", Bookkeeping: "larder", Connections: 4,
			Database: config.Database{File: "/var/lib/trip.db", Shown: "sqlite:/var/lib/trip.db"},
		},
	}, c.Consumers)
	same(t, "owner users", &config.Owner{
		Name: "users", KeyPath: "owner.users", URL: "https://users.internal/v1",
		Auth:    config.Auth{Kind: config.AuthBearer, Scheme: "Token", Bearer: config.NewSecret("canary-{token}")},
		Headers: secrets("User-Agent", "app", "X-Key", "canary-file"),
		Rate:    config.Rate{Count: 600, Per: time.Minute}, Burst: 3, Concurrency: 4, Timeout: 90 * time.Second,
		Retry:   config.Retry{Attempts: 2, Min: 500 * time.Millisecond, Max: 2 * time.Hour, Status: []int{503}},
		MaxBody: 16 << 20, MaxDepth: 20,
	}, c.Owners[0])
	same(t, "rate", 10.0, c.Owners[0].Rate.PerSecond())
	same(t, "basic", config.Auth{
		Kind: config.AuthBasic, User: config.NewSecret("me"), Password: config.NewSecret("canary-{token}"),
	}, c.Owners[1].Auth)
}

func text(s string) config.Value { return config.Value{Kind: config.Text, Text: template(s)} }

func scalar(kind config.Kind, s string) config.Value { return config.Value{Kind: kind, Scalar: s} }

func TestEveryKeyOfRequest(t *testing.T) {
	got := everyKey(t).Sources[0].Request
	headers := got.Headers
	got.Headers = nil
	same(t, "request", config.Request{
		Method: "POST", Path: template("/search/{{all}}"), ContentType: "application/json",
		Query: []config.Param{
			{Name: "tags", Values: []config.Value{text("a"), text("b")}},
			{Name: "limit", Values: []config.Value{text("{size}")}},
			{Name: "filter", Values: []config.Value{{Kind: config.Object, Members: []config.Member{
				{Name: "state", Value: text("all")},
				{Name: "ids", Value: config.Value{Kind: config.List, Items: []config.Value{
					scalar(config.Number, "1"), scalar(config.Number, "2.5"), scalar(config.Boolean, "true"),
				}}},
			}}}},
		},
		Body: &config.Value{Kind: config.Object, Members: []config.Member{
			{Name: "jql", Value: text("updated >= {since} ORDER BY updated")},
			{Name: "after", Value: text("{cursor}")},
			{Name: "flags", Value: config.Value{Kind: config.Object, Members: []config.Member{
				{Name: "deep", Value: scalar(config.Boolean, "true")},
				{Name: "max", Value: scalar(config.Number, "16")},
			}}},
			{Name: "fields", Value: config.Value{Kind: config.List, Items: []config.Value{text("id"), text("{now}")}}},
		}},
	}, got)
	if v, ok := got.Path.Literal(); v != "/search/{all}" || !ok {
		t.Errorf("path is %q, %v", v, ok)
	}
	if len(headers) != 2 || headers[0].Name != "X-Region" || headers[1].Name != "X-Secret" {
		t.Fatalf("headers are %v", headers)
	}
	if v, ok := headers[1].Value.Literal(); v != "canary-{token}" || !ok {
		t.Errorf("a value of the environment is %q, %v: its braces are literal", v, ok)
	}
	if got.Conditional {
		t.Error("a paged walk is conditional")
	}
}

func TestEveryKeyOfSource(t *testing.T) {
	got := *everyKey(t).Sources[0]
	changed := []config.Path{field("changed"), field("created")}
	same(t, "paging", config.Paging{
		By: config.PagingCursor, Next: config.Place{Header: "X-Next"}, First: 1, Size: 50,
		More: config.Test{At: config.Place{Body: field("end")}, Equals: []config.Scalar{
			{Kind: config.Boolean, Text: "false"}, {Kind: config.Text, Text: "no"}, {Kind: config.Number, Text: "0"},
		}},
		Total: config.Place{Body: path("meta.total")}, ShortPage: true, MaxPages: 1000, MaxTime: 30 * time.Minute,
	}, got.Paging)
	same(t, "records", config.Records{
		At: config.Path{Text: `data."odd.name".0`, Segments: []config.Segment{
			{Name: "data", Index: -1}, {Name: "odd.name", Index: -1}, {Name: "0", Index: 0},
		}},
		Format: config.JSON, Key: []config.Path{field("org"), field("id")}, Version: changed,
		Deleted: config.Deleted{Field: field("status"), Equals: []config.Scalar{{Kind: config.Text, Text: "gone"}}},
		Error:   config.Place{Body: field("error")},
		Require: config.Test{At: config.Place{Body: field("ok")}, Equals: []config.Scalar{{Kind: config.Boolean, Text: "true"}}},
	}, got.Records)
	same(t, "watermark", &config.Watermark{
		Fields: changed, Format: config.Format{Name: config.FormatLayout, Layout: "2006-01-02 15:04", Zone: "UTC"},
		Overlap: 10 * time.Minute, Initial: "2020-01-01 00:00", Order: config.OrderDescending, Null: config.NullInclude,
	}, got.Watermark)
	got.Paging, got.Records, got.Watermark, got.Request, got.Owner = config.Paging{}, config.Records{}, nil, config.Request{}, nil
	same(t, "the rest", config.Source{
		Name: "users", KeyPath: "source.users", Schedule: "CRON_TZ=UTC */5 * * * *", Mode: config.Incremental,
		Jitter: 2 * time.Second, Lag: time.Minute, Expired: config.Expired{Status: []int{410}},
	}, got)
	same(t, "partitions", []config.Partition{
		{{Name: "city", Value: config.Scalar{Kind: config.Text, Text: "Berlin"}}, {Name: "lat", Value: config.Scalar{Kind: config.Number, Text: "52.52"}}},
		{{Name: "city", Value: config.Scalar{Kind: config.Text, Text: "Lisbon"}}, {Name: "lat", Value: config.Scalar{Kind: config.Number, Text: "-9.14"}}},
	}, everyKey(t).Sources[1].Each)
}

func TestEveryKeyOfTable(t *testing.T) {
	c := everyKey(t)
	if len(c.Tables) != 3 {
		t.Fatalf("%d tables, want one a consumer: 3", len(c.Tables))
	}
	for i, consumer := range c.Consumers {
		got := *c.Tables[i]
		if got.Consumer != consumer || got.Source != c.Sources[0] {
			t.Errorf("table %d is of %q from %q", i, got.Consumer.Name, got.Source.Name)
		}
		got.Consumer, got.Source = nil, nil
		minutes := config.Format{Name: config.FormatLayout, Layout: "2006-01-02 15:04", Zone: "UTC"}
		same(t, "people", config.Table{
			KeyPath: "table[0]", Name: "people", Key: []string{"org", "id"}, Version: "changed",
			Columns: []config.Column{
				{Name: "id", From: []config.Path{field("id")}, Type: config.ColumnType{Name: "bigint"}, NotNull: true},
				{Name: "org", From: []config.Path{field("org")}, Type: config.ColumnType{Name: "text"}, NotNull: true},
				{Name: "changed", From: []config.Path{field("changed"), field("created")}, Type: config.ColumnType{Name: "timestamptz"}, As: minutes},
			},
			Budget: config.Budget{
				Critical: time.Hour, Grace: config.Grace{Warn: 4 * time.Minute, Critical: 20 * time.Minute}, Hold: 2 * time.Minute,
			},
			MaxDelete: config.MaxDelete{Share: 0.025, Floor: 3, Rows: 100, All: true},
			Confirm:   3, Misfit: config.MisfitFail, Text: config.TextReplace, Drift: config.DriftAdd, OnDelete: config.OnDeleteDelete,
		}, got)
	}
	weather := c.Tables[2]
	if schema, name := weather.Ident(); schema != "public" || name != "weather" {
		t.Errorf("the weather's table is %q in %q", name, schema)
	}
	if weather.Notify != "Weather" || weather.Newest != 0 || weather.OnDelete != config.OnDeleteDelete {
		t.Errorf("the weather's table notifies %q, warns after %v, on_delete %q", weather.Notify, weather.Newest, weather.OnDelete)
	}
	if weather.Confirm != 1 || weather.Version != "" {
		t.Errorf("a snapshot of one page confirms %d times, by version %q", weather.Confirm, weather.Version)
	}
	zero := config.Scalar{Kind: config.Number, Text: "0"}
	same(t, "columns", []config.Column{
		{Name: "hour", From: []config.Path{field("hour")}, Type: config.ColumnType{Name: "timestamptz"}, NotNull: true, As: config.Format{Name: config.FormatUnix}},
		{Name: "seen", From: []config.Path{field("seen"), field("time")}, Type: config.ColumnType{Name: "date"}},
		{Name: "price", From: []config.Path{field("price")}, Type: config.ColumnType{Name: "numeric", Precision: 12, Scale: 2}, Default: &zero},
		{Name: "tag", From: []config.Path{field("tag")}, Type: config.ColumnType{Name: "text"}, NotNull: true},
		{Name: "a.b", From: []config.Path{{Text: `"a.b"`, Segments: []config.Segment{{Name: "a.b", Index: -1}}}}, Type: config.ColumnType{Name: "json"}, Inner: true},
		{Name: "city", From: []config.Path{path("each.city")}, Type: config.ColumnType{Name: "text"}, NotNull: true},
	}, weather.Columns)
}
