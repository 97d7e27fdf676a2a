package config_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/larder-sync/larder/config"
)

// environ is an environment of fixed variables.
func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func load(t *testing.T, name string, pairs ...string) *config.Config {
	t.Helper()
	c, err := config.Load(filepath.Join("testdata", "good", name), environ(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var unexported = cmp.Options{
	cmpopts.IgnoreUnexported(config.Config{}, config.Source{}, config.Request{}, config.Alert{}),
	cmp.Comparer(func(a, b config.Template) bool {
		return a.String() == b.String() && cmp.Equal(a.Parts, b.Parts)
	}),
}

func field(name string) config.Path {
	return config.Path{Text: name, Segments: []config.Segment{{Name: name, Index: -1}}}
}

// The config of the README, and every default that it leaves to larder.
func TestElevenLines(t *testing.T) {
	got := load(t, "eleven.toml")

	consumer := &config.Consumer{
		Name: "shop", KeyPath: "consumer.shop", Bookkeeping: "larder", Connections: 4,
		Database: config.Database{File: "testdata/good/shop.db", Shown: "sqlite:testdata/good/shop.db"},
	}
	owner := elevenOwner()
	source := elevenSource(owner)
	want := &config.Config{
		File: filepath.Join("testdata", "good", "eleven.toml"),
		Larder: config.Larder{
			Name: "larder", Home: "testdata/good/larder.db", Timezone: "UTC", Concurrency: 32,
			History: 30 * 24 * time.Hour, Log: config.Log{Level: "info"}, Listen: "127.0.0.1:8420", StartupGrace: 10 * time.Minute,
		},
		Consumers: []*config.Consumer{consumer},
		Owners:    []*config.Owner{owner},
		Sources:   []*config.Source{source},
		Tables: []*config.Table{{
			KeyPath: "table[0]", Name: "users", Source: source, Consumer: consumer,
			Columns: []config.Column{
				{Name: "id", From: []config.Path{field("id")}, Type: config.ColumnType{Name: "bigint"}, NotNull: true},
				{Name: "name", From: []config.Path{field("name")}, Type: config.ColumnType{Name: "text"}},
				{Name: "email", From: []config.Path{field("email")}, Type: config.ColumnType{Name: "text"}},
				{Name: "updated_at", From: []config.Path{field("updated_at")}, Type: config.ColumnType{Name: "timestamptz"}, NotNull: true},
			},
			Key: []string{"id"}, Version: "updated_at",
			Budget:    config.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute},
			MaxDelete: config.MaxDelete{Share: 0.2, Floor: 10, Rows: config.NoRows},
			Confirm:   1, Misfit: config.MisfitQuarantine, Text: config.TextReject, Drift: config.DriftIgnore, OnDelete: config.OnDeleteDelete,
		}},
	}
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func elevenOwner() *config.Owner {
	return &config.Owner{
		Name: "users", KeyPath: "owner.users", URL: "https://users.internal/v1",
		Concurrency: 2, Timeout: 30 * time.Second, MaxBody: 64 << 20, MaxDepth: 512,
		Retry: config.Retry{
			Attempts: 5, Min: time.Second, Max: time.Minute,
			Status: []int{408, 425, 429, 500, 502, 503, 504},
		},
	}
}

func elevenSource(owner *config.Owner) *config.Source {
	return &config.Source{
		Name: "users", KeyPath: "source.users", Owner: owner, Enabled: true,
		Schedule: config.ScheduleAuto, Jitter: config.JitterAuto, Mode: config.Incremental, Expired: config.Expired{Status: []int{410}},
		Request: config.Request{
			Method: "GET", Path: template("/users"),
			Query: []config.Param{
				{Name: "updated_since", Values: []config.Value{{Kind: config.Text, Text: template("{since}")}}},
				{Name: "cursor", Values: []config.Value{{Kind: config.Text, Text: template("{cursor}")}}},
			},
		},
		Paging: config.Paging{
			By: config.PagingCursor, First: 1, MaxTime: 24 * time.Hour,
			Next: config.Place{Body: path("meta.next_cursor")},
		},
		Records: config.Records{
			At: field("data"), Format: config.JSON, Key: []config.Path{field("id")},
			Version: []config.Path{field("updated_at")},
			Deleted: config.Deleted{Field: field("deleted_at")},
		},
		Watermark: &config.Watermark{
			Fields: []config.Path{field("updated_at")}, Format: config.Format{Name: config.FormatRFC3339},
			Overlap: 2 * time.Minute, Order: config.OrderNone, Null: config.NullFail,
		},
	}
}
