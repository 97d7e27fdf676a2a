package config

import "time"

// The table of keys: a pure function of nothing. Sources have keys_source.go.

const years = 3650 * day

// fileKeys are the sections of the file.
func fileKeys() form {
	return table(
		key{"larder", table(larderKeys()...), none, "The daemon."},
		key{"consumer", anyNames(shared("consumer", table(consumerKeys()...))), none, "[consumer.NAME]: a service and its database."},
		key{"owner", anyNames(shared("owner", table(ownerKeys()...))), none, "[owner.NAME]: a service that is polled."},
		key{"source", anyNames(shared("source", table(sourceKeys()...))), none, "[source.NAME]: one feed of an owner."},
		key{"table", list(shared("table", table(tableKeys()...))), required, "[[table]]: a copy of a source in a consumer's database."},
		key{"alert", anyNames(shared("alert", table(alertKeys()...))), none, "[alert.NAME]: who is told of a copy that is too old."},
		key{"maintenance", list(table(maintenanceKeys()...)), none, "[[maintenance]]: when nobody is told."},
		key{"nudge", anyNames(table(nudgeKeys()...)), none, "[nudge.NAME]: who may ask for a poll at POST /nudge/NAME."},
		key{"defaults", table(
			key{"consumer", shared("consumer", table(consumerKeys()...)), none, "Keys of [consumer.NAME] that all consumers share."},
			key{"owner", shared("owner", table(ownerKeys()...)), none, "Keys of [owner.NAME] that all owners share."},
			key{"source", shared("source", table(sourceKeys()...)), none, "Keys of [source.NAME] that all sources share."},
			key{"table", shared("table", table(tableKeys()...)), none, "Keys of [[table]] that all tables share."},
			key{"alert", shared("alert", table(alertKeys()...)), none, "Keys of [alert.NAME] that all alerts share."},
		), none, "What all consumers, owners, sources, tables or alerts share, merged in key by key."},
	)
}

func larderKeys() []key {
	return []key{
		{"name", text(), "larder", "What this larder is called in alerts."},
		{"home", text(), none, "The SQLite file of the poll history and of alerts; larder.db in $STATE_DIRECTORY, else beside the config file."},
		{"listen", text(), defaultListen, "HOST:PORT of metrics and nudges; empty: none. Other than this machine's own needs tokens."},
		{"tokens", table(
			key{"read", secret(), required, "What whoever reads has to show, as Authorization: Bearer TOKEN; 16 characters at least."},
		), none, "Who may read what is listened to. A nudge needs none of them: it proves itself by its own secret."},
		{"heartbeat", tableOr("url",
			key{"url", secret(), required, "What is asked."},
			key{"every", duration(time.Second, day), "1m", "How often."},
			key{"when", choice(HeartbeatAlive, HeartbeatAllFresh), string(HeartbeatAlive), "As long as larder judges and remembers, or only while all copies are fresh, too."},
		), none, "A URL that is asked again and again while all is well, so that somebody else notices when it is not."},
		{"startup_grace", duration(0, day), "10m", "How long after its start larder waits for a copy's first poll before it tells that the copy is too old; 0s: not at all."},
		{"timezone", text(), "UTC", "The time zone of cron specs without CRON_TZ=, such as Europe/Berlin."},
		{"concurrency", integer(1, 1000), 32, "Polls at one time."},
		{"history", duration(time.Hour, years), "30d", "How long poll history stays."},
		{"log", table(
			key{"format", choice("console", "json"), none, "console for people, json for machines; by the terminal unless said."},
			key{"level", choice("trace", "debug", "info", "warn", "error"), "info", "The least level that is written."},
		), none, "How the log looks; it goes to stderr."},
	}
}

func consumerKeys() []key {
	return []key{
		{"database", secret(), required, "postgres://USER@HOST/NAME or sqlite:FILE."},
		{"bookkeeping", text(), "larder", "The schema of larder's own tables; in SQLite the prefix of their names."},
		{"connections", integer(1, 1000), 4, "Connections to the database at one time."},
	}
}

