package main

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// walked is a Report as --json prints it: names of one style, seconds for
// durations, nothing where there is nothing.
type walked struct {
	Partition   string       `json:"partition,omitempty"`
	Kind        string       `json:"kind"`
	Resumed     bool         `json:"resumed"`
	Started     time.Time    `json:"started"`
	TookSeconds float64      `json:"took_seconds"`
	Batches     int          `json:"batches"`
	Records     int          `json:"records"`
	Bytes       int64        `json:"bytes"`
	Unchanged   bool         `json:"not_modified"`
	Class       syncer.Class `json:"error_class,omitempty"`
	Error       string       `json:"error,omitempty"`
	RetryAt     *time.Time   `json:"retry_at,omitempty"`
	Tables      []applied    `json:"tables"`
}

// applied is a TableReport as --json prints it.
type applied struct {
	Table       string       `json:"table"`
	Kind        string       `json:"kind"`
	Inserted    int          `json:"inserted"`
	Updated     int          `json:"updated"`
	Deleted     int          `json:"deleted"`
	Unchanged   int          `json:"unchanged"`
	Quarantined int          `json:"quarantined"`
	Swept       int          `json:"swept"`
	Held        int          `json:"held"`
	Waiting     int          `json:"waiting"`
	Audit       *compared    `json:"audit,omitempty"`
	Class       syncer.Class `json:"error_class,omitempty"`
	Error       string       `json:"error,omitempty"`
}

// compared is what an audit found, as --json prints it.
type compared struct {
	Compared  int `json:"compared"`
	Missing   int `json:"missing"`
	Extra     int `json:"extra"`
	Different int `json:"different"`
	Repaired  int `json:"repaired"`
	Held      int `json:"held"`
	Suspects  int `json:"suspects"`
	// Quarantined are records that do not fit, which are not compared.
	Quarantined int `json:"quarantined"`
	// Keys says that keys alone were compared, and are what is proven.
	Keys   bool       `json:"keys_only"`
	Proven *time.Time `json:"proven_as_of,omitempty"`
}

func newCompared(a *syncer.Audited) *compared {
	if a == nil {
		return nil
	}
	return &compared{Compared: a.Compared, Missing: a.Missing, Extra: a.Extra, Different: a.Different,
		Repaired: a.Repaired, Held: a.Held, Suspects: a.Suspects, Quarantined: a.Quarantined, Keys: a.Keys, Proven: instant(a.Proven)}
}

func newWalked(r syncer.Report) walked {
	out := walked{Partition: r.Partition, Kind: string(r.Kind), Resumed: r.Resumed, Started: r.Started.UTC(), TookSeconds: r.Took.Seconds(),
		Batches: r.Batches, Records: r.Records, Bytes: r.Bytes, Unchanged: r.Unchanged, RetryAt: instant(r.RetryAt), Tables: []applied{}}
	out.Class, out.Error = failureText(r.Failure)
	for _, t := range r.Tables {
		a := applied{Table: t.Table, Kind: string(t.Kind), Inserted: t.Applied.Inserted, Updated: t.Applied.Updated,
			Deleted: t.Applied.Deleted, Unchanged: t.Applied.Unchanged, Quarantined: t.Applied.Quarantined,
			Swept: t.Settled.Swept, Held: t.Settled.Held, Waiting: t.Settled.Waiting,
			Audit: newCompared(t.Settled.Audit)}
		a.Class, a.Error = failureText(t.Failure)
		out.Tables = append(out.Tables, a)
	}
	return out
}

func failureText(f *syncer.Failure) (syncer.Class, string) {
	if f == nil {
		return "", ""
	}
	return f.Class, f.Text
}

// setAside is a record in quarantine as --json prints it.
type setAside struct {
	Table     string    `json:"table"`
	Partition string    `json:"partition,omitempty"`
	Key       string    `json:"key"`
	Column    string    `json:"column"`
	Reason    string    `json:"reason"`
	Record    string    `json:"record"`
	Since     time.Time `json:"since"`
}

func newSetAside(q syncer.Quarantined) setAside {
	return setAside{Table: q.Table, Partition: q.Partition, Key: q.Key, Column: q.Column, Reason: q.Reason, Record: q.Record,
		Since: q.Since.UTC().Truncate(time.Millisecond)}
}
