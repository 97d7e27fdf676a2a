package simulation

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

var errKilled = errors.New("killed")

// styles are how the owner pages.
func style(by sources.Style) sourcetest.Style {
	switch by {
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
	}
	return sourcetest.Whole
}

// keys is how far apart the keys of two partitions are.
const keys = 1000

func id(part, key int) int64 { return int64(part*keys + key) }

// owners make the service of each partition, with its whole log: what is not
// visible yet nobody sees.
func (l *life) owners() {
	for range l.Parts {
		l.services = append(l.services, &sourcetest.Owner{
			Style: style(l.By), Order: l.Order, PageSize: l.Page, Tombstones: l.Tombstones, Fault: faultOf,
			Paging: sourcetest.Paging{Totals: true}, Cache: sourcetest.Cache{ETags: l.Conditional},
			Clock: sourcetest.Clock{NoDate: l.NoDate, Skew: l.Skew}, Wire: sourcetest.Wire{Layout: l.layout()},
		})
	}
	for i, c := range l.Log {
		name := strconv.Itoa(i)
		if c.Misfit {
			name = "misfit"
		}
		at := func(d time.Duration) time.Time { return l.start.Add(d + l.Skew) }
		l.services[c.Part].Commit(sourcetest.Change{ID: id(c.Part, c.Key), Part: strconv.Itoa(c.Part), Name: name, Gone: c.Gone,
			Stamp: at(c.Stamp), Commit: at(c.Commit), Visible: at(c.Visible)})
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
	fault, err := c.asked(r)
	if err != nil {
		return nil, err
	}
	if err := pass(r.Context(), c.Takes/2); err != nil {
		return nil, err
	}
	part, _ := strconv.Atoi(r.URL.Query().Get("part"))
	asked := r.WithContext(context.WithValue(r.Context(), faultKey{}, fault))
	resp, err := c.services[part%c.Parts].Transport().RoundTrip(asked)
	if err == nil {
		err = pass(r.Context(), c.Takes/2)
	}
	if err != nil {
		return nil, err
	}
	return resp, c.answered()
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
