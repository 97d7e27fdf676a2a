package sources_test

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// The first request is told without sending it, and without what is secret.
func TestFirstRequest(t *testing.T) {
	client, err := sources.NewClient(sources.Owner{Name: "app", URL: "https://app.invalid/v1", Auth: auth.Bearer("Bearer", auth.Literal("hushhush")), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	hole := func(name string) sources.Template { return sources.Template{{Placeholder: name}} }
	src, err := sources.New(client, sources.Spec{
		Name: "users", Mode: sources.Delta,
		Request: sources.Request{Path: sources.Template{{Literal: "/changes"}}, Query: []sources.Param{
			{Name: "since", Values: []sources.Value{{Kind: sources.Text, Text: hole("since")}}},
			{Name: "key", Values: []sources.Value{{Kind: sources.Text, Text: sources.Template{{Literal: "hushhush"}}}}},
		}},
		Records:   sources.Records{Key: []string{"id"}},
		Watermark: sources.Watermark{Opaque: sources.Token, Place: "next"},
		Resync: sources.Resync{Known: true, Request: &sources.Request{Method: "POST", Path: sources.Template{{Literal: "/all"}},
			Body: &sources.Value{Kind: sources.Text, Text: sources.Template{{Literal: `{"all": true}`}}}}},
		Paths: []string{"id"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		walk syncer.Walk
		want sources.Asked
	}{
		{syncer.Walk{Kind: syncer.Changes, From: syncer.Position{Watermark: "a b"}}, sources.Asked{Method: "GET", URL: "https://app.invalid/v1/changes?since=a%20b&key=[secret]"}},
		{syncer.Walk{Kind: syncer.Resync}, sources.Asked{Method: "POST", URL: "https://app.invalid/v1/all", Body: `{"all": true}`}},
	} {
		if got, err := src.FirstRequest(x.walk); err != nil || got != x.want {
			t.Errorf("%s: %+v, %v; want %+v", x.walk.Kind, got, err, x.want)
		}
	}
}
