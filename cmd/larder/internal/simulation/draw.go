package simulation

import (
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// Draw is the history of a seed: the same one everywhere.
func Draw(seed int) History { return rapid.Custom(draw).Example(seed) }

// draw makes a life whose owner keeps its feed's contract: the overlap is as
// long as a stamp may lie before the moment its record shows.
func draw(t *rapid.T) History {
	h := History{Contract: drawContract(t)}
	drawLog(t, &h)
	drawPolls(t, &h)
	h.settings(t)
	return h
}

// one draws one of several.
func one[T any](t *rapid.T, name string, of ...T) T { return rapid.SampledFrom(of).Draw(t, name) }

// seldom draws a truth once in so many times.
func seldom(t *rapid.T, name string, in int) bool { return rapid.IntRange(1, in).Draw(t, name) == in }

func ms(t *rapid.T, name string, of ...time.Duration) time.Duration {
	return one(t, name, of...) * time.Millisecond
}

func drawContract(t *rapid.T) Contract {
	c := Contract{
		Mode:     one(t, "mode", sources.Incremental, sources.Incremental, sources.Incremental, sources.SnapshotAll, sources.Delta, sources.Log),
		Told:     Plain,
		Order:    sourcetest.ByStamp,
		Page:     rapid.IntRange(1, 4).Draw(t, "page"),
		Takes:    ms(t, "takes", 200, 1000, 4000),
		Gzip:     seldom(t, "gzip", 16),
		Zoned:    seldom(t, "zoned", 6),
		Asks:     one(t, "asks", 0, 0, 0, 3),
		Skew:     one(t, "skew", 0, 0, 0, time.Hour, -time.Hour, 1500*time.Millisecond),
		Granule:  one(t, "granule", time.Microsecond, time.Millisecond, time.Second, time.Second, time.Minute),
		Parts:    one(t, "parts", 1, 1, 1, 2, 3),
		Attempts: one(t, "attempts", 1, 1, 3),
		Shared:   rapid.Bool().Draw(t, "shared"),
		Confirm:  rapid.IntRange(1, 2).Draw(t, "confirm"),
		Slow:     ms(t, "slow", 0, 2503),
		Gather:   rapid.IntRange(1, 8).Draw(t, "gather"),
	}
	switch c.Mode {
	case sources.Incremental:
		c.drawIncremental(t)
	case sources.SnapshotAll:
		c.drawSnapshot(t)
	case sources.Delta:
		c.Tombstones = true
		c.Links = rapid.Bool().Draw(t, "links")
		c.By = one(t, "style", sources.Cursor, sources.NextURL)
		c.Replay = one(t, "replay", 0, 0, 2)
	case sources.Log:
		c.By, c.Tombstones, c.Listed, c.End = sources.Since, true, true, sourcetest.EndNull
		c.Compact = seldom(t, "compact", 3)
	}
	if c.By == sources.Cursor || c.By == sources.NextURL {
		c.End = one(t, "end", sourcetest.EndNull, sourcetest.EndMissing, sourcetest.EndText, sourcetest.EndEmpty)
		c.EmptyEvery = one(t, "empty pages", 0, 0, 0, 2)
		if c.End != sourcetest.EndEmpty { // a page that repeats a record is always full
			c.Again = one(t, "again", 0, 0, 0, 1)
		}
	}
	if c.Told == ShortPage || c.By == sources.Since {
		c.Asks = 0 // a page is judged by what was asked for
	}
	return c
}

// drawIncremental draws how changes are asked for, and how clocks stand.
func (c *Contract) drawIncremental(t *rapid.T) {
	c.By = one(t, "style", sources.None, sources.Cursor, sources.NextURL, sources.Keyset, sources.Keyset, sources.Link, sources.Page, sources.Offset, sources.Since)
	c.Tombstones = !seldom(t, "invisible", 3)
	c.Exclusive = c.By != sources.Since && seldom(t, "exclusive", 3)
	// A page by since asks for what is written, which has to be what is compared.
	c.RoundUp = c.By != sources.Since && c.Granule > time.Microsecond && c.Granule < time.Minute && seldom(t, "round up", 6)
	c.NoDate = seldom(t, "no date", 6)
	c.drawOrder(t)
	c.drawAge(t)
	if c.By == sources.None {
		c.Lines = seldom(t, "lines", 3)
		c.Conditional = !c.Lines && seldom(t, "conditional", 2)
	}
	if seldom(t, "until", 8) && !c.NoDate && c.NodeSkew == 0 && c.By != sources.Since {
		c.Until, c.Listed, c.Conditional = true, true, false
	}
	c.drawTold(t)
}

func (c *Contract) drawOrder(t *rapid.T) {
	switch c.By {
	case sources.None, sources.Keyset, sources.Cursor, sources.NextURL, sources.Link:
		c.Order = one(t, "order", sourcetest.ByStamp, sourcetest.ByID, sourcetest.ByStampDesc)
	case sources.Page, sources.Offset:
		c.Order = one(t, "order", sourcetest.ByID, sourcetest.ByID, sourcetest.ByStampDesc, sourcetest.ByStamp)
	}
	if c.Order == sourcetest.ByID && c.By != sources.Keyset && c.By != sources.None && seldom(t, "shuffled", 4) {
		c.Order = sourcetest.Shuffled
	}
}

// drawAge draws what makes answers older than they seem.
func (c *Contract) drawAge(t *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(t, "age") {
	case 0:
		c.Replica = ms(t, "replica", 1500, 5000)
	case 1:
		c.Cached = ms(t, "cached", 2000, 7000)
	case 2:
		if c.Mode == sources.Incremental && !c.NoDate {
			c.NodeSkew = ms(t, "node skew", -2000, 2000)
		}
	}
}

// drawTold draws what tells the end of paging.
func (c *Contract) drawTold(t *rapid.T) {
	switch c.By {
	case sources.Cursor, sources.NextURL, sources.Link:
		c.Told = one(t, "told", Plain, Plain, Total)
	case sources.Page:
		c.Told = one(t, "told", Plain, ShortPage, Total, Pages, More)
	case sources.Offset:
		c.Told = one(t, "told", Plain, ShortPage, Total, More)
	case sources.Keyset:
		c.Told = one(t, "told", Plain, ShortPage, More)
	}
}

func (c *Contract) drawSnapshot(t *rapid.T) {
	c.By = one(t, "style", sources.None, sources.None, sources.Cursor, sources.NextURL, sources.Keyset, sources.Page, sources.Offset, sources.Link)
	c.drawOrder(t)
	c.drawAge(t)
	if c.By == sources.None {
		c.Lines = seldom(t, "lines", 4)
		c.Conditional = !c.Lines && !seldom(t, "unconditional", 3)
	}
	c.drawTold(t)
}

// settings sets the source to what the owner keeps to.
func (h *History) settings(t *rapid.T) {
	late, shows, ahead := time.Duration(0), time.Duration(0), time.Duration(0)
	for _, c := range h.Log {
		ahead = max(ahead, c.Stamp-c.Visible)
		late = max(late, c.Visible-c.Stamp.Truncate(h.Granule))
		shows = max(shows, c.Visible-c.Commit)
	}
	// A replica that is behind, and a cache, show everything later. How late a
	// cache is it tells by itself.
	h.Lag = shows + h.Replica
	late += h.Replica + h.Cached
	if h.Until {
		h.Settle = one(t, "settle", 0, late/2, late)
	}
	// What is cut off a stamp counts, what is rounded up to, and how far ahead of
	// the others the clock may be that the watermark is bounded by.
	// Settle does not make up for it: the list of a resync has no bound, and
	// changes go on from its watermark.
	h.Overlap = late + 2*h.Granule + max(0, h.NodeSkew)
	if h.By == sources.Since {
		h.Page = h.ties() + 1 + rapid.IntRange(0, 2).Draw(t, "room")
	}
	if h.NoDate { // then the newest stamp bounds it, be it of a clock that is ahead
		h.Overlap += ahead
	}
	h.drawForgetting(t)
}

// ties is the most records that share a stamp, in any moment, or a few more: a
// page by since has to hold them.
func (h *History) ties() int {
	most, of := 0, map[time.Duration]map[int64]bool{}
	for _, c := range h.Log {
		at := c.Stamp.Truncate(h.Granule)
		if of[at] == nil {
			of[at] = map[int64]bool{}
		}
		of[at][id(c.Part, c.Key)] = true
		most = max(most, len(of[at]))
	}
	return most
}

// drawForgetting draws an owner that forgets. Where it does not say so, the
// source knows for how long it can be relied on: for as long as the owner
// remembers, less the longest walk of a history.
func (h *History) drawForgetting(t *rapid.T) {
	if !seldom(t, "forgets", 4) {
		return
	}
	const walk = 3 * time.Minute
	switch {
	case h.Mode == sources.Delta, h.Mode == sources.Log:
		h.Forget = walk
		if h.Mode == sources.Log { // drops events without a word to who is asked for them
			h.Retention = h.Lag + 20*time.Second
			h.Forget = walk + h.Retention
		}
	case h.Mode == sources.Incremental && h.Tombstones && h.Cached == 0:
		h.Retention = h.Overlap + h.Lag + 20*time.Second
		h.Forget = walk + h.Retention
	default:
		return
	}
	h.Polls[rapid.IntRange(1, len(h.Polls)-1).Draw(t, "away")].Wait += h.Forget + time.Minute
}
