package sources_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer/row"
)

// TestWindowsInEveryFormat cuts ranges in every format, over the changes of
// clocks: neighbours share a text, each is later than the one before, the last
// one ends at the walk's own bound, and a record of any instant lies in exactly
// one window.
func TestWindowsInEveryFormat(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2024, 10, 24, 22, 30, 0, 0, time.UTC) // three days before clocks go back
	for _, c := range []struct {
		format, initial string
		each            time.Duration
	}{
		{"rfc3339", "2024-10-24T22:30:00.250Z", 30 * 24 * time.Hour},
		{"rfc3339", "2024-10-24T22:30:00Z", time.Second * 86401},
		{"rfc3339", "2024-10-25 00:30:00.123456+02:00", 17 * time.Hour},
		{"unix", "1729809000", 90 * time.Minute},
		{"unix_ms", "1729809000123", 90 * time.Minute},
		{"date", "2024-10-25", 10 * time.Hour}, // less than the format's unit
		{"date", "2024-10-25", 31 * 24 * time.Hour},
		{"2006-01-02 15:04", "2024-10-25 00:30", 20 * time.Minute},
		{"2006-01-02 15:04", "2024-10-25 00:30", 7 * 24 * time.Hour},
		{"2006-01-02T15:04:05.000Z07:00", "2024-10-25T00:30:00.000+02:00", 25 * time.Hour},
	} {
		f, err := row.ParseFormat(c.format, berlin)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(start)) // the bubble's clock begins in 2000
			time.Sleep(8 * 24 * time.Hour)
			o := &sourcetest.Owner{Style: sourcetest.Whole}
			spec := windowed(t, start, c.each)
			spec.Watermark.Initial, spec.Watermark.Format = c.initial, f
			if c.each > 20*24*time.Hour {
				time.Sleep(90 * 24 * time.Hour)
			}
			now := row.StampAt(time.Now())
			complete(t, source(t, wide(o), spec), resync())
			all := ranges(o)
			slices.SortFunc(all, func(a, b [2]string) int { return row.Compare(parse(t, f, a[0]), parse(t, f, b[0])) })
			chained(t, all)
			if all[0][0] != c.initial || all[len(all)-1][1] != f.RenderLike(now, c.initial) {
				t.Errorf("%s: windows from %s to %s", c.format, all[0][0], all[len(all)-1][1])
			}
			for _, w := range all {
				if row.Compare(parse(t, f, w[0]), parse(t, f, w[1])) >= 0 {
					t.Errorf("%s: window %v holds nothing", c.format, w)
				}
			}
			if len(all) < 2 {
				t.Errorf("%s: one window of %s", c.format, c.each)
			}
		})
	}
}

func parse(t testing.TB, f *row.Format, text string) row.Stamp {
	t.Helper()
	stamp, err := f.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

// TestEveryInstantIsInOneWindow draws ranges, windows and records.
func TestEveryInstantIsInOneWindow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"rfc3339", "unix", "unix_ms", "date", "2006-01-02 15:04"}).Draw(r, "format")
		f, err := row.ParseFormat(name, time.FixedZone("", 3600))
		if err != nil {
			t.Fatal(err)
		}
		back := time.Duration(rapid.Int64Range(1, 1e6).Draw(r, "back")) * time.Second
		each := max(time.Duration(rapid.Int64Range(1, 1e6).Draw(r, "each"))*time.Second, back/50)
		now := time.Now()
		o := &sourcetest.Owner{Style: sourcetest.Whole}
		spec := windowed(t, now, each)
		spec.Watermark.Format, spec.Watermark.Initial = f, f.Render(row.StampAt(now.Add(-back)))
		complete(t, source(t, wide(o), spec), resync())
		at := now.Add(-time.Duration(rapid.Int64Range(0, int64(back)).Draw(r, "at")))
		all, in := ranges(o), 0
		if len(all) == 0 {
			return // the range is shorter than what the format tells apart
		}
		first, last := row.Stamp{}, row.Stamp{}
		for _, w := range all {
			since, until := parse(t, f, w[0]), parse(t, f, w[1])
			if row.Compare(row.StampAt(at), since) >= 0 && row.Compare(row.StampAt(at), until) < 0 {
				in++
			}
			if first.IsZero() || row.Compare(since, first) < 0 {
				first = since
			}
			if row.Compare(until, last) > 0 {
				last = until
			}
		}
		inside := row.Compare(row.StampAt(at), first) >= 0 && row.Compare(row.StampAt(at), last) < 0
		if inside && in != 1 || !inside && in != 0 {
			r.Fatalf("%s lies in %d windows of %s: %v", at, in, each, all)
		}
	})
}
