package simulation

import (
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// skips reports whether the paging of a contract can leave a record out, so that
// as-of is not promised in every moment, and what is lost comes back by an
// audit, or by the next poll:
//
// Pages that are counted move when a record that was read goes away, or moves
// behind: in a list, where nothing is told of deletions, and in the order of
// stamps. Only a feed whose records stay in their place, by key or newest
// first, cannot skip one.
//
// Of replicas, and caches, that are behind by turns, one page may show a record
// at its new place, and the next, which is behind that of its old place, not
// yet. Only records that stay in their place are seen then.
func (c *Contract) skips() bool {
	if c.Mode == sources.Delta || c.Mode == sources.Log || c.By == sources.None {
		return false
	}
	stays := c.Order == sourcetest.ByID || c.Order == sourcetest.Shuffled
	if c.Replica > 0 || c.Cached > 0 {
		return c.numbered() || !stays
	}
	if c.numbered() {
		return c.Mode == sources.SnapshotAll || !c.Tombstones || c.Forget > 0 || !stays && c.Order != sourcetest.ByStampDesc
	}
	// Newest first, a record that changes jumps ahead of the walk. The front is
	// read again in feeds that have stamps.
	return c.Mode == sources.SnapshotAll && c.Order == sourcetest.ByStampDesc
}

func (c *Contract) numbered() bool {
	return c.By == sources.Page || c.By == sources.Offset || c.By == sources.Link
}
