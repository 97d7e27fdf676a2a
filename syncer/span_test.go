package syncer_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
)

func TestSpan(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		d          time.Duration
		span, full string
	}{
		{-time.Second, "0s", "0s"},
		{0, "0s", "0s"},
		{999 * time.Microsecond, "0s", "0s"},
		{312*time.Millisecond + 400*time.Microsecond, "312ms", "312ms"},
		{1999 * time.Millisecond, "1s", "1s999ms"},
		{54 * time.Second, "54s", "54s"},
		{61 * time.Second, "1m1s", "1m1s"},
		{2*time.Minute + 58*time.Second, "2m58s", "2m58s"},
		{15 * time.Minute, "15m", "15m"},
		{time.Hour + 59*time.Second, "1h", "1h59s"},
		{4*time.Hour + 30*time.Minute + 20*time.Second, "4h30m", "4h30m20s"},
		{28 * time.Hour, "28h", "28h"},
		{2*day - time.Second, "47h59m", "47h59m59s"},
		{3 * day, "3d", "3d"},
		{3*day + time.Second, "3d", "3d1s"},
		{3*day + 59*time.Minute, "3d", "3d59m"},
		{3*day + 4*time.Hour + time.Minute, "3d4h", "3d4h1m"},
	} {
		if got := syncer.Span(test.d); got != test.span {
			t.Errorf("span of %v is %q, want %q", test.d, got, test.span)
		}
		if got := syncer.FullSpan(test.d); got != test.full {
			t.Errorf("full span of %v is %q, want %q", test.d, got, test.full)
		}
	}
}

func TestSpanOver(t *testing.T) {
	for _, test := range []struct {
		d, limit time.Duration
		want     string
	}{
		{23 * time.Minute, 15 * time.Minute, "23m"},
		{60*time.Second + 300*time.Millisecond, time.Minute, "1m1s"},
		{15*time.Minute + time.Nanosecond, 15 * time.Minute, "15m1s"},
		{4*time.Hour + 30*time.Minute + 20*time.Second, 4*time.Hour + 30*time.Minute, "4h30m20s"},
		{72*time.Hour + 90*time.Second, 72 * time.Hour, "3d1m30s"},
		{time.Minute, time.Minute, "1m"},
	} {
		if got := syncer.SpanOver(test.d, test.limit); got != test.want {
			t.Errorf("%v over %v is %q, want %q", test.d, test.limit, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := time.Duration(rapid.Int64Range(1, int64(1000*time.Hour)/int64(time.Second)).Draw(t, "limit")) * time.Second
		d := limit + time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "over"))
		if got := syncer.SpanOver(d, limit); got == syncer.Span(limit) {
			t.Fatalf("%v reads as its limit %v: %q", d, limit, got)
		}
	})
}
