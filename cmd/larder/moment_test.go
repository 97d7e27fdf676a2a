package main

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

// Watermarks that are times are shown as such; tokens and counters are not.
func TestMomentOf(t *testing.T) {
	want := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		format    config.Format
		watermark string
		is        bool
	}{
		{config.Format{Name: config.FormatRFC3339}, "2026-11-23T16:00:00Z", true},
		{config.Format{Name: config.FormatUnix}, "1795449600", true},
		{config.Format{Name: config.FormatLayout, Layout: "2006-01-02 15:04", Zone: "Europe/Berlin"}, "2026-11-23 17:00", true},
		{config.Format{Name: config.FormatRFC3339}, "a token of another format", false},
		{config.Format{Name: config.FormatInteger}, "1795449600", false},
		{config.Format{}, "1795449600", false},
	} {
		moment := momentOf(&config.Watermark{Format: test.format})
		var got time.Time
		is := false
		if moment != nil {
			got, is = moment(test.watermark)
		}
		if is != test.is || is && !got.Equal(want) {
			t.Errorf("%+v %q: %v %t", test.format, test.watermark, got, is)
		}
	}
	if momentOf(nil) != nil {
		t.Error("a source without a watermark has moments")
	}
}
