package config

import (
	"slices"
	"time"
)

func sourceKeys() []key {
	return []key{
		{"owner", text(), none, "Whom to ask; the only one, or the one of the source's name unless said."},
		{"schedule", text(ScheduleAuto, "@hourly", "@daily", "@weekly", "@monthly", "@yearly"), ScheduleAuto, "When to poll: a cron spec, @every 30s, or auto."},
		{"mode", choice(Incremental, Snapshot, Delta, EventLog), none, "What a poll asks for; it follows from the watermark unless said."},
		{"jitter", duration(0, day), none, "At most so much later than its tick a poll starts; a tenth of the interval unless said."},
		{"lag", duration(0, 30*day), "0s", "How late the owner may show a committed change."},
		{"each", whole(
			key{"values", some(anyNames(scalar())), none, "A list of tables of constants, one a partition."},
			key{"query", text(), none, "SQL that is asked at every poll, one partition a row."},
			key{"consumer", text(), none, "Whose database query asks."},
			key{"concurrency", integer(1, 1000), none, "How many partitions are walked at one time."},
		), none, "The partitions."},
		{"expired", table(
			key{"status", oneOrMore(integer(200, 599)), 410, "The status, or a list: 200, or from 400 to 599."},
			key{"at", place(), none, "The place that is there when the watermark is too old."},
			key{"equals", oneOrMore(scalar()), none, "The value, or list of values, of that place."},
		), none, "How the owner says that a watermark is too old."},
		{"retention", duration(time.Minute, years), none, "How long the owner can still tell what changed."},
		{"enabled", flag(), true, "false: not polled."},
		{"columns", columns(), none, "Columns of every table that gives none of its own."},
		{"request", request(), none, "How the owner is asked."},
		{"paging", paging(), none, "How pages follow each other."},
		{"records", table(recordsKeys()...), required, "Where the records are."},
		{"watermark", tableOr("from", watermarkKeys()...), none, "What the next poll asks for; required but in a snapshot."},
		{"resync", either(only(true), table(resyncKeys()...)), none, "How everything is asked for; true: by asking without a watermark."},
		{"audit", either(only(false), tableOr("schedule",
			key{"schedule", text("@daily"), required, "When, as the schedule of a source."},
			key{"compare", choice(CompareAll, CompareKeys, CompareSample), string(CompareAll), "Every column of every row, which rows there are, or every column of some rows."},
			key{"repair", flag(), true, "Puts right what differs; false only counts and tells."},
			key{"share", share(), "10%", "How much of the rows one sample compares."},
		)), none, "When and how the copies are compared with everything that the owner has; false: never."},
		{"epoch", tableOr("at",
			key{"request", request(), none, "A request of its own that is asked for the value before each poll."},
			key{"at", place(), none, "The place of a value that names the owner's history."},
			key{"falling", flag(), false, "true: only a smaller value than the last one tells."},
			key{"contiguous", flag(), false, "true: a gap in the integers of the watermark tells, too."},
		), none, "What tells that the owner's history started again."},
	}
}

func request() form {
	return shared("request", table(
		key{"method", choice("GET", "POST"), none, "GET, or POST with a body."},
		key{"path", template(), none, "Begins with / and is appended to the owner's url."},
		key{"query", anyNames(anything()), none, "Parameters; a list repeats one, a table is sent as JSON text."},
		key{"headers", anyNames(template()), none, "Headers of this source."},
		key{"body", either(text(), list(anything()), anyNames(anything())), none, "A table or a list is sent as JSON, a text as it is."},
		key{"content_type", text(formType), none, "What a text body is; a table of this type is sent as a form."},
		key{"graphql", text(), none, "A GraphQL document, taken as it is."},
		key{"variables", anyNames(anything()), none, "The document's variables; one that is a placeholder alone is left out while it has no value."},
		key{"connection", path(), none, "The path of a Relay connection in the answer: says where records and the next page are."},
		key{"space", choice("%20", "+"), "%20", "How a space is written in a query and a form."},
		key{"conditional", flag(), none, "Sends ETag and Last-Modified back; on where the answer is one page."},
		key{"later", table(
			key{"query", anyNames(anything()), none, "Parameters that replace those of the same name; false takes one away."},
			key{"body", anyNames(anything()), none, "Members that replace those of the body; false takes one away."},
		), none, "What every page after the first asks otherwise."},
	))
}

func paging() form {
	return shared("paging", table(
		key{"by", choice(PagingNone, PagingCursor, PagingNextURL, PagingLink, PagingPage, PagingOffset, PagingKeyset, PagingSince), none, "The style; it follows from the placeholders unless said."},
		key{"next", place(), none, "The place where an answer tells the next page."},
		key{"first", integer(0, 1_000_000), 1, "The number of the first page, by page."},
		key{"size", integer(1, 10_000_000), none, "What {size} stands for: records a page."},
		key{"more", test(place()), none, "The place of a flag that tells whether more follows."},
		key{"total", place(), none, "The place of the number of records that this walk brings."},
		key{"pages", place(), none, "The place of the number of all pages, by page."},
		key{"short_page", flag(), false, "true: a page of fewer than size records is the last."},
		key{"max_pages", integer(1, 1_000_000_000), none, "A walk with more pages fails."},
		key{"max_time", duration(time.Second, 30*day), "1d", "A walk that takes longer fails."},
	))
}

