package sourcetest_test

import (
	"net/http"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

func clockScripts(base time.Time) map[string]func() script {
	hour := time.Hour
	nodes := func(all ...sourcetest.Node) *owner { return &owner{Clock: sourcetest.Clock{Nodes: all}} }
	return map[string]func() script{
		"skew": func() script {
			return script{owner: &owner{Clock: sourcetest.Clock{Skew: -2 * hour}}, asks: []any{""}, want: "",
				shows: []string{time.Now().Add(-2 * hour).UTC().Format("02 Jan 2006")}, hits: []string{"clock skew"}}
		},
		"no Date": func() script {
			return script{owner: &owner{Clock: sourcetest.Clock{NoDate: true}}, asks: []any{""}, want: "1 2 3 4 5", hits: []string{"no Date"}}
		},
		"node clocks": func() script {
			return script{owner: nodes(sourcetest.Node{Skew: 900 * 24 * hour}),
				asks: []any{""}, want: "1 2 3 4 5", shows: []string{time.Now().Add(900 * 24 * hour).UTC().Format("Jan 2006")}, hits: []string{"node clock"}}
		},
		"lag that grows and shrinks": func() script {
			return script{owner: nodes(sourcetest.Node{}, sourcetest.Node{Lag: 3570 * time.Second}), fill: also(change{ID: 6}, change{ID: 7}),
				asks: []any{"", "", ""}, want: "1 2 3 4 5 6 7 | 1 2 3 4 5 | 1 2 3 4 5 6 7",
				hits: []string{"replica lag", "lag grows between requests", "lag shrinks between requests"}}
		},
		"a slow answer": func() script {
			return script{owner: &owner{Clock: sourcetest.Clock{Takes: time.Millisecond}}, asks: []any{""}, want: "1 2 3 4 5", hits: []string{"slow answer"}}
		},
		"not modified": func() script {
			return script{owner: &owner{Cache: sourcetest.Cache{ETags: true}},
				asks: []any{"", "same", func(o *owner) { put(o, base.Add(time.Minute), "", 1) }, "same"}, want: "1 2 3 4 5 | 304 | 2 3 4 5", hits: []string{"not modified"}}
		},
		"a shared cache": func() script {
			return script{owner: &owner{Cache: sourcetest.Cache{Shared: []time.Duration{3570 * time.Second, 0}}}, fill: also(change{ID: 6}, change{ID: 7}),
				asks: []any{"", "", ""}, want: "1 2 3 4 5 | 1 2 3 4 5 6 7 | 1 2 3 4 5", shows: []string{"Age:[3570]"}, hits: []string{"answer from a cache"}}
		},
		"a shared cache that obeys": func() script {
			return script{owner: &owner{Cache: sourcetest.Cache{Shared: []time.Duration{2 * hour}, Obeys: true}},
				asks: []any{"", "fresh"}, want: " | 1 2 3 4 5", hits: []string{"cache passed by"}}
		},
	}
}

func memoryScripts(base time.Time) map[string]func() script {
	quota := func(tell sourcetest.Tell, shows string) func() script {
		return func() script {
			return script{owner: &owner{Quota: sourcetest.Quota{Requests: 1, Every: time.Hour, Tell: tell, Counts: true}},
				asks: []any{"", ""}, want: "1 2 3 4 5 | 429",
				shows: []string{shows, "X-Ratelimit-Remaining:[0]", "X-Ratelimit-Reset:[3"}, hits: []string{"quota spent", "quota told"}}
		}
	}
	cursors := func(m sourcetest.Memory) *owner {
		return &owner{Style: sourcetest.Cursor, PageSize: 3, Memory: m}
	}
	return map[string]func() script{
		"quota in seconds":  quota(sourcetest.TellSeconds, "Retry-After:[3"),
		"quota by a date":   quota(sourcetest.TellDate, "GMT] X-"),
		"quota that is mad": quota(sourcetest.TellAbsurd, "Retry-After:[315360000]"),
		"quota in silence":  quota(sourcetest.TellNothing, "Date:"),
		"a cursor that is forgotten": func() script {
			return script{owner: cursors(sourcetest.Memory{Cursors: 1}), asks: []any{"", "next"}, want: "1 2 3 | 410", hits: []string{"cursor expired"}}
		},
		"a refusal of its own": func() script {
			return script{owner: cursors(sourcetest.Memory{Cursors: 1, Refusal: &sourcetest.Fault{Status: 400, Body: `{"error":"syncStateNotFound"}`}}),
				asks: []any{"", "next"}, want: "1 2 3 | 400", shows: []string{"syncStateNotFound"}, hits: []string{"cursor expired"}}
		},
		"a token that is forgotten": func() script {
			return script{owner: &owner{Style: sourcetest.Delta, Memory: sourcetest.Memory{Tokens: 1}},
				asks: []any{"", "token"}, want: "1 2 3 4 5 | 410", hits: []string{"token expired"}}
		},
		"a token of before a restore": func() script {
			return script{owner: &owner{Style: sourcetest.Delta},
				asks: []any{"", func(o *owner) { o.Restore(base) }, "token"}, want: "1 2 3 4 5 | 410", hits: []string{"token expired"}}
		},
		"a token of before a restore that passes": func() script {
			restore := func(o *owner) {
				o.Restore(base)
				put(o, base.Add(time.Minute), "again", 7)
			}
			return script{owner: &owner{Style: sourcetest.Delta, Sequence: sourcetest.Sequence{Blind: true}},
				asks: []any{"", restore, "token"}, want: "1 2 3 4 5 | "}
		},
		"all tokens expire": func() script {
			return script{owner: cursors(sourcetest.Memory{}), asks: []any{"", (*owner).Expire, "next"}, want: "1 2 3 | 410", hits: []string{"cursor expired"}}
		},
		"a token that is none": func() script {
			return script{owner: cursors(sourcetest.Memory{}), asks: []any{"?cursor=x"}, want: "400", hits: []string{"token refused"}}
		},
	}
}

func shapeScripts() map[string]func() script {
	shape := func(f *sourcetest.Fault, want, shows string) func() script {
		return func() script {
			return script{owner: fault(&owner{Style: sourcetest.Cursor, PageSize: 4}, f),
				asks: []any{""}, want: want, shows: []string{shows}, hits: []string{f.Knob}}
		}
	}
	return map[string]func() script{
		"login page":           shape(sourcetest.HTML("text/html"), "?", "Please log in"),
		"login page as JSON":   shape(sourcetest.HTML("application/json"), "?", "Content-Type:[application/json]"),
		"error body":           shape(sourcetest.ErrorBody(), "", `{"error":`),
		"GraphQL errors":       shape(sourcetest.GraphQLErrors(), "", `{"data":null,"errors":[`),
		"ok false":             shape(sourcetest.NotOK(), "", `{"ok":false`),
		"null list":            shape(sourcetest.NullList(), "", `{"data":null`),
		"no list":              shape(sourcetest.NoList(), "", `{"meta":`),
		"empty list":           shape(sourcetest.EmptyList(), "", `{"data":[]`),
		"half a list":          shape(sourcetest.HalfList(), "1 2", `"next_cursor":null`),
		"keys twice in a page": shape(sourcetest.Twice(), "1 2 3 4 1 2 3 4", `"next_cursor":"t+/`),
		"media type":           shape(sourcetest.Media("text/csv"), "1 2 3 4", "Content-Type:[text/csv]"),
		"bomb":                 shape(sourcetest.Bomb(1<<20), "?", "Content-Encoding:[gzip]"),
	}
}

func faultScripts(base time.Time) map[string]func() script {
	breaks := func(f *sourcetest.Fault, want, shows string) func() script {
		return func() script {
			return script{owner: fault(&owner{}, f), asks: []any{""}, want: want, shows: []string{shows}, hits: []string{f.Knob}}
		}
	}
	return map[string]func() script{
		"status":      breaks(sourcetest.Status(503), "503", "{}"),
		"retry after": breaks(sourcetest.RetryAfter(503, "7"), "503", "Retry-After:[7]"),
		"redirect":    breaks(sourcetest.Redirect(302, "https://elsewhere.example/"), "302", "Location:[https://elsewhere.example/]"),
		"cut":         breaks(sourcetest.CutAt(10), "cut", `{"data":[{`),
		"cut at once": breaks(sourcetest.CutAt(0), "cut", ""),
		"a cut behind the end": func() script {
			return script{owner: fault(&owner{}, sourcetest.CutAt(10_000)), asks: []any{""}, want: "1 2 3 4 5"}
		},
		"faults without a name": func() script {
			all := []*sourcetest.Fault{{Drop: true}, {Keep: true, Cut: 1}, {Keep: true, Stall: 1}, {Status: 404}, {Body: "{}"}}
			o := &owner{Fault: func(n int, _ *http.Request) *sourcetest.Fault { return all[n-1] }}
			return script{owner: o, asks: []any{"", "", "", "", ""}, want: "dropped | cut | 1 2 3 4 5 | 404 | ",
				hits: []string{"drop", "cut", "stall", "status", "another body"}}
		},
		"drop":  breaks(sourcetest.Drop(), "dropped", ""),
		"stall": breaks(sourcetest.Stall(time.Millisecond), "1 2 3 4 5", ""),
		"a write between requests": func() script {
			o := &owner{Style: sourcetest.Cursor, PageSize: 3}
			o.Between = func(n int) {
				if n == 2 {
					put(o, base.Add(time.Minute), "between", 1)
				}
			}
			return script{owner: o, asks: []any{"", "next"}, want: "1 2 3 | 4 5 1", hits: []string{"write between requests"}}
		},
	}
}
