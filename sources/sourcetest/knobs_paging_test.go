package sourcetest_test

import (
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

type paging = sourcetest.Paging

func endScripts() map[string]func() script {
	end := func(style sourcetest.Style, end sourcetest.End, size int, want, shows, hit string) func() script {
		return func() script {
			asks := []any{"", "next"}
			if size == 5 {
				asks = []any{"?size=5", "next"}
			}
			return script{owner: &owner{Style: style, PageSize: size, Paging: paging{End: end}},
				asks: asks, want: want, shows: []string{shows}, hits: []string{hit}}
		}
	}
	numbered := func(style sourcetest.Style, want string, asks ...any) func() script {
		return func() script {
			return script{owner: &owner{Style: style, PageSize: 3}, asks: asks, want: want, hits: []string{"end by short page"}}
		}
	}
	return map[string]func() script{
		"end by null":          end(sourcetest.Cursor, sourcetest.EndNull, 3, "1 2 3 | 4 5", `"next_cursor":null`, "end by null"),
		"end by missing":       end(sourcetest.Cursor, sourcetest.EndMissing, 3, "1 2 3 | 4 5", `{"id":5,"name":"row"`, "end by missing next"),
		"end by empty text":    end(sourcetest.Cursor, sourcetest.EndText, 3, "1 2 3 | 4 5", `"next_cursor":""`, "end by empty text"),
		"end by more":          end(sourcetest.Cursor, sourcetest.EndMore, 3, "1 2 3 | 4 5", `"more":false,"next_cursor":"t+/`, "end by more"),
		"end by an empty page": end(sourcetest.Cursor, sourcetest.EndEmpty, 5, "1 2 3 4 5 | ", `"next_cursor":null`, "end by empty page"),
		"end by a short page":  end(sourcetest.Cursor, sourcetest.EndShort, 3, "1 2 3 | 4 5", `"next_cursor":"t+/`, "end by short page"),
		"link in the body": func() script {
			return script{owner: &owner{Style: sourcetest.NextURL, PageSize: 3},
				asks: []any{"?size=3&since=", "link"}, want: "1 2 3 | 4 5", shows: []string{`"links":{"next":null}`}}
		},
		"link in the header": func() script {
			return script{owner: &owner{Style: sourcetest.Link, PageSize: 3}, asks: []any{"?page=2", "?page=1"}, want: "4 5 | 1 2 3",
				shows: []string{`<?page=2>; title="a, b; c"; rel="next last"`}, hits: []string{"end by null"}}
		},
		"page":   numbered(sourcetest.Page, "1 2 3 | 4 5 | ", "?page=1", "?page=2", "?page=99"),
		"offset": numbered(sourcetest.Offset, "1 2 3 | 4 5 | ", "?offset=0", "?offset=3", "?offset=99"),
		"keyset": func() script {
			return script{owner: &owner{Style: sourcetest.Keyset, PageSize: 3, Order: sourcetest.ByID},
				asks: []any{"?after_id=", "?after_id=3"}, want: "1 2 3 | 4 5"}
		},
		"totals": func() script {
			return script{owner: &owner{Style: sourcetest.Page, PageSize: 3, Paging: paging{Totals: true}}, asks: []any{"?page=2"}, want: "4 5",
				shows: []string{`"total":5,"pages":2,"more":false`}, hits: []string{"totals told"}}
		},
		"totals that drift": func() script {
			return script{owner: &owner{Style: sourcetest.Page, PageSize: 3, Paging: paging{Totals: true, Drift: -2}},
				asks: []any{"?page=1", "?page=2"}, want: "1 2 3 | 4 5",
				shows: []string{`"total":3`}, hits: []string{"totals drift"}}
		},
	}
}

func pagingScripts() map[string]func() script {
	return map[string]func() script{
		"a page size that is cut": func() script {
			return script{owner: &owner{Style: sourcetest.Offset, PageSize: 3}, asks: []any{"?size=100"}, want: "1 2 3", hits: []string{"page size capped"}}
		},
		"empty pages in between": func() script {
			return script{owner: &owner{Style: sourcetest.Cursor, PageSize: 2, Paging: paging{EmptyEvery: 1}}, asks: []any{"", "next", "next", "next", "next"},
				want: "1 2 |  | 3 4 |  | 5", shows: []string{`"next_cursor":null`}, hits: []string{"empty page between"}}
		},
		"a record again": func() script {
			return script{owner: &owner{Style: sourcetest.Cursor, PageSize: 2, Paging: paging{Again: 1}}, asks: []any{"", "next", "next"},
				want: "1 2 | 2 3 4 | 4 5", hits: []string{"record on the next page again"}}
		},
		"a record again by page": func() script {
			return script{owner: &owner{Style: sourcetest.Page, PageSize: 2, Paging: paging{Again: 1}},
				asks: []any{"?page=1", "?page=2", "?page=3", "?page=4"},
				want: "1 2 | 2 3 4 | 4 5 | "}
		},
		"a circle of one": func() script {
			return script{owner: &owner{Style: sourcetest.Cursor, PageSize: 2, Paging: paging{Cycle: 1}}, asks: []any{"", "next", "next", "next"},
				want: "1 2 | 3 4 | 3 4 | 3 4", hits: []string{"cycle of one"}}
		},
		"a circle of two": func() script {
			return script{owner: &owner{Style: sourcetest.NextURL, PageSize: 2, Paging: paging{Cycle: 2}}, asks: []any{"", "link", "link", "link", "link"},
				want: "1 2 | 3 4 | 5 | 3 4 | 5", hits: []string{"cycle of two"}}
		},
		"a circle of links": func() script {
			return script{owner: &owner{Style: sourcetest.Link, PageSize: 2, Paging: paging{Cycle: 2}}, asks: []any{"?page=3"},
				want: "5", shows: []string{`<?page=2>; title`}, hits: []string{"cycle of two"}}
		},
		"a parameter that is ignored": func() script {
			return script{owner: &owner{Style: sourcetest.Cursor, PageSize: 2, Paging: paging{Ignore: []string{"cursor"}}}, asks: []any{"", "next", "next"},
				want: "1 2 | 1 2 | 1 2", hits: []string{"parameter ignored"}}
		},
		"only since moves": func() script {
			fill := func(o *owner, base time.Time) {
				for id := range int64(4) {
					o.Commit(change{ID: id, Stamp: base, Commit: base, Visible: base})
				}
			}
			return script{owner: &owner{Style: sourcetest.Since, PageSize: 2}, fill: fill, asks: []any{"", "?since=2020-01-01T00:00:00.000000Z"},
				want: "0 1 | 0 1", hits: []string{"page full of one stamp"}}
		},
	}
}

func sequenceScripts(base time.Time) map[string]func() script {
	delta := func(s sourcetest.Sequence) *owner {
		return &owner{Style: sourcetest.Delta, PageSize: 3, Sequence: s}
	}
	later := func(o *owner) {
		put(o, base.Add(time.Minute), "changed", 1)
		put(o, base.Add(time.Minute), "", 2)
		put(o, base.Add(time.Minute), "new", 6)
	}
	log := func(m sourcetest.Memory, s sourcetest.Sequence) *owner {
		return &owner{Style: sourcetest.Log, PageSize: 3, Memory: m, Sequence: s}
	}
	return map[string]func() script{
		"a delta": func() script {
			return script{owner: delta(sourcetest.Sequence{}), asks: []any{"", "next", later, "token", "token"}, want: "1 2 3 | 4 5 | 1 2 6 | ",
				shows: []string{`"token":"t+/`, `"delta":"?token=`}, hits: []string{"delta token used"}}
		},
		"a delta by links": func() script {
			return script{owner: delta(sourcetest.Sequence{}),
				asks: []any{"", later, "link"}, want: "1 2 3 | 4 5", shows: []string{`"links":{"next":null,"delta"`}}
		},
		"what a delta repeats": func() script {
			return script{owner: delta(sourcetest.Sequence{Replay: 2}),
				asks: []any{"", "next", later, "token"}, want: "1 2 3 | 4 5 | 4 5 1 2 6", hits: []string{"old item replayed"}}
		},
		"a log": func() script {
			return script{owner: log(sourcetest.Memory{}, sourcetest.Sequence{Epoch: true}), asks: []any{"", "?after=3", "?after=5"}, want: "1 2 3 | 4 5 | ",
				shows: []string{`"last":5,"head":5,"more":false,"epoch":"h0"`}, hits: []string{"end by empty page", "end by more"}}
		},
		"the list beside a log": func() script {
			return script{owner: log(sourcetest.Memory{}, sourcetest.Sequence{}), fill: also(change{ID: 2, Gone: true}),
				asks: []any{"?list=1", "next+&list=1"}, want: "1 3 4 | 5",
				shows: []string{`"head":6`}}
		},
		"a number given early": func() script {
			fill := func(o *owner, base time.Time) {
				o.Commit(change{ID: 9, Stamp: base, Commit: base, Visible: time.Now().Add(time.Hour)})
				fillFive(o, base)
			}
			return script{owner: log(sourcetest.Memory{}, sourcetest.Sequence{Early: true}), fill: fill,
				asks: []any{""}, want: "1 2 3", shows: []string{`{"seq":2,"id":1`}, hits: []string{"number given early"}}
		},
		"compaction": func() script {
			return script{owner: log(sourcetest.Memory{Compact: true}, sourcetest.Sequence{}), fill: also(change{ID: 2}),
				asks: []any{"", "?after=4"}, want: "1 3 4 | 5 2", hits: []string{"event compacted"}}
		},
		"events that are trimmed": func() script {
			return script{owner: log(sourcetest.Memory{Events: time.Hour - 30*time.Second}, sourcetest.Sequence{}), fill: also(change{ID: 6}, change{ID: 7}),
				asks: []any{"", "?after=5", "?after=1"}, want: "6 7 | 6 7 | 410", hits: []string{"event trimmed", "token expired"}}
		},
	}
}
