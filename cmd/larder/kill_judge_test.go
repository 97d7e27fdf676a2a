//go:build unix

package main_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// A copy that a kill had spoilt would be seen: what a wrong larder could leave is
// planted, and the judge objects to each by its kind.
func TestJudgeOfKillsObjects(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	const lost, stale, deleted = `delete from users where id = 7`, `update users set name = 'not so' where id = 8`,
		`insert into users (id, name, amount, updated_at) select 1000001, name, amount, updated_at from users where id = 9`
	for name, planted := range map[string]struct {
		newRig func(*testing.T, string) (*rig, string)
		// twice is how a key comes to be there twice, and ahead and cursor what
		// moves a position.
		twice, ahead, watermark, cursor string
	}{
		"Postgres": {newPostgresRig,
			`alter table users drop constraint users_pkey; insert into users select * from users where id = 7`,
			`update larder.watermark set as_of = now() + interval '1 minute', deletes_as_of = now()`,
			`update larder.watermark set watermark = '2025-01-01T00:00:00Z'`,
			`update larder.watermark set resume = '{"cursor":"\"never\""}'`},
		"SQLite": {newSQLiteRig,
			`create table made as select * from users; drop table users; alter table made rename to users; insert into users select * from users where id = 7`,
			`update larder_watermark set as_of = unixepoch() + 60`,
			`update larder_watermark set watermark = '2025-01-01T00:00:00Z'`,
			`update larder_watermark set resume = '{"cursor":"\"never\""}'`},
	} {
		for _, plant := range []struct {
			name, sql string
			// changes says that the owner commits what is not polled.
			changes bool
			want    killtest.Kind
		}{
			{"nothing", "", false, ""},
			{"a row removed behind the position", lost, false, killtest.Ahead},
			{"a row removed", lost, false, killtest.Lost},
			{"an old row", stale, false, killtest.Lost},
			{"a row that its owner does not have", deleted, false, killtest.Lost},
			{"a row that its owner never had", deleted, false, killtest.Odd},
			{"a row doubled", planted.twice, false, killtest.Doubled},
			{"as-of ahead", planted.ahead, true, killtest.Ahead},
			{"a watermark ahead", planted.watermark, true, killtest.Ahead},
			{"a place that was never handed out", planted.cursor, false, killtest.Odd},
		} {
			t.Run(name+"/"+plant.name, func(t *testing.T) {
				t.Parallel()
				r, _ := planted.newRig(t, program)
				r.fill()
				if plant.changes {
					r.owner.Mutate(fewChanges)
				}
				if plant.sql != "" {
					if err := r.consumer.Exec(t.Context(), plant.sql); err != nil {
						t.Fatal(err)
					}
				}
				if found := r.judged(); plant.want == "" && len(found) > 0 || plant.want != "" && !slices.Contains(found, plant.want) {
					t.Errorf("judge finds %q, want %q", found, plant.want)
				}
			})
		}
	}
}

// judged are the kinds of all that is wrong with the copy.
func (r *rig) judged() (kinds []killtest.Kind) {
	r.Helper()
	s, err := r.consumer.State(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	for _, err := range []error{r.owner.Position(s), r.owner.Equal(s)} {
		if v, ok := errors.AsType[*killtest.Violation](err); ok {
			for kind := range v.Findings {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}
