package sources_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

func audit() syncer.Walk {
	w := resync()
	w.Kind, w.Audit = syncer.Audit, &syncer.Comparison{}
	return w
}

// An audit asks for everything as a resync does: by its parts where there are
// some, from nothing whatever position it is given.
func TestAuditAsksAsAResync(t *testing.T) {
	var asked []string
	w := audit()
	w.From.Watermark = "s9"
	batches, end := complete(t, source(t, driveOwner(&asked), drive()), w)
	if !end.Listed || !slices.Equal(ids(batches), []string{"1", "2"}) {
		t.Errorf("records %v, end %+v", ids(batches), end)
	}
	if want := []string{"/v1/changes/startPageToken", "/v1/files", "/v1/files?page=p2"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v", asked)
	}
	o := ages(9)
	w = audit()
	w.From.Watermark = truthNewest(o)
	batches, end = complete(t, source(t, quick(o), users(t, sources.Cursor)), w)
	if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" || !end.Listed {
		t.Errorf("end %+v\n%s", end, diff)
	}
}

// An audit goes on where it stood.
func TestAuditResumes(t *testing.T) {
	var asked []string
	first := upTo(t, source(t, driveOwner(&asked), drive()), audit(), 1)
	if r := first[0].Resume; r.Kind != syncer.Audit {
		t.Fatalf("resume %+v", r)
	}
	asked = nil
	batches, end := complete(t, source(t, driveOwner(&asked), drive()), goOn(stored(t, first[0].Resume)))
	if !end.Listed || !slices.Equal(ids(batches), []string{"2"}) || !slices.Equal(asked, []string{"/v1/files?page=p2"}) {
		t.Errorf("records %v, asked %v, end %+v", ids(batches), asked, end)
	}
}

// An audit of a snapshot reads it, whatever has not changed since.
func TestAuditIsUnconditional(t *testing.T) {
	o, spec := conditional(t, sourcetest.Whole)
	s := source(t, quick(o), spec)
	_, end := complete(t, s, snapshot())
	w := audit()
	w.From.Validator = end.Validator
	batches, end := complete(t, s, w)
	if end.Unchanged || !end.Listed || len(ids(batches)) != 3 {
		t.Errorf("records %v, end %+v", ids(batches), end)
	}
	if h := o.Requests()[1].Header; h.Get("If-None-Match") != "" {
		t.Error("the audit was asked conditionally")
	}
}

// An audit says honestly whether it saw everything.
func TestAuditListed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sources.Spec)
		want   bool
	}{
		"everything":   {func(*sources.Spec) {}, true},
		"from initial": {func(s *sources.Spec) { s.Watermark.Initial = "2020-01-01T00:00:00.000000Z" }, false},
		"from a floor": {func(s *sources.Spec) {
			s.Watermark.Initial, s.Floored = "2020-01-01T00:00:00.000000Z", true
		}, true},
		"up to a bound":    {func(s *sources.Spec) { s.Request.Query = append(s.Request.Query, param("until", "{until}")) }, false},
		"records left out": {func(s *sources.Spec) { s.Watermark.Null = sources.NullSkip }, false},
		"a list of its own": {func(s *sources.Spec) {
			s.Resync.Request = &sources.Request{Path: text("/list")}
			s.Paging = sources.Paging{}
		}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := ages(3)
			spec := users(t, sources.Cursor)
			c.change(&spec)
			if _, end := complete(t, source(t, quick(o), spec), audit()); end.Listed != c.want {
				t.Errorf("%s: listed %v", name, end.Listed)
			}
		})
	}
}

