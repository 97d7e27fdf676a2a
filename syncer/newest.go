package syncer

import "time"

// StartsOver reports whether a walk's End.Newest takes the place of what was
// kept before, because it saw the owner's history from its beginning: unless a
// part of the walk was seen by a process before this one.
func (w Walk) StartsOver(end *End) bool {
	return (w.Kind == Resync || w.Kind == Snapshot) && w.From.Resume == nil && !end.Unchanged
}

// NewestAfter is Standing.Newest behind a walk. What is newer than the start of
// a list was told by changes beside it, which the list need not have.
func NewestAfter(held time.Time, w Walk, end *End, now time.Time) time.Time {
	if held.After(now) {
		held = now // the clock was set back
	}
	if w.StartsOver(end) && !held.After(w.Sent) || end.Newest.After(held) {
		return end.Newest
	}
	return held
}
