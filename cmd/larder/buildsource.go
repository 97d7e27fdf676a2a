package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// buildFeed makes the feed of a source, without its tables. The paths of all
// tables are one set, so that a record is read once for all of them.
func buildFeed(cs *config.Source, tables []*builtTable, client *sources.Client, p plan, ask func(context.Context) ([]syncer.Partition, error)) (*feed, error) {
	spec, err := sourceOf(cs)
	if err != nil {
		return nil, err
	}
	set := pathSet{index: make(map[string]int)}
	for _, t := range tables {
		set.read = nil
		if err := t.fill(cs, p, &set); err != nil {
			return nil, err
		}
		t.reads = set.read
		spec.Versioned = spec.Versioned && t.spec.Version >= 0
	}
	if spec.Newest, err = newestOf(tables); err != nil {
		return nil, err
	}
	floor := spec.Watermark.Floor()
	spec.Floored = floored(floor, tables)
	if cs.Audit != nil && floor != nil && spec.Mode == sources.Incremental && !spec.Floored && spec.Resync.Request == nil {
		return nil, fmt.Errorf("a version cannot be compared with watermark.initial = %s, where the list of its audits begins", floor)
	}
	if d := cs.Records.Deleted; len(d.Equals) > 0 {
		set.slots([]config.Path{d.Field}) // a field with values is one that every record has
	}
	spec.Paths, spec.Optional = set.texts, optionalPaths(cs, tables, set.texts)
	spec.Unnamed, spec.Open = unnamed(tables, set.texts)
	src, err := sources.New(client, spec)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		t.name(src)
	}
	f := &syncer.Feed{
		Name: cs.Name, Source: src, Snapshot: cs.Mode == config.Snapshot,
		Partitions: partitionsOf(cs), Fields: set.texts, Either: eitherOf(cs, tables, set),
		Lag: cs.Lag, Retention: cs.Retention, Gather: gather,
		Ask: ask, Concurrency: min(cs.EachConcurrency, cs.Owner.Concurrency),
		Apart: apart(cs, spec.Versioned), FromOwn: cs.Mode == config.EventLog || cs.Mode == config.Delta, Audit: auditOf(cs, p), Persist: persistOf(cs),
	}
	out := &feed{Scheduled: &syncer.Scheduled{Feed: f, Schedule: p.Schedule, Jitter: p.jitter}, source: cs, owner: src}
	if cs.Watermark != nil {
		out.overlap = cs.Watermark.Overlap
		out.unfloored = cs.Watermark.Initial != "" && spec.Resync.Request == nil && (spec.Mode != sources.Incremental || !spec.Floored)
	}
	return out, nil
}

// apart reports whether changes can be asked for while a table is listed: an
// event, and a record of which only a part is sent, need what came before. A
// watermark that counts, and is read from the list's records, may be newer than
// the list's first page, unlike a time, which the owner's clock at the start of
// the list bounds: there only versions tell what is newer.
func apart(s *config.Source, versioned bool) bool {
	if s.Mode != config.Incremental && s.Mode != config.Delta || s.Records.Partial {
		return false
	}
	w := s.Watermark
	counted := w != nil && w.Opaque == "" && !w.Format.IsTime() && w.Place.IsZero()
	return versioned || !counted
}

// auditOf maps the audits; nil where there are none.
func auditOf(s *config.Source, p plan) *syncer.AuditPlan {
	if s.Audit == nil {
		return nil
	}
	out := &syncer.AuditPlan{Schedule: p.audit.Schedule, Jitter: p.audit.jitter,
		Compare: syncer.Compare(s.Audit.Compare), Samples: 1, Repair: s.Audit.Repair}
	if s.Audit.Share > 0 {
		// A third is 0.33, and three of them are all but everything.
		out.Samples = int(math.Ceil(1/s.Audit.Share - 0.05))
	}
	return out
}

// pathSet numbers the paths that tables read.
type pathSet struct {
	texts []string
	index map[string]int
	// read are the paths that were asked for since it was last emptied.
	read []string
}

func (s *pathSet) slots(paths []config.Path) []int {
	var out []int
	for _, p := range paths {
		out = append(out, s.slot(p.Text))
	}
	return out
}

