package sources_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// The pitfalls of feeds that have to do with time, each through the whole chain:
// an owner, larder's requests and records, a feed and a table.

// shelve is a feed of o in a table whose rows have versions.
func shelve(t *testing.T, o *sourcetest.Owner, spec sources.Spec) *shelf {
	t.Helper()
	return newShelfOf(t, o, spec, func(l *row.Spec) {
		l.Columns = append(l.Columns, row.Column{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, As: spec.Watermark.Format, Slots: []int{2}})
		l.Version = 2
	})
}

// has compares the copy with all that its owner has.
func (s *shelf) has(what string, o *sourcetest.Owner) {
	s.t.Helper()
	want := map[string]string{}
	for _, r := range o.Truth() {
		want[fmt.Sprint(r.ID)] = r.Name
	}
	s.holds(what, want)
}

// An owner that keeps microseconds and shows fewer digits, or is asked with fewer:
// what changed within a moment that looks like one is not lost, though nothing
// is asked again but the moment itself.
func TestPitfallPrecision(t *testing.T) {
	for name, c := range map[string]struct{ shown, ask string }{
		"minutes":                  {"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z07:00"},
		"seconds":                  {"2006-01-02T15:04:05Z07:00", "rfc3339"},
		"milliseconds":             {"2006-01-02T15:04:05.000Z07:00", "rfc3339"},
		"microseconds":             {"", "rfc3339"},
		"asked in seconds":         {"", "unix"},
		"asked in milliseconds":    {"", "unix_ms"},
		"numbers of seconds":       {sourcetest.Unix, "unix"},
		"numbers of milliseconds":  {sourcetest.UnixMilli, "unix_ms"},
		"asked in minutes":         {"", "2006-01-02T15:04Z07:00"},
		"milliseconds, in minutes": {"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04Z07:00"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Wire: sourcetest.Wire{Layout: c.shown}}
				spec := users(t, sources.Cursor)
				spec.Watermark.Overlap, spec.Watermark.Ask = 0, format(t, c.ask)
				if c.shown == sourcetest.Unix || c.shown == sourcetest.UnixMilli || name == "minutes" {
					spec.Watermark.Format, spec.Watermark.Ask = format(t, c.ask), nil
				}
				s := shelve(t, o, spec)
				chance := rand.New(rand.NewPCG(2, 2))
				for n := range 60 {
					o.Put(fmt.Sprint("written ", n), int64(chance.IntN(7)))
					time.Sleep(time.Duration(chance.IntN(40_000_000)) * time.Nanosecond * time.Duration(1+chance.IntN(50)))
					if n%2 == 0 {
						s.Poll(t.Context(), time.Time{})
					}
				}
				time.Sleep(time.Minute)
				s.poll(syncer.Changes)
				s.has("in the end", o)
			})
		})
	}
}

// Changes that are stamped when they are made and seen when they are committed,
// up to a minute later: an overlap of a minute loses none, a shorter one some.
func TestPitfallLateCommits(t *testing.T) {
	const longest = time.Minute
	lost := func(overlap time.Duration, seed uint64) (lost int) {
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: sourcetest.Keyset, PageSize: 3}
			spec := users(t, sources.Keyset)
			spec.Watermark.Overlap = overlap
			s := shelve(t, o, spec)
			chance := rand.New(rand.NewPCG(seed, 3))
			for n := range 40 {
				now := o.Now()
				seen := now.Add(time.Duration(chance.IntN(int(longest/time.Second)+1)) * time.Second)
				o.Commit(sourcetest.Change{ID: int64(n), Name: fmt.Sprint("change ", n), Stamp: now, Commit: seen, Visible: seen})
				time.Sleep(time.Duration(1+chance.IntN(9)) * time.Second)
				if chance.IntN(3) == 0 {
					s.Poll(t.Context(), time.Time{})
				}
			}
			time.Sleep(2 * longest)
			s.poll(syncer.Changes)
			lost = len(o.Truth()) - len(s.memory.Rows("copy", []string{"id"}))
		})
		return lost
	}
	var short int
	for seed := range uint64(12) {
		if n := lost(longest, seed); n != 0 {
			t.Errorf("seed %d: %d changes are lost with an overlap of what the longest takes", seed, n)
		}
		short += lost(longest-20*time.Second, seed)
	}
	if short == 0 {
		t.Error("an overlap that is too short loses nothing: the trap is not set")
	}
}

