package simulation

import (
	"time"

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
	if c.ages() {
		return c.numbered() || !stays
	}
	if c.numbered() {
		return c.Mode == sources.SnapshotAll || !c.Tombstones || c.Forget > 0 || !stays && (c.Order != sourcetest.ByStampDesc || c.late() > c.Granule)
	}
	// Newest first, a record that changes jumps ahead of the walk. In feeds that
	// have stamps the front is read again, down to the newest that was seen: what
	// comes late, with an older stamp, jumps in behind that.
	return c.Order == sourcetest.ByStampDesc && (c.Mode == sources.SnapshotAll || c.late() > c.Granule)
}

// ages reports whether an answer may be older than one before it. What does not
// fit is then forgotten when an older record of its key is read: owners that
// write such records do not age.
func (c *Contract) ages() bool { return c.Replica > 0 || c.Cached > 0 }

// late is how far a stamp may lie before the moment its record shows.
func (c *Contract) late() time.Duration { return c.Overlap - 2*c.Granule - max(0, c.NodeSkew) }

func (c *Contract) numbered() bool {
	return c.By == sources.Page || c.By == sources.Offset || c.By == sources.Link
}
