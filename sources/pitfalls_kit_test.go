package sources_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// bent is an owner that something stands before: bend answers a request in its
// place and says so, or changes the request. Without bend it is the owner.
type bent struct {
	owner http.Handler
	turn  sync.Mutex
	asked int // since bend was last set
	bend  func(n int, w http.ResponseWriter, r *http.Request) (answered bool)
}

func (b *bent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.turn.Lock()
	b.asked++
	n, bend := b.asked, b.bend
	b.turn.Unlock()
	if bend == nil || !bend(n, w, r) {
		b.owner.ServeHTTP(w, r)
	}
}

// by has bend stand before the owner; nil: nothing does.
func (b *bent) by(bend func(n int, w http.ResponseWriter, r *http.Request) bool) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.asked, b.bend = 0, bend
}

// requests is how many came since bend was last set.
func (b *bent) requests() int {
	b.turn.Lock()
	defer b.turn.Unlock()
	return b.asked
}

// kept is what no failure moves.
type kept struct {
	Position, Validator string
	AsOf, DeletesAsOf   time.Time
}

func (s *shelf) kept() kept {
	s.t.Helper()
	st := s.standing()
	return kept{st.Position.Watermark, st.Position.Validator, st.AsOf, st.DeletesAsOf}
}

func (s *shelf) rows() map[string]string {
	rows := map[string]string{}
	for _, r := range s.memory.Rows("copy", []string{"id", "value"}) {
		rows[r[0]] = r[1]
	}
	return rows
}

// leaves has do fail in a class, move nothing, and take no row away.
func (s *shelf) leaves(what string, do func() *syncer.Failure, class syncer.Class) {
	s.t.Helper()
	held, rows := s.kept(), s.rows()
	if f := do(); f == nil || f.Class != class {
		s.t.Errorf("%s: ends as %+v, want %q", what, f, class)
	}
	if diff := cmp.Diff(held, s.kept()); diff != "" {
		s.t.Errorf("%s: the copy moves (-before +after):\n%s", what, diff)
	}
	now := s.rows()
	for id := range rows {
		if _, ok := now[id]; !ok {
			s.t.Errorf("%s: row %s is deleted", what, id)
		}
	}
}

// fail polls once and says how that failed.
func (s *shelf) fail() *syncer.Failure { return s.Poll(s.t.Context(), time.Time{})[0].Failure }

// heals polls until the copy is what the owner has, a few times at most.
func (s *shelf) heals(what string, o *sourcetest.Owner) {
	s.t.Helper()
	want := map[string]string{}
	for range 4 {
		clear(want)
		for _, r := range o.Truth() {
			want[fmt.Sprint(r.ID)] = r.Name
		}
		if r := s.Poll(s.t.Context(), time.Time{})[0]; r.OK() && cmp.Equal(want, s.rows()) {
			return
		}
	}
	s.holds(what, want)
}

// usersBy is the spec of users in a style and a mode. Paged by {since}, the
// owner pages by nothing but that.
func usersBy(t testing.TB, by sources.Style, mode sources.Mode) sources.Spec {
	spec := users(t, by)
	if spec.Mode = mode; mode == sources.SnapshotAll {
		spec.Request.Query = spec.Request.Query[1:]
		spec.Watermark, spec.Records.Deleted = sources.Watermark{}, ""
		if by == sources.Keyset {
			spec.Paths = append(spec.Paths, "updated_at")
		}
	}
	return spec
}
