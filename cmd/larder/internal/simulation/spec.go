package simulation

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// layout is how the owner writes stamps. It has none without seconds.
func (c *Contract) layout() string {
	switch {
	case c.Granule >= time.Second:
		return time.RFC3339
	case c.Granule >= time.Millisecond:
		return "2006-01-02T15:04:05.000Z07:00"
	}
	return ""
}

// partitions are those of the source.
func (c *Contract) partitions() []syncer.Partition {
	if c.Parts == 1 {
		return []syncer.Partition{{}}
	}
	var out []syncer.Partition
	for i := range c.Parts {
		out = append(out, syncer.NewPartition(syncer.PartitionValue{Name: "part", JSON: []byte(strconv.Itoa(i))}))
	}
	return out
}

// template reads a text with placeholders.
func template(s string) sources.Template {
	var t sources.Template
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			t = append(t, sources.Part{Literal: before})
		}
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		name, field, _ := strings.Cut(name, ".")
		t = append(t, sources.Part{Placeholder: name, Field: field})
		s = after
	}
	return t
}

func param(name, value string) sources.Param {
	return sources.Param{Name: name, Values: []sources.Value{sources.TextValue(template(value))}}
}

// source is how the owner is asked, as a configuration would say it.
func (c *Contract) source() (sources.Spec, error) {
	format, err := row.ParseFormat("rfc3339", nil)
	if err != nil {
		return sources.Spec{}, fmt.Errorf("read the watermark's format: %w", err)
	}
	spec := sources.Spec{
		Name: "simulated", Mode: c.Mode, Versioned: c.versioned(),
		Request: sources.Request{Path: template("/records"), Query: []sources.Param{param("size", "{size}")}, Conditional: c.Conditional},
		Paging:  sources.Paging{By: c.By, Size: c.Page + c.Asks},
		Records: sources.Records{At: "data", Key: []string{"id"}, Error: "error"},
		Paths:   []string{"id", "name", "updated_at"},
		Expired: sources.Expired{Status: []int{http.StatusGone}},
	}
	ask := func(params ...sources.Param) { spec.Request.Query = append(spec.Request.Query, params...) }
	if c.Parts > 1 {
		ask(param("part", "{each.part}"))
		spec.Paths = append(spec.Paths, "each.part")
	}
	if c.Tombstones {
		spec.Records.Deleted = "deleted_at"
	}
	if c.Lines {
		spec.Records.At, spec.Records.Format, spec.Records.Error = "", sources.NDJSON, ""
	}
	list := spec.Request
	switch c.Mode {
	case sources.Incremental:
		spec.Watermark = sources.Watermark{From: []string{"updated_at"}, Format: format, Overlap: c.Overlap, Settle: c.Settle}
		if c.Order == sourcetest.ByStampDesc {
			spec.Watermark.Order = sources.Descending
		}
		ask(param("since", "{since}"))
		if c.Until {
			ask(param("until", "{until}"))
		}
		spec.Request.Query = append(spec.Request.Query, c.paged()...)
	case sources.Delta:
		spec.Watermark = sources.Watermark{Place: "meta.token", Opaque: sources.Token}
		if c.Links {
			spec.Watermark = sources.Watermark{Place: "links.delta", Opaque: sources.URL}
		} else {
			ask(param("token", "{since}"))
		}
		spec.Request.Query = append(spec.Request.Query, c.paged()...)
		spec.Resync.Known = true
	case sources.Log:
		spec.Watermark = sources.Watermark{Last: "seq", Opaque: sources.Token}
		ask(param("after", "{since}"))
	case sources.SnapshotAll:
		spec.Request.Query = append(spec.Request.Query, c.paged()...)
	}
	c.page(&spec.Paging)
	if c.Mode == sources.Delta || c.Mode == sources.Log {
		spec.Epoch = sources.Epoch{At: "meta.epoch"}
	}
	if c.Listed {
		c.list(&spec, list)
	}
	return spec, nil
}

// list gives a resync a request of its own.
func (c *Contract) list(spec *sources.Spec, list sources.Request) {
	spec.Resync = sources.Resync{Known: true, Request: &list}
	if c.Mode != sources.Log {
		list.Query = append(slices.Clone(list.Query), c.paged()...)
		unbounded := spec.Watermark
		unbounded.Settle = 0
		spec.Resync.Watermark = &unbounded
		return
	}
	list.Query = append(slices.Clone(list.Query), param("list", "1"), param("cursor", "{cursor}"))
	spec.Resync.Paging = &sources.Paging{By: sources.Cursor, Next: "meta.next_cursor", Size: c.Page}
	spec.Resync.Watermark = &sources.Watermark{Place: "meta.head", Opaque: sources.Token}
}

// paged is what a request says of its page.
func (c *Contract) paged() []sources.Param {
	switch c.By {
	case sources.Cursor:
		return []sources.Param{param("cursor", "{cursor}")}
	case sources.Page:
		return []sources.Param{param("page", "{page}")}
	case sources.Offset:
		return []sources.Param{param("offset", "{offset}")}
	case sources.Keyset:
		return []sources.Param{param("after_stamp", "{last.updated_at}"), param("after_id", "{last.id}")}
	}
	return nil
}

// page says how pages follow each other.
func (c *Contract) page(p *sources.Paging) {
	switch c.By {
	case sources.Cursor:
		p.Next = "meta.next_cursor"
	case sources.NextURL:
		p.Next = "links.next"
	case sources.Page:
		p.First = 1
	}
	switch c.Told {
	case ShortPage:
		p.ShortPage = true
	case Total:
		p.Total = "meta.total"
	case Pages:
		p.Pages = "meta.pages"
	case More:
		p.More = sources.Test{At: "meta.more"}
	}
}

// tells reports whether polls tell of deletions; else audits do.
func (c *Contract) tells() bool { return c.Tombstones || c.Mode == sources.SnapshotAll }

// versioned reports whether rows have versions.
func (c *Contract) versioned() bool { return c.Mode == sources.Incremental }

// table is table i of the history, as a configuration would say it.
func (c *Contract) table(i int) row.Spec {
	name := string(rune('a' + i))
	spec := row.Spec{Name: "c." + name, Target: name, Source: "simulated", Key: []int{0}, Version: -1,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "change", Type: row.Type{Kind: row.Bigint}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Partitions: c.partitions(), Shape: syncer.Shape("s", []string{"id", "change", "updated_at"}),
		Budget: syncer.Budget{Critical: time.Hour}, Confirm: c.Confirm,
		// An answer without records is never taken for the truth: no owner of a
		// history that comes to rest is empty.
		Guard: syncer.Guard{Share: 1}, Remember: c.Overlap + c.Lag,
	}
	if c.versioned() {
		spec.Version = 2
	}
	if c.Parts > 1 {
		spec.Columns = append(spec.Columns, row.Column{Name: "part", Type: row.Type{Kind: row.Bigint}, Slots: []int{3}, Each: "part"})
	}
	if !c.tells() {
		spec.Budget.Deletes = time.Hour
	}
	return spec
}

// client is how the owner is spoken to.
func (l *life) client() (*sources.Client, error) {
	return sources.NewClient(sources.Owner{
		Name: "owner", URL: "https://owner.example", Transport: l.transport(), Log: zerolog.Nop(),
		Timeout: 30 * time.Second, // Waits of random length would make each life of a history another one.
		Retry:   sources.Retry{Attempts: l.Attempts, Min: time.Second, Max: time.Second}, Concurrency: 4 * l.Parts,
	})
}
