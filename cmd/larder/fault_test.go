//go:build unix

package main_test

import (
	"maps"
	"sync"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// faultStory is one kind of fault, which comes at places of a walk.
type faultStory func(t *testing.T, program string)

// A fault comes while a daemon walks and its owner writes all the time. While it
// lasts, the rows bear out what SQL and status claim, and the daemon says what
// is wrong; when it is over, the same daemon goes on by itself, and the copy
// becomes what its owner holds. Each story draws one place of a walk, and plays
// at all of them if all kills are asked for. Most of it is waiting, so all
// stories run at once, however few processors there are.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("faults take their time, and the race detector does not see the daemons")
	}
	t.Parallel()
	program := killtest.Build(t)
	stories := map[string]faultStory{
		"the server crashes, Postgres":                 restarts("crashes", (*postgrestest.Server).Stop),
		"the server is shut down, Postgres":            restarts("is shut down", (*postgrestest.Server).Shut),
		"the server becomes a standby, Postgres":       becomesStandby,
		"the database is read-only, Postgres":          readOnlyByDefault,
		"the server's disk is full, Postgres":          serverIsFull,
		"connections are cut, Postgres":                connectionsAreCut,
		"answers are lost, cut, late and out of order": roughWire,
		"the table is altered in mid walk, Postgres":   alterations(newPostgresRig, alterPostgres, inPostgres()),
		"the table is altered in mid walk, SQLite":     alterations(newSQLiteRig, alterSQLite, anywhere()),
	}
	maps.Copy(stories, underTrace())
	var all sync.WaitGroup
	for name, play := range stories {
		all.Go(func() { t.Run(name, func(t *testing.T) { play(t, program) }) })
	}
	all.Wait()
}
