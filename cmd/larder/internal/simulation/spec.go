package simulation

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// layout is how the owner writes stamps.
func (c *Contract) layout() string {
	switch {
	case c.Granule >= time.Second:
		return "2006-01-02T15:04:05Z07:00"
	case c.Granule >= time.Millisecond:
		return "2006-01-02T15:04:05.000Z07:00"
	}
	return "2006-01-02T15:04:05.000000Z07:00"
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
		Paging:  sources.Paging{By: c.By, Size: c.Page},
		Records: sources.Records{At: "data", Key: []string{"id"}},
		Paths:   []string{"id", "name", "updated_at"},
		Resync:  sources.Resync{Known: c.Mode == sources.Delta},
	}
	if c.Tombstones {
		spec.Records.Deleted = "deleted_at"
	}
	if c.Mode != sources.SnapshotAll {
		spec.Watermark = sources.Watermark{From: []string{"updated_at"}, Format: format, Overlap: c.Overlap}
		spec.Request.Query = append(spec.Request.Query, param("since", "{since}"))
	}
	if c.Parts > 1 {
		spec.Request.Query = append(spec.Request.Query, param("part", "{each.part}"))
		spec.Paths = append(spec.Paths, "each.part")
	}
	c.page(&spec)
	return spec, nil
}

// page says how pages follow each other.
func (c *Contract) page(spec *sources.Spec) {
	ask := func(params ...sources.Param) { spec.Request.Query = append(spec.Request.Query, params...) }
	switch c.By {
	case sources.Cursor:
		spec.Paging.Next = "meta.next_cursor"
		ask(param("cursor", "{cursor}"))
	case sources.NextURL:
		spec.Paging.Next = "links.next"
	case sources.Page:
		spec.Paging.First = 1
		ask(param("page", "{page}"))
	case sources.Offset:
		ask(param("offset", "{offset}"))
	case sources.Keyset:
		ask(param("after_stamp", "{last.updated_at}"), param("after_id", "{last.id}"))
	}
	switch c.End {
	case ShortPage:
		spec.Paging.ShortPage = true
	case Total:
		spec.Paging.Total = "meta.total"
	case Pages:
		spec.Paging.Pages = "meta.pages"
	case More:
		spec.Paging.More = sources.Test{At: "meta.more"}
	}
}

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
		Guard: syncer.Guard{Share: 1, All: true}, Remember: c.Overlap + c.Lag,
	}
	if c.versioned() {
		spec.Version = 2
	}
	if c.Parts > 1 {
		spec.Columns = append(spec.Columns, row.Column{Name: "part", Type: row.Type{Kind: row.Bigint}, Slots: []int{3}, Each: "part"})
	}
	if !c.Tombstones {
		spec.Budget.Deletes = time.Hour
	}
	return spec
}

// client is how the owner is spoken to.
func (l *life) client() (*sources.Client, error) {
	return sources.NewClient(sources.Owner{
		Name: "owner", URL: "https://owner.example/v1", Transport: l.transport(), Log: zerolog.Nop(),
		Timeout: 30 * time.Second, Retry: sources.Retry{Attempts: l.Attempts}, Concurrency: l.Parts + 1,
	})
}
