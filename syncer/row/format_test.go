package row_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer/row"
)

func TestFormatParse(t *testing.T) {
	tests := []struct {
		name, zone, raw string
		want            string // RFC 3339, or a counter
		err             string // a part of it
	}{
		{"rfc3339", "", `"2024-01-02T03:04:05Z"`, "2024-01-02T03:04:05Z", ""},
		{"rfc3339", "", `"2024-01-02 03:04:05.1234567891234+02:00"`, "2024-01-02T01:04:05.123456789Z", ""},
		{"rfc3339", "", `"2024-01-02 03:04:05.5-00"`, "2024-01-02T03:04:05.5Z", ""},
		{"rfc3339", "", `"2016-12-31T23:59:60.2Z"`, "2016-12-31T23:59:59.999999999Z", ""},
		{"rfc3339", "", `"2024-01-02T03:04:05.Z"`, "", "not an RFC 3339 time"},
		{"rfc3339", "", `"2024-01-02T03:04:05+2:00"`, "", "not an RFC 3339 time"},
		{"rfc3339", "", `"2024-01-02T03:04:05+02:0x"`, "", "not an RFC 3339 time"},
		{"rfc3339", "", `"2024-01-02T03:04:05Z "`, "", "not an RFC 3339 time"},
		{"rfc3339", "", `"2024-13-02T03:04:05Z"`, "", "not an RFC 3339 time"},
		{"rfc3339", "", `"2024-01-02T03:04:05"`, "", "give a layout and a zone"},
		{"rfc3339", "", `"9999-12-31T23:59:59-01:00"`, "", "out of range"},
		{"rfc3339", "", `null`, "", "is null"},
		{"rfc3339", "", `17`, "", `"unix_ms"`},
		{"rfc3339", "", `{}`, "", "not a time"},
		{"rfc3339", "", ``, "", "not a time"},
		{"unix", "", `1700000000.1234567899`, "2023-11-14T22:13:20.123456789Z", ""},
		{"unix", "", `"-1.5"`, "1969-12-31T23:59:58.5Z", ""},
		{"unix", "", `-1.0000000001`, "1969-12-31T23:59:58.999999999Z", ""},
		{"unix", "", `17e8`, "2023-11-14T22:13:20Z", ""},
		{"unix", "", `"x"`, "", "not a number"},
		{"unix", "", `1e300`, "", "out of range"},
		{"unix_ms", "", `1700000000123.9`, "2023-11-14T22:13:20.1239Z", ""},
		{"date", "", `"2024-01-02"`, "2024-01-02T00:00:00Z", ""},
		{"date", "America/Santiago", `"2024-09-08"`, "2024-09-08T04:00:00Z", ""}, // midnight does not exist
		{"date", "Pacific/Kiritimati", `"2024-01-02"`, "2024-01-01T10:00:00Z", ""},
		{"2006-01-02 15:04", "Europe/Berlin", `"2024-03-31 02:30"`, "2024-03-31T01:00:00Z", ""}, // the gap
		{"2006-01-02 15:04", "Europe/Berlin", `"2024-10-27 02:30"`, "2024-10-27T00:30:00Z", ""}, // twice
		{"2006-01-02 15:04", "Australia/Lord_Howe", `"2024-04-07 01:45"`, "2024-04-06T14:45:00Z", ""},
		{"2006-01-02T15:04:05.000-0700", "", `"2024-01-02T03:04:05.678+0130"`, "2024-01-02T01:34:05.678Z", ""},
		{"Mon, 02 Jan 2006 15:04:05 MST", "", `"Tue, 02 Jan 2024 03:04:05 GMT"`, "2024-01-02T03:04:05Z", ""},
		{"Mon, 02 Jan 2006 15:04:05 MST", "", `"Tue, 02 Jan 2024 03:04:05 CET"`, "", "tells no offset"},
		{"Mon, 02 Jan 2006 15:04:05 MST", "Europe/Berlin", `"Tue, 02 Jan 2024 03:04:05 CET"`, "2024-01-02T02:04:05Z", ""},
		{"20060102", "UTC", `20240102`, "2024-01-02T00:00:00Z", ""},
		{"2006-01-02 15:04", "UTC", `"yesterday"`, "", "layout"},
		{"integer", "", `"123456789012345678901234567890"`, "123456789012345678901234567890", ""},
		{"integer", "", `1e3`, "1000", ""},
		{"integer", "", `-0`, "0", ""},
		{"integer", "", `"007"`, "7", ""},
		{"integer", "", `1.5`, "", "fraction"},
		{"integer", "", `1e400000`, "", "out of range"},
		{"integer", "", `true`, "", "not a time"},
	}
	for _, test := range tests {
		stamp, err := format(t, test.name, test.zone).Parse([]byte(test.raw))
		got := ""
		if at, ok := stamp.Time(); ok {
			got = at.Format(time.RFC3339Nano)
		} else if err == nil {
			got = format(t, "integer", "").Render(stamp)
		}
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s in %q: %s: got %q, %v; want %q, %q", test.name, test.zone, test.raw, got, err, test.want, test.err)
		}
	}
}

