package config

// window reads how far behind the newest a poll stays, and in what slices it walks.
func (s section) window(w *Watermark) {
	before := len(s.r.mistakes)
	s.duration("settle", &w.Settle)
	s.duration("window", &w.Window)
	s.integer("concurrency", &w.Slices)
	if n := s.child("concurrency"); n != nil && !s.has("window") {
		s.r.wrong(n, `is of slices; write window = "7d" too, or leave it out`)
	}
	if w.Format.IsTime() || len(s.r.mistakes) > before {
		return
	}
	for _, key := range []string{"settle", "window"} {
		if n := s.child(key); n != nil {
			s.r.wrong(n, "is a span of time, and the watermark's format is %q; leave it out", w.Format)
		}
	}
}

// ask reads how times are written where that is another way than the owner's own. The zone is that of both.
func (s section) ask(w *Watermark) {
	n := s.child("ask")
	if n == nil {
		s.format("format", "zone", &w.Format)
		return
	}
	if !s.r.formatName(n, &w.Ask) {
		s.format("format", "zone", &w.Format)
		return
	}
	zone := "zone"
	if w.Ask.needsZone() {
		zone = s.zoneOfAsk(n, w)
	}
	s.format("format", zone, &w.Format)
	switch {
	case w.Ask.Name == FormatInteger:
		s.r.wrong(n, "is no format of times; leave it out, an integer is asked as it is")
	case w.Format.Name == FormatInteger:
		s.r.wrong(n, "is how times are written, and the watermark's format is \"integer\"; leave it out")
	}
}

// zoneOfAsk reads the zone of a layout that is only asked by. It returns the key where format finds its own.
func (s section) zoneOfAsk(n *node, w *Watermark) (key string) {
	zone := s.child("zone")
	if zone == nil {
		s.r.wrong(n, "the layout has no zone; say which one its times are in, such as zone = \"UTC\"")
		return "zone"
	}
	var told Format
	if format := s.child("format"); format != nil && format.kind == kindText && isLayout(format.text) {
		told = Format{Name: FormatLayout, Layout: format.text}
	}
	w.Ask.Zone, _ = s.r.zone(zone)
	if told.needsZone() {
		return "zone"
	}
	return ""
}

// checkUntil checks what bounds a poll from above.
func (r *reader) checkUntil(s section, src *Source) {
	w, n := src.Watermark, s.child("watermark")
	until := src.Request.Uses("until")
	if until && !w.Format.IsTime() {
		r.wrongAt(s, "{until}", "{until} is a time, and the watermark's format is %q; leave it out", w.Format)
	}
	if settle := n.child("settle"); settle != nil && w.Settle > 0 && !until && !src.broken["request"] {
		r.wrong(settle, "the request never says {until}, so a poll would not stay behind; add it where the owner reads up to when it tells")
	}
	window := n.child("window")
	switch {
	case window == nil || w.Window == 0:
	case n.child("initial") == nil:
		r.wrong(window, "has no first slice; say where it begins with initial")
	case !until && !src.broken["request"]:
		r.wrong(window, "the request never says {until}, so each slice would run to the newest record; add it where the owner reads up to when it tells")
	case len(w.Fields) == 0 && !w.Start:
		r.wrong(window, "has no use with a time from one answer, which is that of one slice; take a field of the records, or from = \"start\"")
	case w.Order == OrderDescending:
		r.wrong(window, "walks from the oldest slice on, and order = \"descending\" ends at the first old record; leave one out")
	case src.Records.Partial && w.Slices > 1:
		r.wrong(n.child("concurrency"), "walks slices side by side, and a record that carries only what changed has to follow the ones before it; leave it out")
	}
}
