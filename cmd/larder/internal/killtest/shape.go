package killtest

import (
	"fmt"
	"time"
)

// Shape is how an Owner is asked and what it tells: the part of the
// configuration in which scenarios differ.
type Shape struct {
	// Source are lines of [source.users], Table lines of its [[table]], and
	// Columns more columns, a comma before each.
	Source, Table, Columns string
	// Overlap is how late a commit may become visible.
	Overlap time.Duration
	// Silent says that deleted records leave the list without a word.
	Silent bool
	// Parts is into how many partitions the records fall, by their keys; 0: none.
	Parts int
}

const toldRecords = `records   = { at = "data", key = "id", deleted = "deleted_at" }
watermark = { from = "updated_at", overlap = %q }`

// Tokens is a feed whose pages follow each other by opaque tokens.
func Tokens() Shape { return tokens(Overlap) }

// Prompt is Tokens for a feed with no late commits to speak of, so that an
// audit need not wait long until it asks again.
func Prompt() Shape { return tokens(200 * time.Millisecond) }

func tokens(overlap time.Duration) Shape {
	return Shape{Overlap: overlap, Source: `request   = { path = "/users", query = { updated_since = "{since}", cursor = "{cursor}" } }
paging    = { next = "meta.next_cursor" }
` + fmt.Sprintf(toldRecords, overlap)}
}

// Keyset is a feed that is asked for what comes behind the last record.
func Keyset() Shape {
	return Shape{Overlap: Overlap, Source: `request   = { path = "/users", query = { updated_since = "{since}", after_stamp = "{last.updated_at}", after_id = "{last.id}" } }
paging    = { by = "keyset" }
` + fmt.Sprintf(toldRecords, Overlap)}
}

// Numbered is a feed of numbered pages, in the order of the keys: a walk of it
// starts again.
func Numbered() Shape {
	return Shape{Overlap: Overlap, Source: `request   = { path = "/users", query = { updated_since = "{since}", page = "{page}" } }
paging    = { by = "page" }
` + fmt.Sprintf(toldRecords, Overlap)}
}

// Snapshot is a list of all records; what is not in it is deleted.
func Snapshot() Shape {
	return Shape{Silent: true, Source: `mode      = "snapshot"
request   = { path = "/users", query = { cursor = "{cursor}" } }
paging    = { next = "meta.next_cursor" }
records   = { at = "data", key = "id" }`, Table: `max_delete = { share = "100%", floor = 100 }`}
}

// Partitioned is Tokens in three partitions, each with a position of its own.
func Partitioned() Shape {
	return Shape{Overlap: Overlap, Parts: 3, Columns: `, part = { from = "each.name", type = "text" }`,
		Source: `each      = { values = [ { name = "0" }, { name = "1" }, { name = "2" } ] }
request   = { path = "/users", query = { part = "{each.name}", updated_since = "{since}", cursor = "{cursor}" } }
paging    = { next = "meta.next_cursor" }
` + fmt.Sprintf(toldRecords, Overlap)}
}

// partOf is the name of a key's partition, as larder writes it.
func (s Shape) partOf(id int64) string {
	if s.Parts == 0 {
		return ""
	}
	return fmt.Sprintf(`{"name":"%d"}`, id%int64(s.Parts))
}
