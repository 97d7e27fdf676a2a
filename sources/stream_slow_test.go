package sources_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// slowly is a text, over and over, in reads that take their time.
type slowly struct {
	ctx  context.Context
	text string
	some int // bytes of a read
	each time.Duration
	at   int
}

func (s *slowly) Read(p []byte) (int, error) {
	select {
	case <-time.After(s.each):
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
	n := min(len(p), s.some)
	for i := range n {
		p[i] = s.text[s.at]
		s.at = (s.at + 1) % len(s.text)
	}
	return n, nil
}

// TestMaxTimeBoundsAStream: a walk of one body ends in time, however slowly that
// drips, and though what stands behind a misfit is only read for its syntax.
func TestMaxTimeBoundsAStream(t *testing.T) {
	for name, c := range map[string]struct {
		start, more string
		some        int
		each        time.Duration
	}{
		"drips":           {`{"data":[` + wideRecords(1, 1500), " ", 1, 20 * time.Second},
		"behind a misfit": {`{"data":[7`, ",7", 1 << 20, time.Second},
		"beside the list": {`{"x":[7`, ",7", 1 << 20, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner := pages("")
				owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					resp := answer("")
					resp.ContentLength, resp.TransferEncoding, resp.Request = -1, []string{"chunked"}, r
					resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(c.start), &slowly{ctx: r.Context(), text: c.more, some: c.some, each: c.each}))
					return resp, nil
				})
				start := time.Now()
				err := fails(t, source(t, owner, list(sources.Paging{MaxTime: time.Minute})), snapshot(), syncer.ClassPaging)
				if took := time.Since(start); took > 2*time.Minute || !strings.Contains(err.Error(), "max_time") {
					t.Errorf("took %v: %v", took, err)
				}
			})
		})
	}
}

// TestStreamsStop with whoever asked for them.
func TestStreamsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := pages("")
		owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			resp := answer("")
			resp.ContentLength, resp.Request = -1, r
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":[`+wideRecords(1, 1500)), &slowly{ctx: t.Context(), text: " ", some: 1, each: time.Second}))
			return resp, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last error
		for _, err := range source(t, owner, list(sources.Paging{})).Walk(ctx, snapshot()) {
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Error(last)
		}
	})
}
