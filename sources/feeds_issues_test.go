package sources_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// noPulls takes records whose third slot is null or absent.
type noPulls struct{}

func (noPulls) Holds(slots [][]byte) (bool, error) {
	return slots[2] == nil || string(slots[2]) == "null", nil
}

func githubIssues(t testing.TB) sources.Spec {
	return sources.Spec{
		Name: "issues", Mode: sources.Incremental,
		Request: sources.Request{Path: text("/repos/octocat/Hello-World/issues"), Query: []sources.Param{
			param("state", "all"), param("since", "{since}"), param("sort", "updated"), param("direction", "desc"), param("per_page", "{size}")}},
		Paging:    sources.Paging{By: sources.Link, Size: 3},
		Records:   sources.Records{Key: []string{"id"}},
		Watermark: sources.Watermark{From: []string{"updated_at"}, Format: rfc3339(t), Overlap: time.Minute},
		Paths:     []string{"id", "title", "pull_request"},
	}
}

func issues(t *testing.T, g *feedtest.GitHub) *shelf {
	t.Helper()
	return newShelfOf(t, g, githubIssues(t), func(l *row.Spec) { l.Where = noPulls{} })
}

// TestFeedGitHub: numbered pages that move while they are read, pull requests
// in the same list, closed issues, stamps of whole seconds, and a since that
// includes its own.
func TestFeedGitHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &feedtest.GitHub{Pulls: []string{"k02", "k05"}, Closed: []string{"k03"}}
		g.Put("new", names(1, 10)...)
		time.Sleep(time.Hour)
		s := issues(t, g)
		s.poll(syncer.Resync)
		s.holds("first poll", g.Issues())

		g.Put("edited", names(1, 8)...)
		time.Sleep(time.Minute)
		at := s.asked
		s.between = func(n int) {
			switch n {
			case at + 2: // jumps from the last page to the front, which was read
				g.Put("edited again", "k01")
			case at + 3:
				g.Put("opened", "k20")
			}
		}
		s.poll(syncer.Changes)
		s.between = nil
		time.Sleep(time.Second)
		s.poll(syncer.Changes)
		s.holds("edited while it is read", g.Issues())
		if q := lastAsked(g.Asked()); q.Get("since") == "" || q.Get("state") != "all" {
			t.Errorf("asks %v", q)
		}

		// Two edits within a second, one on each side of a poll.
		g.Put("first", "k06")
		s.poll(syncer.Changes)
		time.Sleep(300 * time.Millisecond)
		g.Put("second", "k06", "k07")
		s.poll(syncer.Changes)
		s.holds("in the same second", g.Issues())
	})
}

// TestFeedGitHubDeletes: what is deleted is in no list of changes. A list of
// everything tells.
func TestFeedGitHubDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &feedtest.GitHub{Pulls: []string{"k02"}}
		g.Put("new", names(1, 7)...)
		time.Sleep(time.Hour)
		s := issues(t, g)
		s.poll(syncer.Resync)
		before := g.Issues()
		g.Delete(names(3, 4)...)
		time.Sleep(time.Hour)
		s.poll(syncer.Changes)
		s.holds("deleted unseen", before)
		if err := order(t, s); err != nil {
			t.Fatal(err)
		}
		s.poll(syncer.Resync)
		s.holds("everything listed", g.Issues())
	})
}

// TestFeedGitHubLimit: an owner who is asked too often says when to come back,
// and the walk goes nowhere.
func TestFeedGitHubLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &feedtest.GitHub{}
		g.Put("new", names(1, 10)...)
		time.Sleep(time.Hour)
		s := issues(t, g)
		s.poll(syncer.Resync)
		g.Put("edited", names(1, 10)...)
		before, left := s.standing().Position.Watermark, 2
		g.Left = &left
		r := s.Poll(t.Context(), time.Time{})[0]
		if r.Failure == nil || r.Failure.Class != syncer.ClassRateLimited || !r.RetryAt.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("asked too often: %+v, again at %s", r.Failure, r.RetryAt)
		}
		if now := s.standing().Position.Watermark; now != before {
			t.Errorf("moves from %s to %s", before, now)
		}
		left = 10
		time.Sleep(time.Hour)
		s.poll(syncer.Changes)
		s.holds("later", g.Issues())
	})
}

// TestFeedGitHubUnchanged: a list of one page that has not changed is answered
// with 304, and proves as much as a whole one.
func TestFeedGitHubUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &feedtest.GitHub{}
		g.Put("new", names(1, 3)...)
		spec := githubIssues(t)
		spec.Mode, spec.Watermark, spec.Paging = sources.SnapshotAll, sources.Watermark{}, sources.Paging{By: sources.None}
		spec.Request.Conditional = true
		s := newShelf(t, g, spec)
		s.poll(syncer.Snapshot)
		s.holds("first poll", g.Truth())
		time.Sleep(time.Hour)
		if r := s.poll(syncer.Snapshot); !r.Unchanged || !s.standing().AsOf.Equal(time.Now()) {
			t.Errorf("quiet poll %+v leaves the copy as of %s", r, s.standing().AsOf)
		}
		g.Put("edited", "k02")
		g.Delete("k03")
		if r := s.poll(syncer.Snapshot); r.Unchanged {
			t.Error("a change is not modified")
		}
		s.holds("changed", g.Truth())
	})
}
