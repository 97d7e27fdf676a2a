package simulation_test

import (
	"context"
	"slices"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// A bug that few histories can show is looked for in those that can: some are
// picked out of what is drawn, others are made so, within the contract.

// incremental, snapshot, logs, lines and forgets pick by what the owner offers.
func incremental(h *simulation.History) bool { return h.Mode == sources.Incremental }
func snapshot(h *simulation.History) bool    { return h.Mode == sources.SnapshotAll }
func forgets(h *simulation.History) bool     { return h.Retention > 0 }

// sinceOnce picks those that ask since a time in a walk's first request alone.
func sinceOnce(h *simulation.History) bool { return incremental(h) && h.By != sources.Since }

// logs are feeds of events, of which one transaction takes many.
func logs(h *simulation.History) bool {
	h.Gather = 8
	return h.Mode == sources.Log
}

// offset picks those that count records, of owners who do not tell how many
// there are.
func offset(h *simulation.History) bool {
	return h.By == sources.Offset && h.Told == simulation.Plain
}

// endless picks those in which a short page is no end.
func endless(h *simulation.History) bool {
	return h.Told == simulation.Plain && h.By != sources.None && h.By != sources.Since
}

// asksMore asks for more records than the owner puts on a page.
func asksMore(s *sources.Spec) { s.Paging.Size *= 2 }

// untoldDeletes are of owners who tell of no deletion.
func untoldDeletes(h *simulation.History) bool {
	h.Tombstones = false
	return h.Mode == sources.Incremental && h.Forget == 0
}

// behind has nodes that are behind the others, and is polled so often that one
// tells after another what the first has told.
func behind(h *simulation.History) bool {
	const lag = 5 * time.Second
	h.Replica, h.Lag, h.Overlap, h.Cached = h.Replica+lag, h.Lag+lag, h.Overlap+lag, 0
	h.Takes, h.Slow = 200*time.Millisecond, 0
	h.Polls = slices.Repeat([]simulation.Poll{{Wait: 307 * time.Millisecond, Before: simulation.Quiet, Fault: simulation.Fault{Kind: simulation.None}}}, 20)
	return h.Granule <= time.Second && h.Tombstones && byKey(h)
}

// emptied answers with an empty list in every second poll.
func emptied(h *simulation.History) bool {
	for i := range h.Polls {
		if h.Polls[i].Fault = (simulation.Fault{Kind: simulation.None}); i%2 == 1 {
			h.Polls[i].Fault = simulation.Fault{Kind: simulation.Answer, Step: "empty list", At: 1}
		}
	}
	h.Confirm = 1
	return h.Mode == sources.SnapshotAll && !h.Lines
}

// cutLines break off in every second poll.
func cutLines(h *simulation.History) bool {
	for i := range h.Polls {
		if i%2 == 1 {
			h.Polls[i].Fault = simulation.Fault{Kind: simulation.Answer, Step: "cut", At: 1, Table: i}
		}
	}
	return h.Lines
}

// byKey makes a feed one whose pages follow each other by the key.
func byKey(h *simulation.History) bool {
	if h.Mode != sources.Incremental || h.Until || h.Forget > 0 {
		return false
	}
	h.By, h.Told, h.Order, h.Page, h.Gather = sources.Keyset, simulation.Plain, sourcetest.ByID, 1, 1
	h.End, h.EmptyEvery, h.Again, h.Lines, h.Conditional = "", 0, 0, false, false
	return true
}

// brokenOff kills the daemon inside a list, and has the database crash before it
// goes on.
func brokenOff(h *simulation.History) bool {
	for i := range h.Polls {
		p := simulation.Poll{Wait: 1003 * time.Millisecond, Before: simulation.Resynced, Table: i / 2 % 2,
			Fault: simulation.Fault{Kind: simulation.Kill, Step: "committed", At: 3, Table: i / 2 % 2}}
		if i%2 == 1 {
			p.Before, p.Fault = simulation.NotesLost, simulation.Fault{Kind: simulation.None}
		}
		h.Polls[i] = p
	}
	return byKey(h)
}

// slowLists lets whatever changes overtake a list.
func slowLists(t syncer.Table) syncer.Table {
	return mistaken{Table: t, apply: func(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (syncer.Applied, error) {
		if w.Kind == syncer.Resync {
			time.Sleep(3 * time.Second)
		}
		return t.Apply(ctx, w, b)
	}}
}

// beside lets changes be walked beside a list at every poll, and the owner write
// for as long.
func beside(h *simulation.History) bool {
	h.Takes, h.Slow = 200*time.Millisecond, 503*time.Millisecond
	h.Granule, h.RoundUp, h.Overlap = time.Microsecond, false, 0
	for i := range h.Log {
		c, later := &h.Log[i], time.Duration(i)*time.Second
		c.Stamp, c.Commit, c.Visible = c.Stamp+later, c.Commit+later, c.Visible+later
		h.Overlap = max(h.Overlap, c.Visible-c.Stamp+2*h.Granule)
	}
	for i := range h.Polls {
		h.Polls[i] = simulation.Poll{Wait: 17 * time.Millisecond, Before: simulation.Resynced, Beside: 6, Fault: simulation.Fault{Kind: simulation.None}}
	}
	h.Cached, h.Replica, h.NodeSkew = 0, 0, 0
	return byKey(h)
}
