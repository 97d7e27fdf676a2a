package sources_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// every is a schedule of equal steps.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Truncate(time.Duration(e)).Add(time.Duration(e)) }

// Records that are deleted without a word: a poll cannot see it and proves no
// deletions, the audit that is due next does, and takes the rows away.
func TestPitfallHardDeletes(t *testing.T) {
	const interval = time.Hour
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3}
		o.Put("row", sequence(1, 8)...)
		s := newShelfOf(t, o, users(t, sources.Cursor), func(l *row.Spec) { l.Budget.Deletes = interval + 10*time.Minute })
		s.Audit = &syncer.AuditPlan{Schedule: every(interval), Compare: syncer.CompareAll, Repair: true, Samples: 1}
		s.Persist = 3 * time.Minute
		r := &syncer.Runner{Feeds: []*syncer.Scheduled{{Feed: s.Feed, Schedule: every(5 * time.Minute)}}, Log: zerolog.Nop(), Concurrency: 2,
			Consumers: []*syncer.Consumer{{Lease: s.daemon, Inbox: s.daemon, Copies: s.Copies}}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(interval + 20*time.Minute)
		s.has("before", o)
		o.Delete(1, 4, 8)
		deleted := time.Now()
		time.Sleep(20 * time.Minute)
		if rows := len(s.memory.Rows("copy", []string{"id"})); rows != 8 {
			t.Errorf("%d rows: the deletions are seen, the trap is not set", rows)
		}
		if at := s.standing(); !at.AsOf.After(deleted) || at.DeletesAsOf.After(deleted) {
			t.Errorf("as-of %v, of deletions %v, which happened at %v", at.AsOf, at.DeletesAsOf, deleted)
		}
		time.Sleep(interval - 10*time.Minute)
		s.has("an audit later", o)
		if at := s.standing(); !at.DeletesAsOf.After(deleted) {
			t.Errorf("as-of of deletions %v after the audit, which happened at %v", at.DeletesAsOf, deleted)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Tombstones that the owner tells of for fifteen days, and a consumer that is
// away for twenty: with the retention configured everything is listed, and what
// is gone is swept; without, the rows stay for ever.
func TestPitfallPurgedTombstones(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		retention, away time.Duration
		kind            syncer.WalkKind
		right           bool
	}{
		"back in time":             {15 * day, 14 * day, syncer.Changes, true},
		"too late":                 {15 * day, 20 * day, syncer.Resync, true},
		"too late, and never told": {0, 20 * day, syncer.Changes, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true, Memory: sourcetest.Memory{Tombstones: 15 * day}}
				o.Put("row", sequence(1, 8)...)
				time.Sleep(time.Minute)
				s := shelve(t, o, users(t, sources.Cursor))
				s.Retention = c.retention
				s.poll(syncer.Resync)
				time.Sleep(time.Minute)
				o.Delete(2, 3, 7)
				o.Put("changed", 4)
				time.Sleep(c.away)
				s.poll(c.kind)
				if rows := len(s.memory.Rows("copy", []string{"id"})); (rows == 5) != c.right {
					t.Errorf("%d rows", rows)
				}
				if c.right {
					s.has("back again", o)
				}
			})
		})
	}
}

// Tokens that expire, told by each status and code that owners use for it, on the
// first page and in mid walk: everything is listed anew and swept, the rows of
// before can be read meanwhile, and the token that follows is of before the list.
func TestPitfallExpiredTokens(t *testing.T) {
	coded := func(status int, code string) *sourcetest.Fault {
		return &sourcetest.Fault{Status: status, Body: fmt.Sprintf(`{"error":{"code":%q}}`, code)}
	}
	for _, refusal := range []*sourcetest.Fault{
		coded(410, "expired"), coded(412, "expired"), coded(404, "expired"), coded(409, "expired"), coded(422, "expired"),
		coded(400, "expired"), coded(200, "expired"),
	} {
		for page := 1; page <= 3; page++ {
			t.Run(fmt.Sprintf("%d on page %d", refusal.Status, page), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: sourcetest.Delta, PageSize: 2, Memory: sourcetest.Memory{Refusal: refusal}}
					o.Put("first", sequence(1, 7)...)
					spec := deltaUsers()
					spec.Expired = sources.Expired{Status: []int{refusal.Status}, At: "error.code", Equals: []string{`"expired"`}}
					s := newShelfOf(t, o, spec, func(*row.Spec) {})
					s.poll(syncer.Resync)
					o.Put("changed", 1, 2, 3, 4)
					o.Delete(5, 6)
					time.Sleep(time.Minute)
					at, rows := len(o.Requests()), 7
					o.Between = func(n int) {
						switch {
						case n == at+page:
							o.Delete(7) // and nobody will tell
							o.Expire()
						case n == at+page+2:
							o.Put("beside the list", 2, 8)
						}
						if n > at+page {
							rows = min(rows, len(s.memory.Rows("copy", []string{"id"})))
						}
					}
					s.poll(syncer.Resync)
					if rows < 4 {
						t.Errorf("only %d rows can be read meanwhile", rows)
					}
					o.Between = nil
					s.poll(syncer.Changes)
					s.has("after the list", o)
				})
			})
		}
	}
}

