package sources_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func weather() sources.Spec {
	return sources.Spec{
		Name: "weather", Mode: sources.SnapshotAll,
		Request: sources.Request{Path: text("/v1/forecast"), Query: []sources.Param{
			param("latitude", "{each.lat}"), param("longitude", "{each.lon}"), param("hourly", "temperature_2m"), param("timeformat", "unixtime")}},
		Records: sources.Records{At: "hourly", As: sources.AsColumns, Key: []string{"each.city", "time"}, Error: "error"},
		Paths:   []string{"time", "temperature_2m", "each.city"},
	}
}

// city is a partition.
func city(t *testing.T, name, lat string) syncer.Partition {
	t.Helper()
	return syncer.Partition{Name: `{"city":"` + name + `"}`, Values: []syncer.PartitionValue{
		{Name: "city", JSON: []byte(`"` + name + `"`)}, {Name: "lat", JSON: []byte(lat)}, {Name: "lon", JSON: []byte("13.4")}}}
}

// cities is a shelf of the forecast of two places.
func cities(t *testing.T, owner http.Handler, table func(*row.Spec)) *shelf {
	t.Helper()
	return newShelfOf(t, owner, weather(), func(l *row.Spec) {
		l.Columns = append(l.Columns, row.Column{Name: "city", Type: row.Type{Kind: row.Text}, NotNull: true, Slots: []int{2}, Each: "city"})
		l.Key, l.Shape = []int{2, 0}, syncer.Shape("weather", []string{"id", "value", "city"})
		l.Columns[0].Type, l.Columns[1].Type = row.Type{Kind: row.Bigint}, row.Type{Kind: row.Double}
		l.Partitions = []syncer.Partition{city(t, "Berlin", "52.52"), city(t, "Oslo", "59.91")}
		l.Guard = syncer.Guard{Share: 0.2}
		table(l)
	})
}

// polls polls every place, well, and adds up what was written.
func (s *shelf) polls() (all syncer.Applied, swept, held int) {
	s.t.Helper()
	for _, r := range s.Poll(s.t.Context(), time.Time{}) {
		if !r.OK() || r.Kind != syncer.Snapshot {
			s.t.Fatalf("poll of kind %s fails: %+v, tables %+v", r.Kind, r.Failure, r.Tables)
		}
		all.Add(r.Tables[0].Applied)
		swept, held = swept+r.Tables[0].Settled.Swept, held+r.Tables[0].Settled.Held
	}
	return all, swept, held
}

// forecasts compares the copy with what it should hold, by city.
func (s *shelf) forecasts(what string, want map[string]map[string]string) {
	s.t.Helper()
	got := map[string]map[string]string{}
	for _, r := range s.memory.Rows("copy", []string{"city", "id", "value"}) {
		if got[r[0]] == nil {
			got[r[0]] = map[string]string{}
		}
		got[r[0]][r[1]] = r[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func told(o *feedtest.OpenMeteo) map[string]map[string]string {
	return map[string]map[string]string{"Berlin": o.Forecast("52.52"), "Oslo": o.Forecast("59.91")}
}

// TestFeedOpenMeteo: parallel arrays become rows of each place. An answer that
// differs only by how long it took writes nothing; another model writes every
// hour; and hours that leave the forecast stay in a copy that keeps them.
func TestFeedOpenMeteo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.OpenMeteo{Hours: 48}
		s := cities(t, o, func(l *row.Spec) { l.Keep = true })
		s.polls()
		s.forecasts("first poll", told(o))
		time.Sleep(3 * time.Hour)
		if all, _, _ := s.polls(); all != (syncer.Applied{Unchanged: 96}) {
			t.Errorf("the same forecast again: %+v, want nothing written", all)
		}
		o.Model = 1
		if all, _, _ := s.polls(); all.Updated != 96 {
			t.Errorf("another model: %+v", all)
		}
		want := told(o)
		time.Sleep(24 * time.Hour)
		o.Model = 2
		s.polls()
		for name, hours := range told(o) {
			maps.Copy(want[name], hours)
		}
		if len(want["Oslo"]) != 72 {
			t.Fatalf("%d hours in two days and a new one", len(want["Oslo"]))
		}
		s.forecasts("a day later", want)
	})
}

// TestFeedOpenMeteoShrinks: without keeping, hours that leave the list leave
// the copy, of their place alone; but a place that answers with nothing at all
// is held (an outage is no deletion).
func TestFeedOpenMeteoShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.OpenMeteo{Hours: 48}
		s := cities(t, o, func(*row.Spec) {})
		s.polls()
		o.Hours = 40
		if _, swept, held := s.polls(); swept != 16 || held != 0 {
			t.Errorf("%d rows swept, %d held, want 8 of each place", swept, held)
		}
		s.forecasts("fewer hours", told(o))
		want := told(o)
		o.Empty = map[string]bool{"59.91": true}
		if _, swept, held := s.polls(); swept != 0 || held != 40 {
			t.Errorf("an empty place: %d rows swept, %d held", swept, held)
		}
		s.forecasts("an empty place", want)
		o.Empty, o.Hours = nil, 38
		if _, swept, _ := s.polls(); swept != 4 {
			t.Errorf("%d rows swept after the outage, want 2 of each place", swept)
		}
		s.forecasts("after the outage", told(o))
	})
}

// TestFeedOpenMeteoRefuses: what is wrong fails the poll by its class, and the
// copy stays as it is.
func TestFeedOpenMeteoRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*feedtest.OpenMeteo)
		class syncer.Class
		says  string
	}{
		"too often": {func(o *feedtest.OpenMeteo) {
			o.Reason = "Minutely API request limit exceeded. Please try again in one minute."
		},
			syncer.ClassRateLimited, "429"},
		"a bad request":        {func(o *feedtest.OpenMeteo) { o.Reason = "Cannot initialize WeatherVariable" }, syncer.ClassHTTP4xx, "400"},
		"an error with 200":    {func(o *feedtest.OpenMeteo) { o.Reason, o.Status = "out of hours", 200 }, syncer.ClassAnswer, `"error"`},
		"arrays of two sizes":  {func(o *feedtest.OpenMeteo) { o.Short = true }, syncer.ClassAnswer, `"temperature_2m" has 23, "time" has 24`},
		"an array of places":   {nil, syncer.ClassAnswer, "no records"},
		"a place of no number": {nil, syncer.ClassHTTP4xx, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &feedtest.OpenMeteo{Hours: 24}
			s := cities(t, o, func(l *row.Spec) {
				switch {
				case strings.HasPrefix(name, "an array"): // two places in one request
					l.Partitions[1].Values[1].JSON, l.Partitions[1].Values[2].JSON = []byte(`"59.91,60.1"`), []byte(`"10,11"`)
				case strings.HasPrefix(name, "a place"):
					l.Partitions[1].Values[1].JSON = []byte(`"59.91,60.1"`)
				}
			})
			if c.spoil != nil {
				s.polls()
				c.spoil(o)
			}
			r := s.Poll(t.Context(), time.Time{})[1]
			if r.Failure == nil || r.Failure.Class != c.class || !strings.Contains(r.Failure.Text, c.says) {
				t.Errorf("%+v, want class %q that says %s", r.Failure, c.class, c.says)
			}
			if c.spoil != nil {
				s.forecasts("refused", map[string]map[string]string{"Berlin": o.Forecast("52.52"), "Oslo": o.Forecast("59.91")})
			}
		})
	}
}
