package simulation

import (
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

var errKilled = errors.New("killed")

// style is how the owner pages.
func (c *Contract) style() sourcetest.Style {
	switch {
	case c.Mode == sources.Delta:
		return sourcetest.Delta
	case c.Mode == sources.Log:
		return sourcetest.Log
	case c.Lines:
		return sourcetest.Lines
	}
	switch c.By {
	case sources.Cursor:
		return sourcetest.Cursor
	case sources.NextURL:
		return sourcetest.NextURL
	case sources.Link:
		return sourcetest.Link
	case sources.Page:
		return sourcetest.Page
	case sources.Offset:
		return sourcetest.Offset
	case sources.Keyset:
		return sourcetest.Keyset
	case sources.Since:
		return sourcetest.Since
	}
	return sourcetest.Whole
}

// keys is how far apart the keys of two partitions are.
const keys = 1000

func id(part, key int) int64 { return int64(part*keys + key) }

// newOwner makes the owner, with its whole log: what is not visible yet nobody
// sees.
func (l *life) newOwner() {
	c := &l.Contract
	l.owner = &sourcetest.Owner{
		Style: c.style(), Order: c.Order, PageSize: c.Page, Tombstones: c.Tombstones, Fault: faultOf,
		Wire:     sourcetest.Wire{Layout: c.layout(), RoundUp: c.RoundUp, Exclusive: c.Exclusive, UntilInclusive: c.Until && !c.Exclusive, Gzip: c.Gzip},
		Paging:   sourcetest.Paging{End: c.End, Totals: c.Told != Plain && c.Told != ShortPage, EmptyEvery: c.EmptyEvery, Again: c.Again},
		Clock:    sourcetest.Clock{NoDate: c.NoDate, Skew: c.Skew},
		Cache:    sourcetest.Cache{ETags: c.Conditional},
		Memory:   sourcetest.Memory{Cursors: c.Forget, Tokens: c.Forget, Tombstones: c.Forget, Events: c.Forget, Compact: c.Compact},
		Sequence: sourcetest.Sequence{Replay: c.Replay, Epoch: true},
	}
	if c.Zoned {
		l.owner.Wire.Zone = time.FixedZone("", 5*3600+1800)
	}
	if c.Replica > 0 || c.NodeSkew > 0 {
		l.owner.Clock.Nodes = []sourcetest.Node{{}, {Lag: c.Replica, Skew: c.NodeSkew}, {Lag: c.Replica / 2}}
	}
	if c.Cached > 0 {
		l.owner.Cache.Shared = []time.Duration{0, c.Cached, 0}
	}
	l.commit(0)
}

// commit hands the owner those changes that are committed behind an instant.
func (l *life) commit(behind time.Duration) {
	at := func(d time.Duration) time.Time { return l.start.Add(d + l.Skew) }
	for i, c := range l.Log {
		if c.Commit < behind {
			continue
		}
		out := sourcetest.Change{ID: id(c.Part, c.Key), Name: strconv.Itoa(i), Gone: c.Gone,
			Stamp: at(c.Stamp.Truncate(l.Granule)), Commit: at(c.Commit), Visible: at(c.Visible)}
		if i%5 == 0 {
			out.Extra = `"more":[1e400,"\ud83e\udd55"]`
		}
		if l.RoundUp {
			out.Stamp = at(c.Stamp)
		}
		if l.Parts > 1 {
			out.Part = strconv.Itoa(c.Part)
		}
		if c.Misfit {
			out.Misfit = `{"no":"number"}`
		}
		l.owner.Commit(out)
	}
}

// carrier brings requests to the owner, counts them, and strikes.
type carrier struct{ *life }

func (l *life) transport() http.RoundTripper {
	var t http.RoundTripper = carrier{l}
	if l.seams.Transport != nil {
		t = l.seams.Transport(t)
	}
	return t
}

// RoundTrip implements http.RoundTripper: the owner reads half-way through the
// time that an answer takes.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := pass(r.Context(), moment(r.URL)); err != nil {
		return nil, err
	}
	fault, err := c.asked(r)
	if err != nil {
		return nil, err
	}
	if err := pass(r.Context(), c.Takes/2); err != nil {
		return nil, err
	}
	asked := r
	if fault != nil {
		asked = r.WithContext(context.WithValue(r.Context(), faultKey{}, fault))
	}
	resp, err := c.owner.Transport().RoundTrip(asked)
	if err == nil {
		err = pass(r.Context(), c.Takes/2)
	}
	if err != nil {
		return nil, err
	}
	return resp, c.answered()
}

// moment lets requests that are sent at the same time take turns, so that a
// history always runs the same way.
func moment(u *url.URL) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(u.RawQuery))
	return time.Duration(h.Sum32()%997) * time.Microsecond
}

// faultKey finds a request's fault in its context.
type faultKey struct{}

func faultOf(_ int, r *http.Request) *sourcetest.Fault {
	f, _ := r.Context().Value(faultKey{}).(*sourcetest.Fault)
	return f
}

// pass lets time go by, or until ctx ends.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
