package config_test

import (
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

// tokens loads the sources whose watermark is the owner's own word, by name.
func tokens(t *testing.T) map[string]*config.Source {
	all := map[string]*config.Source{}
	for _, s := range load(t, "tokens.toml").Sources {
		all[s.Name] = s
	}
	return all
}

func TestEveryKeyOfTokens(t *testing.T) {
	got := tokens(t)["calendar"]
	same(t, "mode", config.Delta, got.Mode)
	same(t, "retention", 7*24*time.Hour, got.Retention)
	same(t, "expired", config.Expired{
		Status: []int{410, 400, 200}, At: config.Place{Body: path("error.code")},
		Equals: []config.Scalar{{Kind: config.Text, Text: "EXPIRED"}},
	}, got.Expired)
	same(t, "watermark", &config.Watermark{
		Place: config.Place{Body: field("nextSyncToken")}, Opaque: config.Token,
		Order: config.OrderNone, Null: config.NullFail,
	}, got.Watermark)
	get := func(p, name, value string) *config.Request {
		return &config.Request{Method: "GET", Path: template(p), Query: []config.Param{{Name: name, Values: []config.Value{text(value)}}}}
	}
	same(t, "resync", &config.Resync{
		Request: get("/all", "cursor", "{cursor}"),
		Paging:  &config.Paging{By: config.PagingCursor, Next: config.Place{Body: path("meta.next")}, First: 1, MaxTime: 24 * time.Hour},
		Records: &config.Records{
			At: field("all"), Format: config.JSON, Key: []config.Path{field("id")},
			Deleted: config.Deleted{Field: field("trashed")}, Error: config.Place{Body: field("error")},
			Require: config.Test{At: config.Place{Body: field("ok")}, Equals: []config.Scalar{{Kind: config.Boolean, Text: "true"}}},
		},
		Watermark: &config.Watermark{
			Place: config.Place{Header: "X-Token"}, Opaque: config.Token, Order: config.OrderNone, Null: config.NullFail,
		},
		Before: get("/token", "for", "all"),
	}, got.Resync)
}

// What a config leaves out follows from the kind of the watermark.
func TestTokenDefaults(t *testing.T) {
	all := tokens(t)
	for _, x := range []struct {
		name   string
		mode   config.Mode
		style  config.PagingStyle
		opaque config.Opaque
	}{
		{"calendar", config.Delta, config.PagingCursor, config.Token},
		{"directory", config.Delta, config.PagingNextURL, config.URL},
		{"stock", config.EventLog, config.PagingSince, config.Token},
		{"news", config.EventLog, config.PagingPage, ""},
		{"documents", config.Delta, config.PagingSince, config.Token},
		{"charges", config.EventLog, config.PagingSince, config.Token},
	} {
		s := all[x.name]
		if s.Mode != x.mode || s.Paging.By != x.style || s.Watermark.Opaque != x.opaque || s.Watermark.Overlap != 0 {
			t.Errorf("%s is a %s by %q with a %q and overlap %v", x.name, s.Mode, s.Paging.By, s.Watermark.Opaque, s.Watermark.Overlap)
		}
		if x.name != "calendar" {
			same(t, "expired of "+x.name, config.Expired{Status: []int{410}}, s.Expired)
		}
	}
	same(t, "resync of directory", &config.Resync{Everything: true}, all["directory"].Resync)
	same(t, "position", field("id"), all["stock"].Watermark.Last)
	same(t, "position of the newest", &config.Watermark{
		First: field("id"), Format: config.Format{Name: config.FormatInteger}, Initial: "100",
		Order: config.OrderNone, Null: config.NullFail,
	}, all["news"].Watermark)
	state := all["stock"].Resync
	if state.Paging.By != config.PagingKeyset || state.Watermark.Place.String() != "last" || !state.Watermark.Last.IsZero() || state.Records != nil {
		t.Errorf("the list of a log is asked by %q, and goes on from %q, %q", state.Paging.By, state.Watermark.Place, state.Watermark.Last)
	}
}

// A token says nothing of which record is newer: a table has the version that is named, or none.
func TestTokenVersion(t *testing.T) {
	want := map[string]string{"calendar": "", "directory": "rev", "stock": "", "news": ""}
	for _, table := range load(t, "tokens.toml").Tables {
		if table.Version != want[table.Name] {
			t.Errorf("%s has the version %q, want %q", table.Name, table.Version, want[table.Name])
		}
	}
}

// A field may be called like one of our words.
func TestWatermarkFieldsCalledLikeWords(t *testing.T) {
	for _, name := range []string{"last", "first", "token", "url"} {
		w := changed(t, `"updated_at"`, `"`+name+`"`).Sources[0].Watermark
		if !slices.EqualFunc(w.Fields, []config.Path{field(name)}, config.Path.Equal) || w.Opaque != "" {
			t.Errorf("watermark = %q is read as %+v", name, w)
		}
	}
}

// A log in one answer has no pages to ask for, and one that says how it is paged is asked so.
func TestLogPaging(t *testing.T) {
	for _, x := range []struct {
		records, paging string
		style           config.PagingStyle
	}{
		{``, ``, config.PagingSince},
		{`, format = "ndjson"`, ``, config.PagingNone},
		{``, `by = "none"`, config.PagingNone},
		{``, `next = "next"`, config.PagingNextURL},
		{``, `by = "link"`, config.PagingLink},
	} {
		c := changed(t, `"updated_at"`, `"last:seq"`, `"never"`, `"never"`+x.records, "records", "paging = { "+x.paging+" }\nrecords")
		if s := c.Sources[0]; s.Paging.By != x.style || c.Tables[0].Confirm > 1 && x.style == config.PagingSince {
			t.Errorf("records %q, paging %q: by %q, want %q", x.records, x.paging, s.Paging.By, x.style)
		}
	}
}
