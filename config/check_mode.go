package config

import (
	"fmt"
	"slices"
)

// checkMode checks the mode against the watermark, and both against what the request asks for.
func (r *reader) checkMode(s section, src *Source) {
	if !r.checkWatermarkOfMode(s, src) {
		return
	}
	switch src.Mode {
	case Snapshot:
		r.checkSnapshot(s, src)
	case Delta, EventLog:
		r.checkToken(s, src)
		r.checkNewestFirst(s, src)
		r.checkSince(s, src)
	default:
		r.checkSince(s, src)
		r.checkUntil(s, src)
	}
	r.checkNow(s, src)
	r.checkRetention(s, src)
	r.checkExpired(s, src)
	r.checkEpoch(s, src)
	r.checkAudit(s, src)
}

// checkWatermarkOfMode reports a mode that its watermark contradicts.
func (r *reader) checkWatermarkOfMode(s section, src *Source) bool {
	w, mode := s.child("watermark"), s.child("mode")
	switch {
	case w == nil && src.Mode == Incremental:
		r.wrong(s.n, `there is no watermark; name the field that moves with every change, such as watermark = "updated_at", or write mode = "snapshot" if each answer is the whole list`)
	case w == nil && src.Mode == Delta:
		r.wrong(mode, `there is no watermark; say where an answer holds the token, such as watermark = { from = "body:nextSyncToken", format = "token" }`)
	case w == nil && src.Mode == EventLog:
		r.wrong(mode, `there is no watermark; name the field that is an event's position, such as watermark = "last:id"`)
	case w != nil && src.Mode == Snapshot:
		r.wrong(w, `a snapshot has no watermark; leave it out, or leave out mode = "snapshot"`)
	case src.broken["watermark"] || w == nil || src.Mode == src.Watermark.mode():
		return !src.broken["watermark"]
	case src.Mode == Delta:
		r.wrong(mode, `is "delta", and the watermark is %s; a token has a place in the answer: write from = "body:PATH" or "header:NAME", with format = "token" or "url"`, src.Watermark.said())
	case src.Mode == EventLog:
		r.wrong(mode, `is "log", and the watermark is %s; the position of a log is a field of its events: write from = "last:FIELD"`, src.Watermark.said())
	default:
		r.wrong(mode, "is %q, and the watermark is %s; leave mode out, or write %q", src.Mode, src.Watermark.said(), src.Watermark.mode())
	}
	return false
}

// said tells what kind of a watermark this is.
func (w *Watermark) said() string {
	switch {
	case w.isPosition():
		return "the position of a log"
	case w.Opaque == URL:
		return "the owner's URL"
	case w.Opaque == Token:
		return "the owner's token"
	case w.Start || !w.Place.IsZero():
		return "a time"
	}
	return "a field of the records"
}

func (r *reader) checkSnapshot(s section, src *Source) {
	switch {
	case src.Request.Uses("since"):
		r.wrongAt(s, "{since}", "{since} is the watermark, and a snapshot has none; leave it out")
	case src.Request.Uses("until"):
		r.wrongAt(s, "{until}", "{until} is the end of what a watermark begins, and a snapshot has none; leave it out")
	case src.Request.Uses("now"):
		r.wrongAt(s, "{now}", "{now} is written as the watermark is, and a snapshot has none; leave it out")
	}
}

// checkNow refuses the time where the watermark is no time to write it as.
func (r *reader) checkNow(s section, src *Source) {
	if src.Watermark == nil || src.Watermark.Format.IsTime() {
		return
	}
	const why = "{now} is written as the watermark is, and its format is %q; leave it out"
	if src.Request.Uses("now") {
		r.wrongAt(s, "{now}", why, src.Watermark.Format)
	}
	if d := s.child("records").child("deleted"); d != nil && src.Records.Deleted.Ask != nil && src.Records.Deleted.Ask.Request.Uses("now") {
		r.wrongAt(section{r, d}, "{now}", why, src.Watermark.Format)
	}
}

// checkToken checks what only a watermark in the owner's own words can do.
func (r *reader) checkToken(s section, src *Source) {
	if src.Request.Uses("now") && src.Watermark.Opaque != "" {
		r.wrongAt(s, "{now}", "{now} is written as the watermark is, and %s is no time; leave it out", src.Watermark.said())
	}
	if src.Request.Uses("until") {
		r.wrongAt(s, "{until}", "{until} is a time, and the watermark is %s; leave it out", src.Watermark.said())
	}
	if src.Watermark.Opaque == URL && src.Request.Uses("since") {
		r.wrongAt(s, "{since}", "{since} has no value here: with format = \"url\" the next poll asks the URL itself, and this request is for a poll without one; leave it out")
	}
}

// checkNewestFirst refuses pages that come newest first where nothing tells that a later one is older: of the events
// about one record the oldest would stand. Paging by "since" begins with the oldest page, and one page is turned round.
func (r *reader) checkNewestFirst(s section, src *Source) {
	w, whole := src.Watermark, src.Paging.By == PagingNone && !src.Records.Format.bare()
	if w.First.IsZero() || whole || src.Paging.By == PagingSince || src.broken["paging"] || src.broken["records"] || len(src.Records.Version) > 0 {
		return
	}
	if !slices.ContainsFunc(src.Records.Key, func(p Path) bool { return p.Text == w.First.Text }) {
		r.wrong(s.at("records"), "the newest events come first, so of two about one record the older would come last and stand; name what tells the newer one with version = \"FIELD\", or page by \"since\"")
	}
}

// checkSince checks that a poll asks for what changed.
func (r *reader) checkSince(s section, src *Source) {
	w := src.Watermark
	if src.broken["request"] || w.Opaque == URL {
		return
	}
	switch since := src.Request.Uses("since"); {
	case !since && src.Mode != Incremental:
		r.wrong(s.at("request"), "the request never says {since}, so every poll would ask for everything; add it where the owner reads its %s", w.word())
	case !since && w.Order != OrderDescending:
		r.wrong(s.at("request"), `the request never says {since}, so every poll would ask for everything; add it, or write mode = "snapshot"`)
	case !since || w.Initial != "" || !src.Request.Needs("since") || s.child("watermark").child("initial") != nil:
	case w.Opaque != "":
		r.wrongAt(s, "{since}", "{since} cannot be left out here, and the first poll has no %s; let it be the whole value of a parameter", w.word())
	default:
		r.wrongAt(s, "{since}", "{since} cannot be left out here; say where the first poll starts with watermark.initial")
	}
}

func (w *Watermark) word() string {
	if w.isPosition() {
		return "last id"
	}
	return "token"
}

// checkRetention refuses a source that would lose what the owner forgets.
func (r *reader) checkRetention(s section, src *Source) {
	n := s.child("retention")
	switch {
	case n == nil:
	case src.Mode == Snapshot:
		r.wrong(n, "has no use in a snapshot, which asks for everything each time; leave it out")
	case src.Mode != Incremental && s.child("resync") == nil:
		r.wrong(n, "after a longer outage everything has to be asked, and nothing says how; %s", src.howToResync())
	}
}

func (s *Source) howToResync() string {
	return fmt.Sprintf("write resync = true if asking without a %s means everything, or [source.%s.resync] with the request that lists everything", s.Watermark.word(), bare(s.Name))
}

// checkExpired refuses to name an answer to which nothing could follow.
func (r *reader) checkExpired(s section, src *Source) {
	n := s.child("expired")
	if n != nil && src.Mode == EventLog && !s.has("resync") && !src.broken["watermark"] {
		r.wrong(n, "after that answer everything has to be asked, and nothing says how; %s", src.howToResync())
	}
}
