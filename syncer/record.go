package syncer

import (
	"slices"

	"github.com/rs/zerolog"
)

// record gives the reports to history and says what went wrong. It waits for
// nobody.
func (r *Runner) record(reports []Report) {
	for _, rep := range reports {
		r.sayReport(rep)
		r.observer().Reported(rep)
		r.past.add(rep)
	}
}

func (r *Runner) sayReport(rep Report) {
	what, level, does := "poll", zerolog.DebugLevel, " completes"
	if rep.Kind == Audit {
		what = "audit"
	}
	switch {
	case rep.OK() && rep.notable():
		level = zerolog.InfoLevel
	case rep.OK():
	case rep.stopped():
		does = " stops"
	default:
		level, does = zerolog.WarnLevel, " fails"
	}
	ev := r.Log.WithLevel(level).Str("source", rep.Source).Str("partition", rep.Partition).Str("kind", string(rep.Kind)).
		Int("batches", rep.Batches).Int("records", rep.Records).Dur("took_ms", rep.Took)
	if rep.Failure != nil {
		ev = ev.Str("class", string(rep.Failure.Class)).Str("reason", rep.Failure.Text)
	}
	for _, t := range rep.Tables {
		if t.Failure != nil && (rep.Failure == nil || *t.Failure != *rep.Failure) {
			ev = ev.Dict(t.Table, zerolog.Dict().Str("class", string(t.Failure.Class)).Str("reason", t.Failure.Text))
		}
		if t.Settled.Held > 0 {
			ev = ev.Int(t.Table+" held", t.Settled.Held)
		}
		if t.Settled.Swept > 0 {
			ev = ev.Int(t.Table+" swept", t.Settled.Swept)
		}
		if a := t.Settled.Audit; a != nil {
			ev = ev.Dict(t.Table, zerolog.Dict().Int("compared", a.Compared).Int("missing", a.Missing).Int("extra", a.Extra).
				Int("different", a.Different).Int("repaired", a.Repaired).Int("suspects", a.Suspects))
		}
	}
	ev.Msg(what + does)
	r.sayAbsent(rep)
}

// sayAbsent warns of fields that no record of a whole list has, of each once: a
// column may be named wrongly, or the owner has dropped or renamed its field.
func (r *Runner) sayAbsent(rep Report) {
	var news []string
	for _, field := range rep.Absent {
		if _, known := r.absent.LoadOrStore([2]string{rep.Source, field}, true); !known {
			news = append(news, field)
		}
	}
	if len(news) > 0 {
		r.Log.Warn().Str("source", rep.Source).Strs("fields", news).Msg("no record has these fields: are the names right, or has the owner changed?")
	}
}

// notable reports whether a walk did what somebody may want to know of later:
// it deleted what was absent, or would have, or found a copy to differ.
func (r Report) notable() bool {
	return slices.ContainsFunc(r.Tables, func(t TableReport) bool {
		return t.Settled.Swept+t.Settled.Held > 0 || t.Settled.Audit != nil && t.Settled.Audit.Found() > 0
	})
}

// stopped reports whether the walk was ended by a stop of the daemon, and by
// nothing else.
func (r Report) stopped() bool {
	return r.Failure != nil && r.Failure.Class == ClassStopped && !slices.ContainsFunc(r.Tables, func(t TableReport) bool {
		return t.Failure != nil && t.Failure.Class != ClassStopped
	})
}
