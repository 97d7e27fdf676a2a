package simulation

import "github.com/larder-sync/larder/syncer"

// Where records have versions and deletions are told, no table goes back in
// time: a node of the owner that is behind, and a page that comes late, show
// what is older, and must not take the place of what is newer. Only lists may,
// because they count among themselves.

// back checks that no key of a table is at an older change than it has been
// before.
func (l *life) back(reports []syncer.Report) error {
	if !l.versioned() || !l.Tombstones {
		return nil
	}
	for i := range l.tables {
		if l.newest[i] == nil {
			l.newest[i] = map[int64]int{}
		}
		rows := l.rows(i)
		listed := l.listed(i, reports)
		for key, had := range l.newest[i] {
			held, there := rows[key]
			switch {
			case listed[int(key)/keys]:
			case there && l.older(held, had):
				return l.violates(i, key, "goes back with key %d to change %d, which was at %d", key, held, had)
			case !there && !l.Log[had].Gone:
				gone := l.deletion(had)
				if gone < 0 {
					return l.violates(i, key, "goes back to have no key %d, which was at change %d", key, had)
				}
				l.newest[i][key] = gone
				continue
			case !there:
				continue
			}
			delete(l.newest[i], key)
		}
		for key, held := range rows {
			l.newest[i][key] = max(held, l.newest[i][key])
		}
	}
	return nil
}

// older reports whether the version of one change is older than that of another
// in whatever way stamps are cut.
func (l *life) older(a, b int) bool {
	return l.Log[a].Stamp+l.Granule <= l.Log[b].Stamp
}

// deletion is the first change behind one that deletes its key; negative: none.
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
// been: whoever is in doubt, or was killed, does not say.
func (l *life) listed(i int, reports []syncer.Report) map[int]bool {
	out := map[int]bool{}
	for j, part := range l.parts {
		out[j] = l.doubt[stand{i, j}] != 0
		for _, r := range reports {
			out[j] = out[j] || r.Partition == part.Name && r.Kind.Listing()
		}
	}
	return out
}

// wiped checks that no answer has emptied a partition of a table whose owner has
// had a record all the time.
func (l *life) wiped(reports []syncer.Report) error {
	since := l.looked - l.Replica - l.Cached
	for _, r := range reports {
		if r.Resumed {
			since = -1 // it has seen what was there when it began
		}
	}
	for j := range l.parts {
		stays := false
		for _, at := range l.visible(j) {
			stays = stays || !l.Log[at].Gone && l.Log[at].Visible <= since
		}
		for i := range l.tables {
			n := 0
			for key := range l.rows(i) {
				if int(key)/keys == j {
					n++
				}
			}
			s := stand{i, j}
			if n == 0 && l.filled[s] && stays {
				return l.violates(i, -1, "is wiped, though the owner of partition %d was never empty", j)
			}
			if l.filled == nil {
				l.filled = map[stand]bool{}
			}
			l.filled[s] = n > 0
		}
	}
	return nil
}