// TestFloor: a list that is asked from the first watermark says where it begins,
// in the owner's own form, unless another request lists everything.
func TestFloor(t *testing.T) {
	const initial = "2020-01-01T00:00:00.000000Z"
	floored := func(s *sources.Spec) { s.Watermark.Initial, s.Floored = initial, true }
	for name, c := range map[string]struct {
		change func(*sources.Spec)
		walk   syncer.Walk
		want   string
	}{
		"resync": {floored, resync(), `"` + initial + `"`},
		"audit":  {floored, audit(), `"` + initial + `"`},
		"numbers": {func(s *sources.Spec) {
			floored(s)
			s.Watermark.Format, s.Watermark.Initial = format(t, "integer"), "7"
		}, audit(), "7"},
		"changes":           {floored, syncer.Walk{ID: "c", Kind: syncer.Changes, Sent: time.Now()}, ""},
		"tables cannot say": {func(s *sources.Spec) { floored(s); s.Floored = false }, audit(), ""},
		"up to a bound": {func(s *sources.Spec) {
			floored(s)
			s.Request.Query = append(s.Request.Query, param("until", "{until}"))
		}, audit(), ""},
		"records left out": {func(s *sources.Spec) { floored(s); s.Watermark.Null = sources.NullSkip }, audit(), ""},
		"a list of its own": {func(s *sources.Spec) {
			floored(s)
			s.Resync.Request = &sources.Request{Path: text("/list")}
			s.Paging = sources.Paging{}
		}, audit(), ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := ages(3)
			if name == "numbers" {
				o = ages(0)
			}
			spec := users(t, sources.Cursor)
			c.change(&spec)
			if _, end := complete(t, source(t, quick(o), spec), c.walk); string(end.Floor) != c.want {
				t.Errorf("%s: the list begins at %q, want %q", name, end.Floor, c.want)
			}
		})
	}
}

// TestResyncPartsEditedInMidWalk: a resync or an audit that was asked by other
// parts does not go on; by the same, of other sizes, it does.
func TestResyncPartsEditedInMidWalk(t *testing.T) {
	var asked []string
	for _, w := range []syncer.Walk{resync(), audit()} {
		first := upTo(t, source(t, driveOwner(&asked), drive()), w, 1)
		on := goOn(stored(t, first[0].Resume))
		for name, change := range map[string]func(*sources.Resync){
			"request":   func(r *sources.Resync) { r.Request.Query = append(r.Request.Query, param("q", "x")) },
			"paging":    func(r *sources.Resync) { r.Paging.More = sources.Test{At: "more"} },
			"records":   func(r *sources.Resync) { r.Records.Deleted = "trashed" },
			"watermark": func(r *sources.Resync) { r.Watermark.Place = "token" },
			"before":    func(r *sources.Resync) { r.Before.Query = []sources.Param{param("a", "b")} },
			"none left": func(r *sources.Resync) { *r = sources.Resync{Known: true} },
		} {
			spec := drive()
			change(&spec.Resync)
			if _, err := walk(t, source(t, driveOwner(&asked), spec), on); !isNotResumable(err) {
				t.Errorf("%s of %s: got %v, want ErrNotResumable", name, w.Kind, err)
			}
		}
		spec := drive()
		spec.Resync.Paging.Size, spec.Resync.Paging.MaxPages = 7, 100
		complete(t, source(t, driveOwner(&asked), spec), on)
		on.From.Resume.Cursor = `"p2"` // of parts that nobody noted
		if _, err := walk(t, source(t, driveOwner(&asked), drive()), on); !isNotResumable(err) {
			t.Errorf("got %v, want ErrNotResumable", err)
		}
	}
}

// Formats and zones are parts of a resync, too.
func TestResyncFormatEditedInMidWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(9)
		spec := users(t, sources.Cursor)
		w := spec.Watermark
		spec.Resync = sources.Resync{Known: true, Watermark: &w}
		first := upTo(t, source(t, quick(o), spec), resync(), 1)
		other := w
		other.Ask = format(t, "unix")
		spec.Resync.Watermark = &other
		on := goOn(stored(t, first[0].Resume))
		if _, err := walk(t, source(t, quick(o), spec), on); !isNotResumable(err) {
			t.Errorf("got %v, want ErrNotResumable", err)
		}
		if !strings.HasPrefix(first[0].Resume.Cursor, "~") {
			t.Errorf("cursor %q", first[0].Resume.Cursor)
		}
	})
}
