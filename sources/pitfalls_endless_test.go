package sources_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Pages that lead on for ever, because one follows itself, because two follow
// each other, or because the owner does not read what leads on, fail the poll
// in every style, after as many requests as are bounded, and move nothing; once
// the owner is well the copy is what it has.
func TestPagesThatGoRoundMoveNothing(t *testing.T) {
	ways := map[string]func(seen []url.URL, n int) int{
		"one":     func(seen []url.URL, n int) int { return min(n, 2) },
		"two":     func(seen []url.URL, n int) int { return 2 + n%2 },
		"ignored": func([]url.URL, int) int { return 1 },
	}
	for by, served := range sinceToo() {
		for _, mode := range []sources.Mode{sources.Incremental, sources.SnapshotAll} {
			counted := by == sources.Page || by == sources.Offset // these are told from pages without news, a thousand of them
			if by == sources.None || mode == sources.SnapshotAll && (counted || by == sources.Since) {
				continue
			}
			for way, turn := range ways {
				t.Run(fmt.Sprintf("%s %s %s", by, mode, way), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &sourcetest.Owner{Style: served, PageSize: 3, Tombstones: mode == sources.Incremental}
						b := &bent{owner: o}
						s := newShelf(t, b, usersBy(t, by, mode))
						spread(o, "new", 1, 12)
						s.heals("first poll", o)
						time.Sleep(time.Hour)
						spread(o, "changed", 1, 12)
						var seen []url.URL
						b.by(func(n int, _ http.ResponseWriter, r *http.Request) bool {
							seen = append(seen, *r.URL)
							*r.URL = seen[min(turn(seen, n), n)-1]
							return false
						})
						s.leaves(way, s.fail, syncer.ClassPaging)
						if n := b.requests(); n > 1010 || n > 6 && !counted {
							t.Errorf("%d requests", n)
						}
						b.by(nil)
						time.Sleep(time.Hour)
						s.heals("the owner is well", o)
					})
				})
			}
		}
	}
}

// sinceToo is every style, also that which pages by nothing but {since}.
func sinceToo() map[sources.Style]sourcetest.Style {
	all := map[sources.Style]sourcetest.Style{sources.Since: sourcetest.Offset}
	for by, served := range styles {
		all[by] = served
	}
	return all
}

// spread writes records, a second apart.
func spread(o *sourcetest.Owner, name string, from, to int64) {
	for id := from; id <= to; id++ {
		o.Put(name, id)
		time.Sleep(time.Second)
	}
}

// A total that changes while pages are read, because records come and go or
// because the owner counts badly, neither ends a walk too early nor keeps it
// for ever: no record that stays is deleted, and the copy is what the owner has
// once it is left alone.
func TestTotalsThatMove(t *testing.T) {
	const rows = 12
	writes := map[string]func(o *sourcetest.Owner, n int){
		"a record goes":        func(o *sourcetest.Owner, n int) { o.Delete(int64(n)) },
		"a record comes":       func(o *sourcetest.Owner, n int) { o.Put("came", rows+1) },
		"one comes, one goes":  func(o *sourcetest.Owner, n int) { o.Put("came", rows+1); o.Delete(int64(n)) },
		"one changes":          func(o *sourcetest.Owner, n int) { o.Put("changed", int64(n), rows) },
		"half of them go":      func(o *sourcetest.Owner, n int) { o.Delete(sequence(rows/2+1, rows)...) },
		"twice as many come":   func(o *sourcetest.Owner, n int) { o.Put("came", sequence(rows+1, 2*rows)...) },
		"the total is higher":  func(*sourcetest.Owner, int) {},
		"the total is smaller": func(*sourcetest.Owner, int) {},
	}
	for _, by := range []sources.Style{sources.Page, sources.Offset, sources.Cursor} {
		for name, write := range writes {
			for page := 1; page <= 4; page++ {
				t.Run(fmt.Sprintf("%s %s before page %d", by, name, page), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Order: sourcetest.ByID, Paging: sourcetest.Paging{Totals: true}}
						var drift atomic.Int64 // pages are fetched ahead
						spec := usersBy(t, by, sources.SnapshotAll)
						spec.Paging.Total = "meta.total"
						b := &bent{owner: counting(o, &drift)}
						s := newShelfOf(t, b, spec, func(l *row.Spec) {
							if name == "one comes, one goes" && by != sources.Cursor {
								l.Confirm = 2 // as by the configuration: no total tells of it
							}
						})
						o.Put("row", sequence(1, rows)...)
						s.heals("first poll", o)
						b.by(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
							switch {
							case n == page:
								write(o, n)
							case n > 30:
								t.Errorf("request %d", n)
							}
							if n >= page && strings.HasPrefix(name, "the total") {
								drift.Store(map[string]int64{"the total is higher": 2, "the total is smaller": -2}[name])
							}
							return false
						})
						before := s.rows()
						r := s.Poll(t.Context(), time.Time{})[0]
						if name == "the total is higher" && r.OK() {
							t.Error("a walk that has not seen as many as there are is complete")
						}
						for _, row := range o.Truth() {
							id := fmt.Sprint(row.ID)
							if _, held := before[id]; held && s.rows()[id] == "" {
								t.Errorf("row %s is deleted, and the owner has it: %+v", id, r)
							}
						}
						b.by(nil)
						drift.Store(0)
						s.heals("left alone", o)
					})
				})
			}
		}
	}
}

// counting is an owner whose totals are off by drift.
func counting(o *sourcetest.Owner, drift *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		o.ServeHTTP(rec, r)
		body := totals.ReplaceAllStringFunc(rec.Body.String(), func(text string) string {
			n, _ := strconv.Atoi(totals.FindStringSubmatch(text)[1])
			return fmt.Sprintf(`"total":%d`, n+int(drift.Load()))
		})
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body)
	})
}

var totals = regexp.MustCompile(`"total":(\d+)`)
