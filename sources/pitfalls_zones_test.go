package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

const wall = "2006-01-02 15:04:05"

// wallClock is an owner that writes the time of its wall. It compares what it is
// asked for as text, or takes it for the earlier or the later of two instants.
type wallClock struct {
	zone   *time.Location
	reads  string
	newest bool // comes first
	wrote  []time.Time
}

// since reports whether a record is of the moment that is asked for, or later.
func (o *wallClock) since(at time.Time, asked string) bool {
	text := at.In(o.zone).Format(wall)
	if o.reads == "text" {
		return text >= asked
	}
	var first, last time.Time
	bare, _ := time.Parse(wall, asked)
	for _, hours := range []time.Duration{-24, 24} { // both offsets of the day
		_, offset := bare.Add(hours * time.Hour).In(o.zone).Zone()
		if guess := bare.Add(-time.Duration(offset) * time.Second); guess.In(o.zone).Format(wall) == asked {
			if first.IsZero() || guess.Before(first) {
				first = guess
			}
			if guess.After(last) {
				last = guess
			}
		}
	}
	if o.reads == "earlier" {
		last = first
	}
	return !at.Before(last)
}

func (o *wallClock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	asked := r.URL.Query().Get("since")
	var all []string
	for id, at := range o.wrote {
		if asked == "" || o.since(at, asked) {
			one := fmt.Sprintf(`{"id":%d,"name":"new","updated_at":%q}`, id, at.In(o.zone).Format(wall))
			if all = append(all, one); o.newest {
				all = append([]string{one}, all[:len(all)-1]...)
			}
		}
	}
	fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(all, ","))
}

// A copy of an owner that writes times without an offset has all of the hour that
// comes twice, with an overlap of a second, however the owner reads what it is
// asked for, and whether its own times or only those it is asked have no offset.
func TestHourThatComesTwice(t *testing.T) {
	turns := map[string]time.Time{
		"Europe/Berlin":       time.Date(2000, time.October, 29, 1, 0, 0, 0, time.UTC),
		"America/New_York":    time.Date(2000, time.October, 29, 6, 0, 0, 0, time.UTC),
		"Australia/Lord_Howe": time.Date(2000, time.March, 25, 15, 0, 0, 0, time.UTC),
		"Atlantic/Azores":     time.Date(2000, time.March, 26, 1, 0, 0, 0, time.UTC), // an hour is left out
	}
	for name, turn := range turns {
		for _, reads := range []string{"text", "earlier", "later"} {
			for _, order := range []sources.Order{sources.Unordered, sources.Descending} {
				t.Run(fmt.Sprint(name, " ", reads, " ", order), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(time.Until(turn.Add(-100 * time.Minute)))
						s, o := onTheWall(t, name, reads, order)
						for n := range 40 {
							o.wrote = append(o.wrote, time.Now())
							time.Sleep(5*time.Minute + time.Second)
							s.poll([]syncer.WalkKind{syncer.Resync, syncer.Changes}[min(n, 1)])
							if held := len(s.rows()); held != n+1 {
								t.Fatalf("%v: %d of %d rows", time.Now().In(o.zone), held, n+1)
							}
						}
					})
				})
			}
		}
	}
}

// onTheWall is a feed of an owner that writes the time of its wall.
func onTheWall(t *testing.T, zone, reads string, order sources.Order) (*shelf, *wallClock) {
	t.Helper()
	at, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	o := &wallClock{zone: at, reads: reads, newest: order == sources.Descending}
	spec := users(t, sources.None)
	spec.Watermark.Order, spec.Watermark.Overlap = order, time.Second
	if spec.Watermark.Format, err = row.ParseFormat(wall, at); err != nil {
		t.Fatal(err)
	}
	return newShelfOf(t, o, spec, func(l *row.Spec) {
		l.Columns = append(l.Columns, row.Column{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, As: spec.Watermark.Format, Slots: []int{2}})
		l.Version = 2
	}), o
}

// A row that changes in both of the hours that are one on the wall has the first
// version until an audit, or until it changes again.
func TestRowOfBothHours(t *testing.T) {
	for _, mended := range []string{"by an audit", "by its next change"} {
		t.Run(mended, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turn := time.Date(2000, time.October, 29, 1, 0, 0, 0, time.UTC)
				s, o := onTheWall(t, "Europe/Berlin", "text", sources.Unordered)
				s.Persist = time.Second
				version := func() time.Time {
					at, err := time.Parse(time.RFC3339, s.memory.Rows("copy", []string{"updated_at"})[0][0])
					if err != nil {
						t.Fatal(err)
					}
					return at
				}
				for n, at := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
					time.Sleep(time.Until(turn.Add(at)))
					o.wrote = []time.Time{time.Now()}
					time.Sleep(time.Second)
					s.poll([]syncer.WalkKind{syncer.Resync, syncer.Changes}[n])
				}
				if got := version(); !got.Equal(turn.Add(-10 * time.Minute)) {
					t.Fatalf("version is of %v: the trap is not set", got)
				}
				want := turn.Add(-50 * time.Minute) // ten past two is the first of both
				if mended == "by an audit" {
					if _, err := s.AuditNow(t.Context(), s.Copies[0], true); err != nil {
						t.Fatal(err)
					}
				} else {
					time.Sleep(2 * time.Hour)
					o.wrote, want = []time.Time{time.Now()}, time.Now().UTC()
					time.Sleep(time.Second)
					s.poll(syncer.Changes)
				}
				if got := version(); !got.Equal(want) {
					t.Errorf("version is of %v, want %v", got, want)
				}
			})
		})
	}
}
