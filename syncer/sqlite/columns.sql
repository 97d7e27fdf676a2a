-- Columns of the watermark table that its first form did not have, one a line:
-- where one is missing it is added.

-- Where an unfinished snapshot, resync or audit can go on; resume and walk_sent
-- are those of a walk for changes.
list_resume TEXT
list_sent REAL
epoch TEXT NOT NULL DEFAULT ''
-- The kind of the walk that failed last, and why the last audit did.
error_kind TEXT NOT NULL DEFAULT ''
audit_error TEXT NOT NULL DEFAULT ''
-- The budget for deletions where only lists tell of them, in seconds.
deletes REAL
-- Up to when an audit that left no difference found the copy complete; when the
-- last complete list was asked for; and up to when the last one was complete
-- that was held against the whole copy, which a sample is not.
proven_as_of REAL
audited REAL
audit_as_of REAL
-- What the last audit compared, found, and left as it was.
audit_compared INTEGER NOT NULL DEFAULT 0
audit_found INTEGER NOT NULL DEFAULT 0
audit_left INTEGER NOT NULL DEFAULT 0
-- How many differences are noted, counted or not.
suspects INTEGER NOT NULL DEFAULT 0
-- What the audit under way has compared, found and repaired.
walk_compared INTEGER NOT NULL DEFAULT 0
walk_missing INTEGER NOT NULL DEFAULT 0
walk_different INTEGER NOT NULL DEFAULT 0
walk_repaired INTEGER NOT NULL DEFAULT 0
-- How old the newest record may be, in seconds, and when it is from.
newest REAL
newest_at REAL
-- Whether larder created the table itself.
made INTEGER NOT NULL DEFAULT 0
-- 1 in the row that stands for the list of partitions, where they change.
parts INTEGER NOT NULL DEFAULT 0
-- 1 where the partition is no more, but its rows are held.
retired INTEGER NOT NULL DEFAULT 0
