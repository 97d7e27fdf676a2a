package sourcetest_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

type (
	owner  = sourcetest.Owner
	change = sourcetest.Change
)

// one writes a single record.
func one(c change) func(*owner, time.Time) {
	return func(o *owner, base time.Time) {
		c.ID = max(c.ID, 1)
		c.Stamp, c.Commit, c.Visible = base, base, base
		o.Commit(c)
	}
}

// also writes five records, and then changes of others.
func also(changes ...change) func(*owner, time.Time) {
	return func(o *owner, base time.Time) {
		fillFive(o, base)
		for i, c := range changes {
			at := base.Add(time.Duration(i+1) * time.Minute)
			if c.Visible.IsZero() {
				c.Visible = at
			}
			c.Stamp, c.Commit = at, at
			o.Commit(c)
		}
	}
}

// put writes records as of an instant.
func put(o *owner, at time.Time, name string, ids ...int64) {
	for _, id := range ids {
		o.Commit(change{ID: id, Name: name, Stamp: at, Commit: at, Visible: at, Gone: name == ""})
	}
}

func fault(o *owner, f *sourcetest.Fault) *owner {
	o.Fault = func(int, *http.Request) *sourcetest.Fault { return f }
	return o
}

func second(base time.Time, n int) string {
	return base.Add(time.Duration(n) * time.Second).Format("2006-01-02T15:04:05.000000Z")
}

// scripts are the knobs by theme. Each script is made anew for each owner.
func scripts(base time.Time) map[string]func() script {
	all := map[string]func() script{}
	for _, theme := range []map[string]func() script{
		historyScripts(base), contentScripts(), wireScripts(base), orderScripts(), endScripts(), pagingScripts(),
		sequenceScripts(base), clockScripts(base), memoryScripts(base), shapeScripts(), faultScripts(base),
	} {
		for name, s := range theme {
			all[name] = s
		}
	}
	return all
}

func historyScripts(base time.Time) map[string]func() script {
	return map[string]func() script{
		"a change that nobody sees yet": func() script {
			return script{owner: &owner{}, fill: also(change{ID: 6, Visible: time.Now().Add(time.Hour)}),
				asks: []any{""}, want: "1 2 3 4 5", hits: []string{"change not visible yet"}}
		},
		"an id used again": func() script {
			return script{owner: &owner{Order: sourcetest.ByID}, fill: also(change{ID: 2, Gone: true}, change{ID: 2, Name: "another"}),
				asks: []any{""}, want: "1 2 3 4 5", shows: []string{`"name":"another"`}, hits: []string{"id reused"}}
		},
		"a tombstone": func() script {
			return script{owner: &owner{Tombstones: true}, fill: also(change{ID: 2, Gone: true}), asks: []any{""}, want: "1 3 4 5 2",
				shows: []string{`"deleted_at":"` + base.Add(time.Minute).Format("2006-01-02T15:04:05.000000Z")}, hits: []string{"tombstone"}}
		},
		"a tombstone that is purged": func() script {
			return script{owner: &owner{Tombstones: true, Memory: sourcetest.Memory{Tombstones: time.Minute}}, fill: also(change{ID: 2, Gone: true}),
				asks: []any{""}, want: "1 3 4 5", hits: []string{"tombstone purged"}}
		},
		"a partition": func() script {
			return script{owner: &owner{}, fill: also(change{ID: 1, Part: "blue"}), asks: []any{"?part=blue", ""}, want: "1 | 1 2 3 4 5 1",
				shows: []string{`"part":"blue"`}, hits: []string{"partition asked for"}}
		},
		"a record that is withheld": func() script {
			return script{owner: &owner{Withhold: []int64{2, 4}},
				asks: []any{"", func(o *owner) { o.Withhold = nil }, ""}, want: "1 3 5 | 1 2 3 4 5", hits: []string{"record withheld"}}
		},
		"a restore": func() script {
			return script{owner: &owner{Style: sourcetest.Log}, fill: also(change{ID: 6}, change{ID: 7}),
				asks: []any{"?after=5", func(o *owner) { o.Restore(base.Add(30 * time.Second)) }, "?after=5", func(o *owner) { put(o, base.Add(time.Minute), "after", 8) }, "?after=5"},
				want: "6 7 |  | 8", shows: []string{`"seq":6`}, hits: []string{"backup restored"}}
		},
	}
}

func contentScripts() map[string]func() script {
	return map[string]func() script{
		"a misfit": func() script {
			return script{owner: &owner{}, fill: one(change{Misfit: `[1,"x"]`}),
				asks: []any{""}, want: "1", shows: []string{`"name":[1,"x"]`}, hits: []string{"misfit value"}}
		},
		"extra fields": func() script {
			return script{owner: &owner{}, fill: one(change{Extra: `"size":1e400`}),
				asks: []any{""}, want: "1", shows: []string{`"size":1e400`}, hits: []string{"extra fields"}}
		},
		"beyond 2^53": func() script {
			return script{owner: &owner{}, fill: one(change{ID: 1<<53 + 1}), asks: []any{""}, want: "9007199254740993", hits: []string{"number beyond 2^53"}}
		},
		"a NUL": func() script {
			return script{owner: &owner{}, fill: one(change{Name: "a\x00b"}),
				asks: []any{""}, want: "1", shows: []string{`"a\u0000b"`}, hits: []string{"NUL character"}}
		},
		"a lone surrogate": func() script {
			return script{owner: &owner{}, fill: one(change{Misfit: `"\ud800"`}), asks: []any{""}, want: "1", shows: []string{`"\ud800"`}}
		},
		"invalid UTF-8": func() script {
			return script{owner: &owner{}, fill: one(change{Name: "a\xff"}),
				asks: []any{""}, want: "1", shows: []string{"\"a\xff\""}, hits: []string{"invalid UTF-8"}}
		},
	}
}