func ownerKeys() []key {
	return []key{
		{"url", text(), required, "The base, http or https; a request's path is appended to it."},
		{"auth", whole(authKeys()...), none, "Who we are: exactly one of the ways."},
		{"tls", table(
			key{"ca_file", text(), none, "A PEM file of the authorities that vouch for the owner, in place of the system's."},
			key{"cert_file", text(), none, "A PEM file with the certificate that larder shows."},
			key{"key_file", text(), none, "A PEM file with its key."},
			key{"server_name", text(), none, "Who the owner has to prove to be; its host unless said."},
		), none, "The certificates of connections; the files are read again when they change."},
		{"headers", anyNames(secret()), none, "Headers that are sent with every request."},
		{"rate", rate(), none, "Requests over all sources of this owner, such as 10/s."},
		{"burst", integer(1, 100_000), 1, "How many requests may follow each other at once under rate."},
		{"quota", either(only(false), table(
			key{"remaining", place(), none, "The header, or body:PATH, of what remains."},
			key{"reset", place(), none, "The header, or body:PATH, of when all of it is back."},
			key{"format", choice(resetFormats()...), none, "How reset is written; seconds or a stamp, by its size, unless said."},
			key{"cost", place(), none, "The header, or body:PATH, of what a request costs; 1 unless said."},
			key{"restore", place(), none, "The header, or body:PATH, of how much comes back a second, in place of reset."},
			key{"refused", test(nil), none, "What an answer of success holds when the owner was asked too often."},
		)), none, "Where answers tell how many requests remain; the usual headers unless said. false: they are not read."},
		{"allow_hosts", oneOrMore(either(text(), table(
			key{"host", text(), required, "A host, with a port or without one."},
			key{"credentials", flag(), false, "true: what is sent to the owner's origin is sent there, too."},
		))), none, "Where links and redirects may lead besides url's origin."},
		{"concurrency", integer(1, 1000), 2, "Requests at one time."},
		{"timeout", duration(100*time.Millisecond, time.Hour), "30s", "The time for one attempt with its body."},
		{"retry", table(
			key{"attempts", integer(1, 20), 5, "How often a request is tried; the first one counts."},
			key{"min", duration(time.Millisecond, time.Hour), "1s", "The least wait between attempts."},
			key{"max", duration(time.Millisecond, day), "1m", "The longest wait between attempts; a longer Retry-After ends the poll."},
			key{"status", list(integer(400, 599)), []int{408, 425, 429, 500, 502, 503, 504}, "The answers that are worth another attempt."},
		), none, "How a request is tried again."},
		{"max_body", size(kib, 4*gib), "64MiB", "The longest page, after decompression."},
		{"max_depth", integer(1, 10_000), 512, "How deep JSON may nest."},
	}
}

func tableKeys() []key {
	return []key{
		{"source", text(), required, "What is copied."},
		{"consumer", oneOrMore(text()), none, "Whose database, or a list of several."},
		{"name", text(), none, "The table's name; the source's unless said."},
		{"columns", columns(), none, "What is kept of a record; those of the source unless said."},
		{"budget", tableOr("critical",
			key{"warn", duration(time.Second, years), none, "From here on status and check warn; less than critical."},
			key{"critical", duration(time.Second, years), none, "From here on the copy is too old; required without grace."},
			key{"grace", tableOr("critical",
				key{"warn", duration(time.Second, years), none, "As much later than a tick of the schedule status and check warn; less than critical."},
				key{"critical", duration(time.Second, years), required, "As much later than a tick of the schedule the copy is too old."},
			), none, "How late after the ticks of its source's schedule the copy may be brought up to date; instead of ages, or beside them."},
			key{"hold", duration(0, day), "0s", "How long the copy has to stay within its budget before that is told."},
			key{"deletes", duration(time.Second, years), none, "How long a deletion may stay unseen where only an audit sees it."},
		), required, "The staleness this copy may reach."},
		{"max_delete", table(
			key{"share", share(), "20%", "Of the rows of the partition."},
			key{"floor", integer(0, 1<<40), 10, "As many may go whatever the share."},
			key{"rows", integer(0, 1<<40), none, "A sweep of more is held whatever the share."},
			key{"all", flag(), false, "true: an empty answer may empty the table."},
		), none, "The guard of sweeps."},
		{"confirm", integer(1, 10), none, "How many complete walks a row must be absent from before it is deleted."},
		{"misfit", choice(MisfitQuarantine, MisfitFail), string(MisfitQuarantine), "What happens to a record that does not fit its columns."},
		{"drift", choice(DriftIgnore, DriftNote, DriftAdd, DriftFail), string(DriftIgnore), "What becomes of a field that nobody named: status tells of it, a column is added, or the poll fails."},
		{"text", choice(TextReject, TextStrip, TextReplace), string(TextReject), "What becomes of text that is none: it does not fit, or is mended."},
		{"where", text(), none, "A condition over the fields of a record: which records are kept."},
		{"on_delete", choice(OnDeleteDelete, OnDeleteMark, OnDeleteKeep), string(OnDeleteDelete), "What becomes of a row that the owner deleted."},
		{"newest", duration(time.Second, years), none, "How old the newest record may be before a warning: the owner's own pipeline may be stuck."},
		{"notify", text(), none, "A channel of Postgres on which each commit that changed rows tells it."},
	}
}

// columns are NAME = "type", or tables.
func columns() form {
	return shared("columns", anyNames(either(columnType(), table(
		key{"from", oneOrMore(field()), none, "The path, or a list of which the first that is there counts; the column's name unless said."},
		key{"expr", text(), none, "An expression over the fields of a record, which computes the column; in place of from."},
		key{"type", columnType(), none, "The type, with not null behind it where a null does not fit; that of the table, which exists, unless said."},
		key{"default", scalar(), none, "The value for a record without the field, or where expr is null."},
		key{"as", text(append(formatNames(), asJSON)...), none, "How the owner writes a time: a format of the watermark, or a Go layout; json: a text that holds JSON."},
		key{"zone", text(), none, "The time zone of a layout that writes none."},
	))))
}