func TestParseFormatRefuses(t *testing.T) {
	for name, advice := range map[string]string{
		"rfc339": `did you mean "rfc3339"?`, "unixms": `did you mean "unix_ms"?`, "epoch": "known: rfc3339", "": "known: rfc3339",
		"2006-01-02 15:04:05": "give zone", "2006-01-02 03:04Z07:00": "15 rather than 03", "2006-01Z07:00": "year, month and day",
		"15:04:05 2006 Z07:00": "year, month and day", "2006-01-02 04Z07:00": "instant",
	} {
		if f, err := row.ParseFormat(name, nil); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("%q: got %+v, %v; want %q", name, f, err, advice)
		}
	}
}

func TestUnit(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"date": 24 * time.Hour, "unix": time.Second, "unix_ms": time.Millisecond, "integer": 0, "rfc3339": time.Nanosecond,
		"2006-01-02 15:04": time.Minute, "2006-01-02": 24 * time.Hour, "2006-01-02 15h": time.Hour, "2006-01-02 3PM": time.Hour,
		"2006-01-02 15:04:05.000": time.Millisecond, "2006-01-02 15:04:05 -07": time.Second,
	} {
		if got := format(t, name, "UTC").Unit(); got != want {
			t.Errorf("%q: got unit %v, want %v", name, got, want)
		}
	}
}

func TestRenderLike(t *testing.T) {
	at := row.StampAt(utc("2024-01-02T23:04:05.987654321Z"))
	tests := []struct{ name, zone, sample, want string }{
		{"rfc3339", "", "", "2024-01-02T23:04:05.987Z"},
		{"rfc3339", "", "no time", "2024-01-02T23:04:05.987Z"},
		{"rfc3339", "", "2020-05-05T05:05:05Z", "2024-01-02T23:04:05Z"},
		{"rfc3339", "", "2020-05-05 05:05:05.123456+00", "2024-01-02 23:04:05.987654+00"},
		{"rfc3339", "", "2020-05-05t05:05:05.1+02:00", "2024-01-03t01:04:05.9+02:00"},
		{"rfc3339", "", "2020-05-05T05:05:05.123456789012-0330", "2024-01-02T19:34:05.987654321000-0330"},
		{"unix", "", "", "1704236645"},
		{"unix", "", "1600000000.5", "1704236645.9"},
		{"unix", "", "1600000000.000000", "1704236645.987654"},
		{"unix_ms", "", "", "1704236645987"},
		{"date", "", "2020-05-05", "2024-01-02"},
		{"date", "Asia/Tokyo", "", "2024-01-03"},
		{"2006-01-02 15:04", "America/New_York", "", "2024-01-02 18:04"},
		{"2006-01-02 15:04 -0700", "", "2020-05-05 05:05 +0530", "2024-01-03 04:34 +0530"},
		{"2006-01-02 15:04 -07", "Asia/Kolkata", "", "2024-01-02 23:04 +00"}, // half an hour has no place in the layout
		{"integer", "", "", ""},
	}
	for _, test := range tests {
		if got := format(t, test.name, test.zone).RenderLike(at, test.sample); got != test.want {
			t.Errorf("%s in %q like %q: got %q, want %q", test.name, test.zone, test.sample, got, test.want)
		}
	}
	if got := format(t, "unix", "").RenderLike(row.StampAt(utc("1969-12-31T23:59:58.75Z")), "1.5"); got != "-1.3" {
		t.Errorf("got %q, want the floor -1.3", got)
	}
}

