package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// plannedTable is what would become of a table.
type plannedTable struct {
	Table string `json:"table"`
	// DDL would be run; Unfit is why the table would be refused.
	DDL        []string      `json:"ddl"`
	Unfit      string        `json:"unfit,omitempty"`
	Partitions []plannedPart `json:"partitions"`
	// More is how many partitions are not listed.
	More int `json:"more_partitions,omitempty"`
	// Deletes is how many rows go because their partitions do; Held says that
	// they would wait to be accepted.
	Deletes int64 `json:"deletes"`
	Held    bool  `json:"held,omitempty"`
	// Rows are what some records of the page become, Goes how many of them are
	// deletions, SetAside why some do not fit.
	Rows     []string `json:"rows,omitempty"`
	Goes     int      `json:"page_deletes,omitempty"`
	SetAside []string `json:"set_aside,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// plannedPart is what would become of a partition of a table.
type plannedPart struct {
	Partition string     `json:"partition,omitempty"`
	Does      string     `json:"does"`
	AsOf      *time.Time `json:"as_of,omitempty"`
	Rows      int64      `json:"rows"`
}

// planning makes a plan of a feed.
type planning struct {
	*feed
	out *planned
	// parts are the partitions that there are; told says that they are known.
	parts []syncer.Partition
	told  bool
	// from is the watermark of the table that stands furthest back in the first
	// partition, as of asOf.
	from string
	asOf time.Time
}

// plan says what would become of the feed. It reads, and writes nothing.
func (f *feed) plan(ctx context.Context, offline bool) *planned {
	p := &planning{feed: f, out: &planned{Source: f.Name, Tables: []plannedTable{}}, parts: f.Partitions, told: true}
	if f.Ask != nil {
		var err error
		if p.parts, err = f.Ask(ctx); err != nil {
			p.out.Error, p.told = oneLine("ask for partitions: "+err.Error()), false
		}
	}
	p.out.Partitions, p.out.OneAnswer = len(p.parts), oneAnswer(p.source)
	if missing := p.missing(); missing != "" {
		p.out.Error = missing
	}
	for _, c := range f.copies {
		p.out.Tables = append(p.out.Tables, p.table(ctx, c))
	}
	if len(p.parts) == 0 {
		return p.out
	}
	kind := p.requests()
	if !offline {
		p.preview(ctx, kind)
	}
	return p.out
}

// missing tells the constants that are asked for and not given: where a query
// gives the partitions, validate cannot know.
func (p *planning) missing() string {
	if p.Ask == nil || !p.told || len(p.parts) == 0 {
		return ""
	}
	var given, wrong []string
	for _, v := range p.parts[0].Values {
		given = append(given, v.Name)
	}
	for _, name := range p.asked {
		if !slices.Contains(given, name) {
			wrong = append(wrong, "each."+name)
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return fmt.Sprintf("the query of each has no column for %s; it has %s", strings.Join(wrong, ", "), strings.Join(given, ", "))
}

func (p *planning) table(ctx context.Context, c *copied) plannedTable {
	t := plannedTable{Table: c.Name, DDL: []string{}, Partitions: []plannedPart{}}
	intent, err := c.kept.Intend(ctx)
	if err != nil {
		t.Error = oneLine(err.Error())
		return t
	}
	t.DDL, t.Unfit = append(t.DDL, intent.DDL...), intent.Unfit
	shape := c.spec.Shape
	if spec, err := c.typed(ctx); err == nil {
		shape = spec.Shape
	}
	all := p.withChanging(c, intent.Partitions)
	for _, i := range all {
		if i.Retired {
			t.Deletes, t.Held = t.Deletes+i.Rows, t.Held || i.Held
		}
		p.start(i)
	}
	// What goes is told first: it is what may surprise.
	slices.SortStableFunc(all, func(a, b syncer.PartitionIntent) int { return rank(a) - rank(b) })
	for n, i := range all {
		if n == mostShownParts {
			t.More = len(all) - n
			break
		}
		t.Partitions = append(t.Partitions, plannedPart{Partition: cut(i.Partition.Name), Does: p.does(shape, i), AsOf: instant(i.Standing.AsOf), Rows: i.Rows})
	}
	return t
}

func rank(i syncer.PartitionIntent) int {
	switch {
	case i.Retired:
		return 0
	case !i.Kept || i.Void != "" || i.Standing.Resync:
		return 1
	}
	return 2
}

// withChanging adds to what is kept of a table what the query for its partitions
// makes of it.
func (p *planning) withChanging(c *copied, kept []syncer.PartitionIntent) []syncer.PartitionIntent {
	if p.Ask == nil || !p.told {
		return kept
	}
	there, known := make(map[string]bool), make(map[string]bool)
	for _, part := range p.parts {
		there[part.Name] = true
	}
	var goes, rows int64
	out := slices.Clone(kept)
	for i := range out {
		known[out[i].Partition.Name] = true
		out[i].Retired = !there[out[i].Partition.Name]
		rows += out[i].Rows
		if out[i].Retired {
			goes += out[i].Rows
		}
	}
	for i := range out {
		out[i].Held = out[i].Retired && out[i].Rows > 0 && c.spec.Guard.Holds(int(goes), int(rows))
	}
	for _, part := range p.parts {
		if !known[part.Name] {
			out = append(out, syncer.PartitionIntent{Partition: part})
		}
	}
	return out
}

// start notes from where changes would be asked for.
func (p *planning) start(i syncer.PartitionIntent) {
	st := i.Standing
	if len(p.parts) == 0 || i.Partition.Name != p.parts[0].Name || i.Void != "" || st.Position.Watermark == "" {
		return
	}
	if p.from == "" || st.AsOf.Before(p.asOf) {
		p.from, p.asOf = st.Position.Watermark, st.AsOf
	}
}

// does says in a line what would become of a partition.
func (p *planning) does(shape string, i syncer.PartitionIntent) string {
	st := i.Standing
	switch {
	case i.Retired && i.Held:
		return fmt.Sprintf("is no more: its %d rows are held by the guard, until accepted", i.Rows)
	case i.Retired:
		return fmt.Sprintf("is no more: its %d rows are deleted", i.Rows)
	case st.Paused:
		return "is paused"
	case !i.Kept:
		return "is new: everything is asked for"
	case i.Void != "":
		return "its position is void, because " + i.Void + ": everything is asked for"
	case st.AsOf.IsZero():
		return "was never polled to the end: everything is asked for"
	case st.Resync:
		return "is resynced, because " + p.because(shape, st)
	case p.Snapshot:
		return "everything is asked for, as at each poll; complete as of " + clock(instant(st.AsOf))
	}
	return fmt.Sprintf("goes on from %q, complete as of %s", cut(st.Position.Watermark), clock(instant(st.AsOf)))
}

// because says why a table whose source is asked as before is resynced.
func (p *planning) because(shape string, st syncer.Standing) string {
	var why []string
	columns, choices := syncer.ShapeChanges(st.Position.Shape, shape)
	if columns > 0 {
		why = append(why, fmt.Sprintf("%d of its columns are new or read otherwise", columns))
	}
	if choices {
		why = append(why, otherChoices(st.Position.Shape, shape))
	}
	if len(why) == 0 {
		why = append(why, "that was ordered")
	}
	changes := "changes go on meanwhile"
	if !p.Apart {
		changes = "changes wait for it"
	}
	return strings.Join(why, ", and ") + "; " + changes
}

// requests notes what is asked first for changes and for everything, and says
// which of them comes next.
func (p *planning) requests() syncer.WalkKind {
	kind := syncer.Resync
	if p.Snapshot {
		kind = syncer.Snapshot
	} else if p.from != "" {
		p.out.Changes = p.request(syncer.Changes)
	}
	p.out.Everything = p.request(kind)
	if p.out.Changes != nil {
		kind = syncer.Changes
	}
	return kind
}

func (p *planning) walk(kind syncer.WalkKind) syncer.Walk {
	w := syncer.Walk{ID: "plan", Kind: kind, Partition: p.parts[0], Sent: time.Now()}
	if kind == syncer.Changes {
		w.From.Watermark = p.from
	}
	return w
}

func (p *planning) request(kind syncer.WalkKind) *plannedRequest {
	asked, err := p.owner.FirstRequest(p.walk(kind))
	if err != nil {
		p.fail(err)
		return nil
	}
	return &plannedRequest{asked.Method, cut(asked.URL), cut(asked.Body)}
}

func (p *planning) fail(err error) { p.out.Error = join(p.out.Error, oneLine(err.Error())) }

// preview asks for one page, and shows some of its records as rows.
func (p *planning) preview(ctx context.Context, kind syncer.WalkKind) {
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	page, more, err := p.owner.Preview(ctx, p.walk(kind))
	p.out.More = more
	if err != nil {
		p.fail(err)
		return
	}
	if page == nil {
		return
	}
	n := len(page.Records)
	p.out.Page = &n
	for i, c := range p.copies {
		t := &p.out.Tables[i]
		spec, err := c.typed(ctx)
		if err != nil {
			continue // which its intent has told
		}
		folded := spec.Fold([]*syncer.Batch{page}, kind.Listing())
		for _, r := range folded.Upserts[:min(len(folded.Upserts), mostShownRows)] {
			t.Rows = append(t.Rows, cut(spec.Record(r.Values)))
		}
		t.Goes = len(folded.Deletes)
		for _, m := range folded.Misfits[:min(len(folded.Misfits), mostShownRows)] {
			t.SetAside = append(t.SetAside, cut(oneLine(fmt.Sprintf("%s: %s %s", m.Key, m.Column, m.Reason))))
		}
	}
}

// owner is where a source's requests come from.
type owner interface {
	FirstRequest(syncer.Walk) (sources.Asked, error)
	Preview(context.Context, syncer.Walk) (b *syncer.Batch, more string, err error)
}

// cut bounds a text.
func cut(s string) string {
	if runes := []rune(s); len(runes) > mostShownText {
		return string(runes[:mostShownText]) + "…"
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