func (s *pathSet) slot(path string) int {
	s.read = append(s.read, path)
	i, known := s.index[path]
	if !known {
		i = len(s.texts)
		s.index[path] = i
		s.texts = append(s.texts, path)
	}
	return i
}

// sourceOf maps a source.
func sourceOf(s *config.Source) (sources.Spec, error) {
	out := sources.Spec{
		Name: s.Name, Mode: sources.Mode(s.Mode), Request: requestOf(s.Request),
		Paging: pagingOf(s.Paging), Records: recordsOf(s.Records),
		Expired: sources.Expired{Status: s.Expired.Status, At: s.Expired.At.String(), Equals: jsonTexts(s.Expired.Equals)},
	}
	if s.Epoch != nil {
		out.Epoch = epochOf(*s.Epoch)
	}
	out.Versioned = s.Mode == config.Incremental && len(s.Records.Version) > 0 && s.Records.Unwrap.IsZero() && !s.Records.Partial
	var err error
	if s.Watermark != nil {
		if out.Watermark, err = watermarkOf(s.Watermark); err != nil {
			return out, err
		}
	}
	// An owner that hands out tokens tells everything when it is asked without
	// one: that is how every copy of it begins.
	out.Resync.Known = s.Mode == config.Delta
	if s.Resync != nil {
		out.Resync, err = resyncOf(s.Resync)
	}
	return out, err
}

func pagingOf(p config.Paging) sources.Paging {
	return sources.Paging{
		By: sources.Style(p.By), Assumed: p.Assumed, Next: p.Next.String(), First: p.First, Size: p.Size,
		More: testOf(p.More), Total: p.Total.String(), Pages: p.Pages.String(),
		ShortPage: p.ShortPage, MaxPages: p.MaxPages, MaxTime: p.MaxTime,
	}
}

func recordsOf(r config.Records) sources.Records {
	out := sources.Records{
		At: r.At.Text, As: sources.As(r.As), AbsentEmpty: r.AbsentEmpty, Format: sources.Format(r.Format), Separator: r.Separator,
		Unwrap: r.Unwrap.Text, Key: texts(r.Key), Version: texts(r.Version),
		Deleted: r.Deleted.Field.Text, DeletedEquals: jsonTexts(r.Deleted.Equals),
		Hydrate: optional(r.Hydrate, hydrateOf), DeletedAsk: optional(r.Deleted.Ask, deletedAskOf),
		Error: r.Error.String(), Require: testOf(r.Require),
	}
	if l := r.Deleted.List; l != nil {
		out.DeletedList = sources.DeletedList{At: l.At.Text, Key: l.Key.Text}
	}
	return out
}

func hydrateOf(h config.Hydrate) sources.Hydrate {
	return sources.Hydrate{Request: requestOf(h.Request), Batch: h.Batch, Join: h.Join, At: h.At.Text,
		Deleted: h.Deleted.Text, MissingDeleted: h.MissingDeleted}
}

func deletedAskOf(a config.DeletedAsk) sources.DeletedAsk {
	return sources.DeletedAsk{Request: requestOf(a.Request), At: a.At.Text, Key: a.Key.Text,
		From: a.From.String(), Earliest: a.Earliest.String()}
}

func epochOf(e config.Epoch) sources.Epoch {
	return sources.Epoch{Request: optional(e.Request, requestOf), At: e.At.String(), Falling: e.Falling, Contiguous: e.Contiguous}
}

func watermarkOf(w *config.Watermark) (sources.Watermark, error) {
	format, err := formatOf(w.Format)
	if err != nil {
		return sources.Watermark{}, fmt.Errorf("read watermark format: %w", err)
	}
	ask, err := formatOf(w.Ask)
	if err != nil {
		return sources.Watermark{}, fmt.Errorf("read how times are asked: %w", err)
	}
	return sources.Watermark{
		Ask: ask, Settle: w.Settle, Window: w.Window, Slices: w.Slices,
		From: texts(w.Fields), Place: w.Place.String(), Last: w.Last.Text, First: w.First.Text, Start: w.Start,
		Opaque: sources.Opaque(w.Opaque), Format: format, Overlap: w.Overlap,
		OverlapCount: w.OverlapCount, Initial: w.Initial, Order: sources.Order(w.Order), Null: sources.Null(w.Null),
	}, nil
}