// Pages that come from replicas of different age: what was newer is never
// overwritten, and with the lag in the overlap nothing is lost.
func TestPitfallReplicaLag(t *testing.T) {
	for _, by := range []sources.Style{sources.Cursor, sources.Keyset, sources.Page, sources.None} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(by, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					chance := rand.New(rand.NewPCG(seed, 4))
					o := &sourcetest.Owner{Style: styles[by], PageSize: 2, Tombstones: true}
					for range 7 {
						o.Clock.Nodes = append(o.Clock.Nodes, sourcetest.Node{Lag: time.Duration(chance.IntN(31)) * time.Second})
					}
					spec := users(t, by)
					spec.Watermark.Overlap = 31 * time.Second
					s := shelve(t, o, spec)
					before := map[string]string{}
					for n := range 40 {
						o.Put(fmt.Sprintf("%03d", n), int64(chance.IntN(6)))
						time.Sleep(time.Duration(1+chance.IntN(6)) * time.Second)
						s.Poll(t.Context(), time.Time{})
						for _, r := range s.memory.Rows("copy", []string{"id", "value"}) {
							if r[1] < before[r[0]] {
								t.Fatalf("row %s goes back from %s to %s", r[0], before[r[0]], r[1])
							}
							before[r[0]] = r[1]
						}
					}
					o.Delete(1, 2)
					time.Sleep(time.Minute)
					s.Poll(t.Context(), time.Time{})
					time.Sleep(time.Minute)
					s.poll(syncer.Changes)
					s.has("at rest", o)
				})
			})
		}
	}
}

// The owner's clock is an hour ahead or behind, with a Date or without, and one
// record is stamped in 2099: every change that follows is copied, and as-of is
// never later than the poll that proves it.
func TestPitfallClocks(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		for _, noDate := range []bool{false, true} {
			for _, by := range []sources.Style{sources.Cursor, sources.Keyset, sources.Offset} {
				t.Run(fmt.Sprintf("%v, no date %v, %s", skew, noDate, by), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Clock: sourcetest.Clock{Skew: skew, NoDate: noDate}}
						o.Put("first", 1, 2, 3, 4)
						o.Commit(sourcetest.Change{ID: 5, Name: "poison", Stamp: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Commit: o.Now(), Visible: o.Now()})
						spec := users(t, by)
						spec.Watermark.Overlap = time.Second
						s := shelve(t, o, spec)
						time.Sleep(time.Minute)
						s.poll(syncer.Resync)
						kind := syncer.Changes
						if noDate && skew > 0 {
							kind = syncer.Resync // no stamp can be believed, so that everything is asked for
						}
						for n := range 8 {
							o.Put(fmt.Sprint("change ", n), int64(n%4+1), int64(n+10))
							time.Sleep(20 * time.Second)
							sent := time.Now()
							s.poll(kind)
							s.has(fmt.Sprint("poll ", n), o)
							if at := s.standing().AsOf; at.After(sent) {
								t.Errorf("as-of %v is later than the poll of %v", at, sent)
							}
						}
					})
				})
			}
		}
	}
}

// An owner that writes times without an offset, over both hours of the year that
// are there twice or never, and from the zones that are furthest from ours. The
// hour that comes twice is read as the first one: stamps go back by it, and it is
// asked for from before it, whatever the overlap.
func TestPitfallZones(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	day := func(month time.Month, day, hour int) time.Time {
		return time.Date(2000, month, day, hour, 0, 0, 0, time.UTC)
	}
	for name, c := range map[string]struct {
		zone  *time.Location
		at    time.Time // three hours around it are lived
		twice time.Duration
	}{
		"Berlin, an hour is left out":   {zone("Europe/Berlin"), day(time.March, 26, 1), 0},
		"Berlin, an hour comes twice":   {zone("Europe/Berlin"), day(time.October, 29, 1), time.Hour},
		"New York, an hour is left out": {zone("America/New_York"), day(time.April, 2, 7), 0},
		"New York, an hour comes twice": {zone("America/New_York"), day(time.October, 29, 6), time.Hour},
		"Lord Howe, half an hour twice": {zone("Australia/Lord_Howe"), day(time.March, 25, 15), 30 * time.Minute},
		"14 hours ahead":                {time.FixedZone("", 14*60*60), day(time.June, 1, 10), 0},
		"14 hours behind":               {time.FixedZone("", -14*60*60), day(time.June, 1, 10), 0},
	} {
		t.Run(name, func(t *testing.T) {
			lost := func(overlap time.Duration) (lost int) {
				synctest.Test(t, func(t *testing.T) {
					const layout = "2006-01-02 15:04:05"
					time.Sleep(time.Until(c.at.Add(-90 * time.Minute)))
					o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Wire: sourcetest.Wire{Layout: layout, Zone: c.zone}}
					spec := users(t, sources.Cursor)
					spec.Watermark.Overlap = overlap
					var err error
					if spec.Watermark.Format, err = row.ParseFormat(layout, c.zone); err != nil {
						t.Fatal(err)
					}
					s := newShelf(t, o, spec)
					for n := range 36 {
						o.Put("new", int64(n))
						time.Sleep(5 * time.Minute)
						s.Poll(t.Context(), time.Time{})
						lost += n + 1 - len(s.memory.Rows("copy", []string{"id"}))
					}
				})
				return lost
			}
			for _, overlap := range []time.Duration{0, time.Minute, c.twice + time.Second} {
				if n := lost(overlap); n > 0 {
					t.Errorf("%d rows are missing with an overlap of %v", n, overlap)
				}
			}
		})
	}
}
