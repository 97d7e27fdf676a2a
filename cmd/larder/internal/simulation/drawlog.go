package simulation

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources"
)

// write is a change as it is drawn, in milliseconds from the one before it.
type write struct {
	after, lasts, hides, node time.Duration
	key, part                 int
	gone, misfit              bool
}

func drawWrite(t *rapid.T) write {
	return write{
		after:  ms(t, "after", 0, 111, 700, 700, 3000),
		lasts:  ms(t, "lasts", 0, 0, 13, 1507, 6007),
		hides:  ms(t, "hides", 0, 0, 907, 2003),
		node:   ms(t, "node", 0, 0, 0, 0, -1100, 1900),
		key:    rapid.IntRange(1, 8).Draw(t, "key"),
		part:   rapid.IntRange(0, 5).Draw(t, "part"),
		gone:   rapid.IntRange(0, 4).Draw(t, "gone") == 4,
		misfit: rapid.IntRange(0, 19).Draw(t, "misfit") == 19,
	}
}

// drawLog draws what the owner writes. Changes of a record follow each other,
// and so do their stamps: a writer waits for the one before it on the same row,
// and a trigger does not set a stamp back.
func drawLog(t *rapid.T, h *History) {
	last := map[int64]Change{}
	now := time.Duration(0)
	quick := rapid.Bool().Draw(t, "quick")     // shows what it writes at once, so that overlaps are short
	fits := rapid.IntRange(0, 3).Draw(t, "ok") // of four owners one writes what does not fit
	nodes := seldom(t, "nodes", 3)
	for _, w := range rapid.SliceOfN(rapid.Custom(drawWrite), 20, 32).Draw(t, "writes") {
		now += w.after
		if quick {
			w.lasts, w.hides = 0, 0
		}
		switch {
		case !nodes:
			w.node = 0
		case h.Until: // what is stamped ahead of the owner's clock is behind the bound, however long it holds
			w.node = min(w.node, 0)
		}
		part := w.part % h.Parts
		before, known := last[id(part, w.key)]
		begun := max(now, before.Commit)
		c := Change{Part: part, Key: w.key, Gone: w.gone && known && !before.Gone, Misfit: w.misfit && fits == 0 && !h.ages(),
			Stamp: max(begun+w.node, before.Stamp, 0), Commit: begun + w.lasts}
		c.Misfit = c.Misfit && !c.Gone
		c.Visible = max(c.Commit+w.hides, before.Visible)
		last[id(part, w.key)] = c
		h.Log = append(h.Log, c)
	}
	// No owner of a history that comes to rest is empty.
	for part := range h.Parts {
		c := last[id(part, 1)]
		at := max(now, c.Commit)
		h.Log = append(h.Log, Change{Part: part, Key: 1, Stamp: max(at, c.Stamp), Commit: at, Visible: max(at, c.Visible)})
	}
}

func drawPolls(t *rapid.T, h *History) {
	h.Polls = rapid.SliceOfN(rapid.Custom(drawPoll), 3, 8).Draw(t, "polls")
	// One fault at least finds what it is to strike.
	sure := &h.Polls[rapid.IntRange(0, len(h.Polls)-1).Draw(t, "sure")].Fault
	if sure.At = 1; sure.Kind == None || sure.Kind == Refuse {
		*sure = Fault{Kind: Answer, At: 1, Step: one(t, "answer", answers()...)}
	}
	restored := slices.ContainsFunc(h.Polls, func(p Poll) bool { return p.Before == Restored })
	for i := range h.Polls {
		p := &h.Polls[i]
		if restored && p.Fault.Step == "empty list" {
			p.Fault.Step = "no list" // who accepts what is gone with a backup would accept this, too
		}
		h.allow(p)
	}
}

// allow takes out of a poll what the contract rules out.
func (h *History) allow(p *Poll) {
	if p.Fault.Kind == Answer {
		switch step := &p.Fault.Step; {
		case *step == "half the list" && h.Told != Total,
			// Nothing tells half a list from a whole one but its total.
			h.Lines && (*step == "keys twice" || *step == "error body" || *step == "errors of GraphQL" || *step == "null for the list" || *step == "no list" || *step == "empty list"):
			// Lines have neither a list nor anything beside it: a line that is JSON is a record.
			*step = "status 500"
		case *step == "empty list" && h.Mode == sources.Incremental && h.Conditional:
			*step = "no list"
		}
	}
	if p.Before == Restored && h.Mode == sources.Incremental && !h.Tombstones {
		p.Before = Quiet
	}
}

func drawPoll(t *rapid.T) Poll {
	return Poll{
		Wait:   ms(t, "wait", 0, 17, 1003, 1003, 4001, 15013),
		Before: one(t, "before", Quiet, Quiet, Quiet, Quiet, Quiet, Quiet, NotesLost, NotesLost, Resynced, Resynced, Restarted, Restored),
		Table:  rapid.IntRange(0, 1).Draw(t, "table"),
		Beside: one(t, "beside", 0, 0, 0, 1, 3),
		Audit:  one(t, "audit", Unaudited, Unaudited, Unaudited, Unaudited, Looks, Repairs),
		Fault:  drawFault(t),
	}
}

func drawFault(t *rapid.T) Fault {
	f := Fault{
		Kind:  one(t, "fault", None, None, None, Kill, Kill, KillAsking, Answer, Answer, TableFails, LeaseLost, Stop, Refuse),
		Table: rapid.IntRange(0, 1).Draw(t, "table"),
		At:    rapid.IntRange(1, 5).Draw(t, "at"),
	}
	switch f.Kind {
	case Kill, TableFails:
		f.Step = one(t, "step", "begin", "commit", "committed")
	case KillAsking:
		f.Step = one(t, "step", "asking", "answered")
	case Answer:
		f.Step = one(t, "answer", answers()...)
	}
	return f
}
