package syncertest

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// drawHistory draws a life whose owner keeps its feed's contract: the overlap
// is as long as a stamp may lie before the moment its record shows.
func drawHistory(t *rapid.T) History {
	h := History{
		Feed: Feed{
			Snapshot:  rapid.Bool().Draw(t, "snapshot"),
			ByKey:     rapid.Bool().Draw(t, "by key"),
			Resumable: rapid.Bool().Draw(t, "resumable"),
			Invisible: rapid.Bool().Draw(t, "invisible"),
			Page:      rapid.IntRange(1, 3).Draw(t, "page"),
			Takes:     rapid.SampledFrom([]time.Duration{200, 1000, 4000}).Draw(t, "takes") * time.Millisecond,
		},
		Shared:  rapid.Bool().Draw(t, "shared"),
		Confirm: rapid.IntRange(1, 2).Draw(t, "confirm"),
		Slow:    rapid.SampledFrom([]time.Duration{0, 2503}).Draw(t, "slow") * time.Millisecond,
		Gather:  rapid.IntRange(1, 8).Draw(t, "gather"),
	}
	drawLog(t, &h)
	h.Persist = h.Overlap + h.Lag
	h.Polls = rapid.SliceOfN(rapid.Custom(drawPoll), 2, 10).Draw(t, "polls")
	return h
}

// write is a change as it is drawn, in milliseconds from the one before it.
type write struct {
	after, lasts, hides time.Duration
	key                 int
	gone                bool
}

func drawWrite(t *rapid.T) write {
	ms := func(name string, of ...time.Duration) time.Duration {
		return rapid.SampledFrom(of).Draw(t, name) * time.Millisecond
	}
	return write{
		after: ms("after", 0, 111, 700, 700, 3000),
		lasts: ms("lasts", 0, 0, 13, 1507, 6007),
		hides: ms("hides", 0, 0, 907, 2003),
		key:   rapid.IntRange(1, 8).Draw(t, "key"),
		gone:  rapid.IntRange(0, 4).Draw(t, "gone") == 4,
	}
}

func drawLog(t *rapid.T, h *History) {
	last := map[int]Change{}
	now := time.Duration(0)
	quick := rapid.Bool().Draw(t, "quick") // shows what it writes at once, so that overlaps are short
	for _, w := range rapid.SliceOfN(rapid.Custom(drawWrite), 6, 30).Draw(t, "writes") {
		now += w.after
		if quick {
			w.lasts, w.hides = 0, 0
		}
		before, known := last[w.key]
		// A writer waits for the one before it on the same row.
		begun := max(now, before.Commit)
		c := Change{Key: w.key, Gone: w.gone && known && !before.Gone, Stamp: begun.Truncate(time.Second), Commit: begun + w.lasts}
		c.Visible = max(c.Commit+w.hides, before.Visible)
		h.Overlap, h.Lag = max(h.Overlap, c.Visible-c.Stamp), max(h.Lag, c.Visible-c.Commit)
		last[w.key] = c
		h.Log = append(h.Log, c)
	}
}

func drawPoll(t *rapid.T) Planned {
	return Planned{
		Wait:   rapid.SampledFrom([]time.Duration{0, 17, 1003, 1003, 4001, 15013}).Draw(t, "wait") * time.Millisecond,
		Before: rapid.SampledFrom([]Before{Quiet, Quiet, Quiet, Quiet, NotesLost, Resynced}).Draw(t, "before"),
		Table:  rapid.IntRange(0, 1).Draw(t, "table"),
		Beside: rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "beside"),
		Audit:  rapid.SampledFrom([]Audit{Unaudited, Unaudited, Unaudited, Unaudited, Looks, Repairs}).Draw(t, "audit"),
		Fault: Fault{
			Kind: rapid.SampledFrom([]FaultKind{None, None, None, Kill, KillAsking, OwnerFails, TableFails,
				LeaseLost, Stop, Refuse, Expire}).Draw(t, "fault"),
			Table: rapid.IntRange(0, 1).Draw(t, "table"),
			At:    rapid.IntRange(1, 5).Draw(t, "at"),
			Step:  rapid.SampledFrom([]string{"begin", "commit", "committed"}).Draw(t, "step"),
		},
	}
}

// live runs a history in a bubble of its own.
func live(t *testing.T, h History, w Wrap) (err error) {
	synctest.Test(t, func(t *testing.T) { err = h.Run(t.Context(), w) })
	return err
}

func TestSimulation(t *testing.T) {
	for range 6 { // of rapid's hundred
		rapid.Check(t, func(rt *rapid.T) {
			if err := live(t, rapid.Custom(drawHistory).Draw(rt, "history"), Wrap{}); err != nil {
				rt.Fatal(err)
			}
		})
	}
}
