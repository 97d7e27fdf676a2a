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
	h.Polls = rapid.SliceOfN(rapid.Custom(drawPoll), 3, 8).Draw(t, "polls")
	return h
}

func drawContract(t *rapid.T) Contract {
	return Contract{
		Mode:       sources.Incremental,
		By:         rapid.SampledFrom([]sources.Style{sources.Cursor, sources.Keyset, sources.NextURL}).Draw(t, "style"),
		End:        Plain,
		Order:      rapid.SampledFrom([]sourcetest.Order{sourcetest.ByStamp, sourcetest.ByID}).Draw(t, "order"),
		Page:       rapid.IntRange(1, 4).Draw(t, "page"),
		Takes:      ms(t, "takes", 200, 1000, 4000),
		Granule:    time.Second,
		Tombstones: true,
		Parts:      rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "parts"),
		Attempts:   rapid.SampledFrom([]int{1, 1, 2}).Draw(t, "attempts"),
		Shared:     rapid.Bool().Draw(t, "shared"),
		Confirm:    rapid.IntRange(1, 2).Draw(t, "confirm"),
		Slow:       ms(t, "slow", 0, 2503),
		Gather:     rapid.IntRange(1, 8).Draw(t, "gather"),
	}
}

func ms(t *rapid.T, name string, of ...time.Duration) time.Duration {
	return rapid.SampledFrom(of).Draw(t, name) * time.Millisecond
}

// write is a change as it is drawn, in milliseconds from the one before it.
type write struct {
	after, lasts, hides time.Duration
	key, part           int
	gone                bool
}

func drawWrite(t *rapid.T) write {
	return write{
		after: ms(t, "after", 0, 111, 700, 700, 3000),
		lasts: ms(t, "lasts", 0, 0, 13, 1507, 6007),
		hides: ms(t, "hides", 0, 0, 907, 2003),
		key:   rapid.IntRange(1, 8).Draw(t, "key"),
		part:  rapid.IntRange(0, 5).Draw(t, "part"),
		gone:  rapid.IntRange(0, 4).Draw(t, "gone") == 4,
	}
}

func drawLog(t *rapid.T, h *History) {
	last := map[int64]Change{}
	now := time.Duration(0)
	quick := rapid.Bool().Draw(t, "quick") // shows what it writes at once, so that overlaps are short
	for _, w := range rapid.SliceOfN(rapid.Custom(drawWrite), 20, 32).Draw(t, "writes") {
		now += w.after
		if quick {
			w.lasts, w.hides = 0, 0
		}
		part := w.part % h.Parts
		before, known := last[id(part, w.key)]
		// A writer waits for the one before it on the same row.
		begun := max(now, before.Commit)
		c := Change{Part: part, Key: w.key, Gone: w.gone && known && !before.Gone, Stamp: begun, Commit: begun + w.lasts}
		c.Visible = max(c.Commit+w.hides, before.Visible)
		h.Overlap, h.Lag = max(h.Overlap, c.Visible-c.Stamp.Truncate(h.Granule)), max(h.Lag, c.Visible-c.Commit)
		last[id(part, w.key)] = c
		h.Log = append(h.Log, c)
	}
	h.Overlap += h.Granule
}

func drawPoll(t *rapid.T) Poll {
	return Poll{
		Wait:   ms(t, "wait", 0, 17, 1003, 1003, 4001, 15013),
		Before: rapid.SampledFrom([]Before{Quiet, Quiet, Quiet, Quiet, NotesLost, Resynced, Restarted}).Draw(t, "before"),
		Table:  rapid.IntRange(0, 1).Draw(t, "table"),
		Beside: rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "beside"),
		Audit:  rapid.SampledFrom([]Audit{Unaudited, Unaudited, Unaudited, Unaudited, Looks, Repairs}).Draw(t, "audit"),
		Fault:  drawFault(t),
	}
}

func drawFault(t *rapid.T) Fault {
	f := Fault{
		Kind:  rapid.SampledFrom([]FaultKind{None, None, Kill, KillAsking, Answer, Answer, TableFails, LeaseLost, Stop}).Draw(t, "fault"),
		Table: rapid.IntRange(0, 1).Draw(t, "table"),
		At:    rapid.IntRange(1, 5).Draw(t, "at"),
	}
	switch f.Kind {
	case Kill, TableFails:
		f.Step = rapid.SampledFrom([]string{"begin", "commit", "committed"}).Draw(t, "step")
	case KillAsking:
		f.Step = rapid.SampledFrom([]string{"asking", "answered"}).Draw(t, "step")
	case Answer:
		f.Step = rapid.SampledFrom(answers()).Draw(t, "answer")
	}
	return f
}