func TestStampMoves(t *testing.T) {
	first := row.StampAt(utc("0001-01-01T00:01:00Z"))
	if got := format(t, "rfc3339", "").Render(first.Add(-time.Hour)); got != "0001-01-01T00:00:00.000Z" {
		t.Errorf("got %s, want the first instant", got)
	}
	last := row.StampAt(utc("9999-12-31T23:00:00Z")).Add(240 * time.Hour)
	if got := format(t, "rfc3339", "").RenderLike(last, "2024-01-01T00:00:00+14:00"); got != "9999-12-31T13:59:59+14:00" {
		t.Errorf("got %s, want the last day that four digits write", got)
	}
	counter, err := format(t, "integer", "").ParseText("9223372036854775807")
	if err != nil {
		t.Fatal(err)
	}
	if got := format(t, "integer", "").Render(counter.AddInt(10).AddInt(-1)); got != "9223372036854775816" {
		t.Errorf("got %s", got)
	}
	if counter.Add(time.Hour) != counter || first.AddInt(1) != first || !(row.Stamp{}).IsZero() || counter.IsZero() {
		t.Error("a stamp moved by what it does not count in")
	}
}

// TestCounterOrder holds Compare and == of counters against big.Int.
func TestCounterOrder(t *testing.T) {
	f := format(t, "integer", "")
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`-?[0-9]{1,30}`).Draw(t, "a"), rapid.StringMatching(`-?[0-9]{1,30}`).Draw(t, "b")
		sa, errA := f.ParseText(a)
		sb, errB := f.ParseText(b)
		ia, _ := new(big.Int).SetString(a, 10)
		ib, _ := new(big.Int).SetString(b, 10)
		if errA != nil || errB != nil || row.Compare(sa, sb) != ia.Cmp(ib) || (sa == sb) != (ia.Cmp(ib) == 0) {
			t.Fatalf("got %d, %v, %v", row.Compare(sa, sb), errA, errB)
		}
	})
}

// TestWallTime reads every quarter of an hour around both changes of the clock
// and compares with a search for the earliest instant that clocks show it at.
func TestWallTime(t *testing.T) {
	const layout = "2006-01-02 15:04"
	for _, name := range []string{"Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "America/St_Johns", "Pacific/Apia"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		f := format(t, layout, name)
		shown := map[string]time.Time{}
		begin, end := utc("2011-01-01T00:00:00Z"), utc("2012-01-08T00:00:00Z")
		for at := begin; at.Before(end); at = at.Add(15 * time.Minute) {
			if text := at.In(zone).Format(layout); shown[text].IsZero() {
				shown[text] = at
			}
		}
		before := row.Stamp{}
		for wall := begin.Add(24 * time.Hour); wall.Before(end.Add(-24 * time.Hour)); wall = wall.Add(15 * time.Minute) {
			got, err := f.ParseText(wall.Format(layout))
			if err != nil {
				t.Fatal(err)
			}
			want, exists := shown[wall.Format(layout)]
			if at, _ := got.Time(); exists && !at.Equal(want) {
				t.Fatalf("%s in %s: got %s, want %s", wall.Format(layout), name, at, want)
			}
			if at, _ := got.Time(); !exists && row.Compare(got, before) < 0 {
				t.Fatalf("%s in %s, which clocks never show: got %s, before its predecessor", wall.Format(layout), name, at)
			}
			before = got
		}
	}
}

