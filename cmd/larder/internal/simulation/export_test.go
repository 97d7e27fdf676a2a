package simulation

import (
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// InMemory is the table in memory behind one that Seams.Table was given.
func InMemory(t syncer.Table) *syncertest.MemoryTable {
	return t.(*table).Table.(*syncertest.MemoryTable)
}