// deltaUsers is the spec of an owner that hands out tokens.
func deltaUsers() sources.Spec {
	return sources.Spec{
		Name: "users", Mode: sources.Delta,
		Request: sources.Request{Path: text("/users"), Query: []sources.Param{param("token", "{since}")},
			Later: sources.Later{Query: []sources.Param{param("token"), param("cursor", "{cursor}")}}},
		Paging:    sources.Paging{By: sources.Cursor, Next: "meta.next_cursor"},
		Records:   sources.Records{At: "data", Key: []string{"id"}, Deleted: "deleted_at"},
		Watermark: sources.Watermark{Place: "meta.token", Opaque: sources.Token},
		Resync:    sources.Resync{Known: true},
		Paths:     []string{"id", "name"},
	}
}

// An owner that goes back to a backup and gives its numbers out again: told by
// its epoch, by a number that falls, or by a token that it refuses. What came
// after the backup goes, and what has the numbers of before is read.
func TestPitfallRestoredOwner(t *testing.T) {
	logged := func(epoch sources.Epoch) sources.Spec {
		return sources.Spec{
			Name: "users", Mode: sources.Log, Epoch: epoch,
			Request:   sources.Request{Path: text("/users"), Query: []sources.Param{param("after", "{since}")}},
			Paging:    sources.Paging{By: sources.Since},
			Records:   sources.Records{At: "data", Key: []string{"id"}, Deleted: "deleted_at"},
			Watermark: sources.Watermark{Last: "seq", Format: format(t, "integer")},
			Resync: sources.Resync{Known: true,
				Request:   &sources.Request{Path: text("/users"), Query: []sources.Param{param("list", "1"), param("cursor", "{cursor}")}},
				Paging:    &sources.Paging{By: sources.Cursor, Next: "meta.next_cursor"},
				Watermark: &sources.Watermark{Place: "meta.head", Format: format(t, "integer")}},
			Paths: []string{"id", "name"},
		}
	}
	delta := deltaUsers()
	delta.Expired = sources.Expired{Status: []int{http.StatusGone}}
	blind := deltaUsers()
	blind.Epoch = sources.Epoch{At: "meta.epoch"}
	for name, c := range map[string]struct {
		style sourcetest.Style
		spec  sources.Spec
		blind bool
	}{
		"tokens that are refused":          {sourcetest.Delta, delta, false},
		"tokens, with an epoch":            {sourcetest.Delta, blind, true},
		"numbers, with an epoch":           {sourcetest.Log, logged(sources.Epoch{At: "meta.epoch"}), false},
		"numbers, of which the head falls": {sourcetest.Log, logged(sources.Epoch{At: "meta.head", Falling: true}), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: c.style, PageSize: 3, Sequence: sourcetest.Sequence{Epoch: true, Blind: c.blind}}
				o.Put("first", sequence(1, 6)...)
				time.Sleep(time.Minute)
				backup := o.Now()
				time.Sleep(time.Minute)
				s := newShelf(t, o, c.spec)
				s.poll(syncer.Resync)
				o.Put("after the backup", 1, 2, 7, 8)
				o.Delete(6)
				time.Sleep(time.Minute)
				s.poll(syncer.Changes)
				s.has("before the restore", o)

				o.Restore(backup)
				time.Sleep(time.Minute)
				o.Put("after the restore", 3, 9)
				time.Sleep(time.Minute)
				s.poll(syncer.Resync)
				s.has("after the restore", o)
				o.Put("later", 4)
				time.Sleep(time.Minute)
				s.poll(syncer.Changes)
				s.has("later", o)
			})
		})
	}
}