// test is a place and what must stand there, or what else short says.
func test(short form) form {
	return either(short, shared("test", table(
		key{"at", place(), required, "The place."},
		key{"equals", oneOrMore(scalar()), required, "The value, or list of values."},
	)))
}

func recordsKeys() []key {
	return []key{
		{"at", either(path(), shared("recordsAt", table(
			key{"at", path(), none, "The path of what holds the records."},
			key{"as", choice(AsMap, AsOne, AsColumns, AsValue), required, "What holds them: an object's values, one record, parallel arrays, or bare keys."},
		))), none, "The path of the array; the body is the array unless said."},
		{"absent", choice(absentFail, absentEmpty), absentFail, "What an answer without at is: a failure, or a list without records."},
		{"format", choice(JSON, NDJSON, CSV), string(JSON), "How a body holds records."},
		{"separator", text(), ",", "The character between the fields of csv."},
		{"unwrap", path(), none, "The path of the record inside its envelope."},
		{"key", oneOrMore(field()), required, "The field that identifies a record, or a list of fields."},
		{"version", oneOrMore(field()), none, "The field that tells which of two is newer; the watermark's unless said."},
		{"deleted", either(text("never"), deleted()), none, "How the owner tells that a record is gone: a field, a table, or never."},
		{"hydrate", hydrate(), none, "How whole records are fetched where the feed has only their keys."},
		{"partial", flag(), false, "true: the record of a change may carry only what changed."},
		{"error", place(), none, "A place which, if it is there and not empty, makes the answer a failure."},
		{"require", test(nil), none, "What must hold in every answer."},
	}
}

func deleted() form {
	return shared("deleted", whole(
		key{"field", field(), none, "The field that is there, neither null nor false, in a record that is gone."},
		key{"equals", oneOrMore(scalar()), none, "The value, or list of values, of that field."},
		key{"at", path(), none, "The path of a list of what is gone."},
		key{"key", path(), none, "The field of that list that holds the key; its elements are keys unless said."},
		key{"request", request(), none, "A request of its own that tells what is gone."},
		key{"from", place(), none, "The place in its answer of how far it reaches."},
		key{"earliest", place(), none, "The place in its answer of how far back the owner can tell."},
	))
}

func hydrate() form {
	return shared("hydrate", table(
		key{"request", request(), required, "The request, with {keys} or with {record.FIELD}."},
		key{"batch", integer(1, 10_000), none, "How many keys are asked for at once; 100 with {keys}."},
		key{"join", text(), ",", "What stands between the keys in a text."},
		key{"at", path(), none, "The path of the records in the answer."},
		key{"deleted", path(), none, "The field that marks a record of the answer as gone."},
		key{"missing", choice(missingKeep, missingDeleted), missingKeep, "What is asked for and not answered: its row is kept, or deleted."},
	))
}

func watermarkKeys() []key {
	return []key{
		{"from", oneOrMore(text("start")), required, "A field of the records, body:PATH, header:NAME, last:FIELD, first:FIELD or start."},
		{"format", text(watermarkFormats()...), none, "How the owner writes it: a name, or a Go layout; rfc3339 unless said."},
		{"zone", text(), none, "The time zone of a layout that writes none."},
		{"ask", text(formatNames()...), none, "How {since}, {until} and {now} are written, if otherwise."},
		{"overlap", either(duration(0, years), integer(0, 1<<53)), none, "How far before the watermark each poll asks again."},
		{"settle", duration(0, 30*day), "0s", "How far behind the newest a poll stays."},
		{"initial", scalar(), none, "Where the first poll starts, as the owner writes it."},
		{"order", choice(OrderNone, OrderAscending, OrderDescending), string(OrderNone), "What the owner promises about the sequence of records."},
		{"window", duration(time.Second, years), none, "Cuts the first copy into slices from initial on."},
		{"concurrency", integer(1, 1000), none, "How many slices are walked at one time."},
		{"null", choice(NullFail, NullInclude, NullSkip), string(NullFail), "What a record without the field does."},
	}
}

func resyncKeys() []key {
	records := slices.DeleteFunc(recordsKeys(), func(k key) bool { return k.name == "partial" })
	for i := range records {
		if k := &records[i]; k.name == "key" || k.name == "version" {
			k.def, k.says = none, "As the source's."
		}
	}
	return []key{
		{"request", request(), required, "The request that lists everything."},
		{"paging", paging(), none, "How the pages of the list follow each other; as the source's unless said."},
		{"records", table(records...), none, "Where the records of the list are; as the source's unless said."},
		{"watermark", either(text("start"), table(
			key{"from", text("start"), required, "body:PATH, header:NAME or start."},
			key{"request", request(), none, "A request of its own, asked before the list, whose answer has the place."},
			key{"format", text(watermarkFormats()...), none, "As the source's."},
			key{"zone", text(), none, "As the source's."},
		)), none, "Where changes go on after the list."},
	}
}