func wireScripts(base time.Time) map[string]func() script {
	digits := func(layout string) *owner {
		return &owner{Wire: sourcetest.Wire{Layout: layout}}
	}
	return map[string]func() script{
		"a null stamp": func() script {
			return script{owner: &owner{}, fill: also(change{ID: 6, NoStamp: true}), asks: []any{"?since=" + second(base, 3), ""}, want: "4 5 | 6 1 2 3 4 5",
				shows: []string{`"updated_at":null`}, hits: []string{"null stamp"}}
		},
		"no digits": func() script {
			return script{owner: digits(time.RFC3339),
				asks: []any{"?since=" + second(base, 0), "?since=" + base.Format(time.RFC3339)},
				want: "2 3 4 5 | 1 2 3 4 5", shows: []string{base.Format(time.RFC3339)}, hits: []string{"stamp cut"}}
		},
		"three digits": func() script {
			return script{owner: digits("2006-01-02T15:04:05.000Z07:00"),
				asks: []any{""}, want: "1 2 3 4 5", shows: []string{`.302Z"`}, hits: []string{"stamp cut"}}
		},
		"minutes": func() script {
			return script{owner: digits("2006-01-02T15:04Z07:00"),
				asks: []any{""}, want: "1 2 3 4 5", shows: []string{base.Format(`15:04Z"`)}, hits: []string{"stamp cut"}}
		},
		"rounding up": func() script {
			return script{owner: &owner{Wire: sourcetest.Wire{Layout: "2006-01-02T15:04:05.000Z07:00", RoundUp: true}},
				asks: []any{"", "?since=" + second(base, 0)[:20] + "303Z"}, want: "1 2 3 4 5 | 2 3 4 5", shows: []string{`.303Z"`}, hits: []string{"stamp rounded up"}}
		},
		"an epoch": func() script {
			return script{owner: digits(sourcetest.UnixMilli),
				asks: []any{""}, want: "1 2 3 4 5", shows: []string{fmt.Sprintf(`"updated_at":%d,`, base.UnixMilli())}, hits: []string{"stamp as epoch"}}
		},
		"an epoch's bound": func() script {
			return script{owner: digits(sourcetest.Unix), asks: []any{"?since=9999999999"}, want: ""}
		},
		"a zone": func() script {
			return script{owner: &owner{Wire: sourcetest.Wire{Layout: "2006-01-02 15:04", Zone: time.FixedZone("", -4*3600)}},
				asks: []any{"?since=" + base.Add(-4*time.Hour).Format("2006-01-02+15:04"), "?since=" + base.Add(-4*time.Hour+2*time.Minute).Format("2006-01-02+15:04")},
				want: "1 2 3 4 5 | ", hits: []string{"stamp in a zone"}}
		},
		"an exclusive bound": func() script {
			return script{owner: &owner{Wire: sourcetest.Wire{Exclusive: true}},
				asks: []any{"?since=" + second(base, 2)}, want: "4 5", hits: []string{"exclusive bound"}}
		},
		"until, exclusive": func() script { return script{owner: &owner{}, asks: []any{"?until=" + second(base, 2)}, want: "1 2"} },
		"until, inclusive": func() script {
			return script{owner: &owner{Wire: sourcetest.Wire{UntilInclusive: true}},
				asks: []any{"?until=" + second(base, 2)}, want: "1 2 3", hits: []string{"inclusive until"}}
		},
		"digits that go away": func() script {
			return script{owner: &owner{}, asks: []any{"", func(o *owner) { o.Wire.Layout = "2006-01-02T15:04:05.0Z07:00" }, ""}, want: "1 2 3 4 5 | 1 2 3 4 5",
				shows: []string{`.3Z"`}, hits: []string{"stamp cut"}}
		},
		"gzip": func() script {
			return script{owner: &owner{Wire: sourcetest.Wire{Gzip: true}},
				asks: []any{""}, want: "?", shows: []string{"Content-Encoding:[gzip]", "\x1f\x8b"}, hits: []string{"gzip"}}
		},
		"lines": func() script {
			return script{owner: &owner{Style: sourcetest.Lines}, asks: []any{""}, want: "1 2 3 4 5"}
		},
	}
}

func orderScripts() map[string]func() script {
	order := func(order sourcetest.Order, want, hit string) func() script {
		return func() script {
			return script{owner: &owner{Style: sourcetest.Cursor, PageSize: 3, Order: order}, fill: also(change{ID: 2}),
				asks: []any{"", "next"}, want: want, hits: []string{hit}}
		}
	}
	return map[string]func() script{
		"by stamp":   order(sourcetest.ByStamp, "1 3 4 | 5 2", "another page follows"),
		"descending": order(sourcetest.ByStampDesc, "2 5 4 | 3 1", "order descending"),
		"by id":      order(sourcetest.ByID, "1 2 3 | 4 5", "order by id"),
		"shuffled":   order(sourcetest.Shuffled, "1 2 3 | 5 4", "order shuffled"),
		"unsorted": func() script {
			return script{owner: &owner{Style: sourcetest.Page, PageSize: 3, Order: sourcetest.Unsorted},
				asks: []any{"?page=1", "?page=2"}, want: "3 2 1 | 5 1", hits: []string{"order unsorted"}}
		},
	}
}
