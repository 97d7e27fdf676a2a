package simulation

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// kept checks, of what each table holds behind a poll, that it has not gone back
// in time, and was not wiped.
func (l *life) kept(reports []syncer.Report) error {
	for i := range l.tables {
		rows := l.rows(i)
		err := l.wiped(i, rows, reports)
		if err == nil && l.versioned() && l.Tombstones {
			err = l.back(i, rows, reports)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// back checks that no key of a table is at an older change than it has been
// before, where records have versions and deletions are told: a node of the
// owner that is behind, and a page that comes late, show what is older, and must
// not take the place of what is newer. Only lists may go back, because their
// records count among themselves.
func (l *life) back(i int, rows map[int64]int, reports []syncer.Report) error {
	if l.newest[i] == nil {
		l.newest[i] = map[int64]int{}
	}
	listed := l.listed(i, reports)
	for key, had := range l.newest[i] {
		held, there := rows[key]
		switch {
		case listed[int(key)/keys]:
			delete(l.newest[i], key)
		case there && l.older(held, had):
			return l.violates(i, key, "goes back with key %d to change %d, which was at %d", key, held, had)
		case !there && !l.Log[had].Gone:
			gone := l.deletion(had)
			if gone < 0 {
				return l.violates(i, key, "goes back to have no key %d, which was at change %d", key, had)
			}
			l.newest[i][key] = gone
		}
	}
	for key, held := range rows {
		if had, known := l.newest[i][key]; !known || held > had {
			l.newest[i][key] = held
		}
	}
	return nil
}

// older reports whether the version of one change is older than that of another
// in whatever way stamps are cut.
func (l *life) older(a, b int) bool {
	return l.Log[a].Stamp+l.Granule <= l.Log[b].Stamp
}

// deletion is the first change behind one that readers see delete its key;
// negative: none.
func (l *life) deletion(at int) int {
	of := l.Log[at]
	for i := at + 1; i < len(l.Log); i++ {
		if c := l.Log[i]; c.Gone && c.Part == of.Part && c.Key == of.Key && c.Visible <= l.clock() {
			return i
		}
	}
	return -1
}

// listed tells which partitions of a table were listed in a poll, or may have
// been.
func (l *life) listed(i int, reports []syncer.Report) map[int]bool {
	out := map[int]bool{}
	for j, part := range l.parts {
		out[j] = l.doubts(stand{i, j})
		for _, r := range reports {
			out[j] = out[j] || r.Partition == part.Name && r.Kind.Listing()
		}
	}
	return out
}

// broke reports whether a walk of a partition did not come to its end: what was
// deleted may be gone, and what was made not be there yet.
func broke(reports []syncer.Report, p syncer.Partition) bool {
	return slices.ContainsFunc(reports, func(r syncer.Report) bool { return r.Partition == p.Name && !r.OK() })
}

// wiped checks that no answer has emptied a partition of a table whose owner has
// shown the same record from the poll's begin on. A walk that was resumed in the
// poll may have passed that record's place before.
func (l *life) wiped(i int, rows map[int64]int, reports []syncer.Report) error {
	since := l.looked - l.Replica - l.Cached
	for _, r := range reports {
		if r.Resumed {
			since = -1
		}
	}
	filled := make([]bool, l.Parts)
	for key := range rows {
		filled[int(key)/keys] = true
	}
	for j, is := range filled {
		if s := (stand{i, j}); l.filled[s] && !is && l.stays(j, since) && !broke(reports, l.parts[j]) {
			return l.violates(i, -1, "is wiped, though the owner of partition %d was never empty", j)
		} else if is {
			l.filled[s] = true
		} else {
			delete(l.filled, s)
		}
	}
	return nil
}

// stays reports whether readers have seen one and the same record of a partition
// since an instant.
func (l *life) stays(part int, since time.Duration) bool {
	for _, at := range l.visible(part) {
		if c := l.Log[at]; !c.Gone && !c.Misfit && c.Visible <= since {
			return true
		}
	}
	return false
}