// resyncOf maps the parts of a resync that are given.
func resyncOf(y *config.Resync) (sources.Resync, error) {
	out := sources.Resync{Known: true, Request: optional(y.Request, requestOf), Paging: optional(y.Paging, pagingOf),
		Records: optional(y.Records, recordsOf), Before: optional(y.Before, requestOf)}
	if y.Watermark == nil {
		return out, nil
	}
	w, err := watermarkOf(y.Watermark)
	out.Watermark = &w
	return out, err
}

// optional maps what may be left out.
func optional[A, B any](a *A, to func(A) B) *B {
	if a == nil {
		return nil
	}
	b := to(*a)
	return &b
}

func requestOf(r config.Request) sources.Request {
	out := sources.Request{Method: r.Method, Path: templateOf(r.Path), Query: paramsOf(r.Query), ContentType: r.ContentType, Plus: r.Plus, Conditional: r.Conditional,
		Whole: r.IsGraphQL()}
	out.Later = sources.Later{Query: paramsOf(r.Later.Query), Without: r.Later.Without}
	for _, m := range r.Later.Body {
		out.Later.Body = append(out.Later.Body, sources.Member{Name: m.Name, Value: valueOf(m.Value)})
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, sources.Header{Name: h.Name, Value: templateOf(h.Value)})
	}
	if r.Body != nil {
		v := valueOf(*r.Body)
		out.Body = &v
	}
	return out
}

func paramsOf(query []config.Param) []sources.Param {
	var out []sources.Param
	for _, q := range query {
		p := sources.Param{Name: q.Name}
		for _, v := range q.Values {
			p.Values = append(p.Values, valueOf(v))
		}
		out = append(out, p)
	}
	return out
}

func templateOf(t config.Template) sources.Template {
	var out sources.Template
	for _, p := range t.Parts {
		out = append(out, sources.Part{Literal: p.Literal, Placeholder: p.Placeholder, Field: p.Field.Text, Secret: p.Outside})
	}
	return out
}

func valueOf(v config.Value) sources.Value {
	out := sources.Value{Text: templateOf(v.Text), Scalar: v.Scalar}
	switch v.Kind {
	case config.Text:
		out.Kind = sources.Text
	case config.List:
		out.Kind = sources.List
	case config.Object:
		out.Kind = sources.Object
	default:
		out.Kind = sources.Scalar
	}
	for _, i := range v.Items {
		out.Items = append(out.Items, valueOf(i))
	}
	for _, m := range v.Members {
		out.Members = append(out.Members, sources.Member{Name: m.Name, Value: valueOf(m.Value)})
	}
	return out
}

func testOf(t config.Test) sources.Test {
	return sources.Test{At: t.At.String(), Equals: jsonTexts(t.Equals)}
}

// formatOf reads how times are written; nil for none.
func formatOf(f config.Format) (*row.Format, error) {
	if f.IsZero() {
		return nil, nil
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return nil, err
	}
	return row.ParseFormat(f.String(), zone)
}

func texts(paths []config.Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, p.Text)
	}
	return out
}

func jsonTexts(scalars []config.Scalar) []string {
	var out []string
	for _, s := range scalars {
		out = append(out, string(jsonOf(s)))
	}
	return out
}

// jsonOf is a scalar as JSON writes it.
func jsonOf(s config.Scalar) []byte {
	if s.Kind != config.Text {
		return []byte(s.Text)
	}
	b, err := json.Marshal(s.Text)
	if err != nil {
		return []byte(`""`) // no string fails to encode
	}
	return b
}

// partitionsOf names each partition by the canonical JSON object of its
// values, which is what identifies it for good. Those that a query tells are not
// known here.
func partitionsOf(s *config.Source) []syncer.Partition {
	if s.EachQuery != nil {
		return nil
	}
	if len(s.Each) == 0 {
		return []syncer.Partition{{}}
	}
	var out []syncer.Partition
	for _, each := range s.Each {
		var values []syncer.PartitionValue
		for _, c := range each {
			values = append(values, syncer.PartitionValue{Name: c.Name, JSON: jsonOf(c.Value)})
		}
		out = append(out, syncer.NewPartition(values...))
	}
	return out
}