// TestRenderNeverRoundsUp: what is written like a sample of any shape is read
// as the same instant or an earlier one, and the sample itself comes back.
func TestRenderNeverRoundsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(formats(t)).Draw(t, "format")
		// Two days inside the years 1 to 9999: a zone must not lead out of them.
		at := row.StampAt(time.Unix(rapid.Int64Range(-62135596800+2*86400, 253402300799-2*86400).Draw(t, "sec"), rapid.Int64Range(0, 999999999).Draw(t, "nsec")))
		sample := f.RenderLike(at, shapes(t))
		stamp, err := f.ParseText(sample)
		if err != nil || row.Compare(stamp, at) > 0 {
			t.Fatalf("%q of %v is read as %v, %v", sample, at, stamp, err)
		}
		if unit := f.Unit(); unit > time.Microsecond && row.Compare(stamp.Add(25*time.Hour+2*unit), at) < 0 {
			t.Fatalf("%q lies far before %v", sample, at)
		}
		if again := f.RenderLike(stamp, sample); again != sample {
			t.Fatalf("%q comes back as %q", sample, again)
		}
	})
}

func formats(t *rapid.T) []*row.Format {
	var all []*row.Format
	for _, name := range []string{"rfc3339", "unix", "unix_ms", "date", "2006-01-02 15:04", "2006-01-02T15:04:05.000Z07:00", "2006-01-02 15:04:05 -07", "Jan 2 2006 3:04:05.000000PM"} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 5*3600+1800), time.FixedZone("", -9*3600)} {
			f, err := row.ParseFormat(name, zone)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
	}
	return all
}

// shapes draws a sample in one of the shapes that owners write.
func shapes(t *rapid.T) string {
	rfc := "2024-01-02" + rapid.SampledFrom([]string{"T", "t", " "}).Draw(t, "separator") + "03:04:05" +
		rapid.StringMatching(`|\.[0-9]{1,12}`).Draw(t, "fraction") +
		rapid.SampledFrom([]string{"Z", "z", "+00", "+0530", "-11:00", "+14:00"}).Draw(t, "offset")
	return rapid.SampledFrom([]string{rfc, rfc, "", "17.25", "2024-01-02 03:04:05 +05"}).Draw(t, "sample")
}

// FuzzFormat reads any text in every format: what is read is written back as
// something that is read the same or earlier.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"2024-01-02T03:04:05.123+02:00", "1700000000.5", "-1e-9", "2024-02-29", "Jan 2 2006 3:04PM", "0001-01-01T00:00:00+23:59", "9999-12-31 23:59:60Z", "12345678901234567890"} {
		f.Add(seed)
	}
	var all []*row.Format
	for _, name := range []string{"rfc3339", "unix", "unix_ms", "date", "integer", "2006-01-02 15:04", "2006-01-02T15:04:05.000Z07:00", "Mon, 02 Jan 2006 15:04:05 MST"} {
		all = append(all, format(f, name, "Europe/Berlin"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range all {
			stamp, err := format.ParseText(text)
			if err != nil {
				continue
			}
			written := format.RenderLike(stamp, text)
			back, err := format.ParseText(written)
			if err != nil || row.Compare(back, stamp) > 0 {
				t.Fatalf("%q is read as %v, written as %q, read as %v, %v", text, stamp, written, back, err)
			}
		}
	})
}

// TestTwice finds the stretch that a zone's clocks show twice, from both sides.
func TestTwice(t *testing.T) {
	for _, c := range []struct {
		zone, from string
		length     time.Duration
	}{
		{"Europe/Berlin", "2011-10-30T00:00:00Z", time.Hour},
		{"Australia/Lord_Howe", "2011-04-02T14:30:00Z", 30 * time.Minute},
	} {
		f, from := format(t, "2006-01-02 15:04", c.zone), utc(c.from)
		for at, in := range map[time.Duration]bool{-1: false, 0: true, c.length - 1: true, c.length: true, 2*c.length - 1: true, 2 * c.length: false, 4000 * time.Hour: false} {
			got, length := f.Twice(row.StampAt(from.Add(at)))
			if (length == c.length) != in || in && got != row.StampAt(from) || !in && length != 0 {
				t.Errorf("%s, %v behind its beginning: %v for %v", c.zone, at, got, length)
			}
		}
		offset := format(t, "2006-01-02 15:04 -0700", c.zone)
		if _, length := offset.Twice(row.StampAt(from)); length != 0 {
			t.Errorf("%s: a layout with an offset has %v twice", c.zone, length)
		}
	}
}
