-- What larder keeps in a consumer's database. Instants are seconds since 1970
-- on the clock of SQLite here, with fractions: datetime(as_of, 'unixepoch').

CREATE TABLE IF NOT EXISTS "larder_lease" (
  instance TEXT NOT NULL PRIMARY KEY,
  generation INTEGER NOT NULL,
  holder TEXT NOT NULL,
  expires_at REAL NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS "larder_watermark" (
  table_name TEXT NOT NULL,
  partition TEXT NOT NULL,
  source TEXT NOT NULL,
  shape TEXT NOT NULL DEFAULT '',
  watermark TEXT NOT NULL DEFAULT '',
  validator TEXT NOT NULL DEFAULT '',
  resume TEXT,
  walk_sent REAL,
  seen_walk TEXT NOT NULL DEFAULT '',
  seen_count INTEGER NOT NULL DEFAULT 0,
  as_of REAL,
  deletes_as_of REAL,
  first_seen REAL NOT NULL,
  warn REAL,
  critical REAL NOT NULL,
  warn_at REAL,
  critical_at REAL,
  last_poll REAL,
  next_poll REAL,
  error_class TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  failing_since REAL,
  "rows" INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0,
  late REAL NOT NULL DEFAULT 0,
  paused INTEGER NOT NULL DEFAULT 0,
  resync INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (table_name, partition)
) STRICT;

-- Records that do not fit. The row with key '' counts those beyond the bound.
CREATE TABLE IF NOT EXISTS "larder_quarantine" (
  table_name TEXT NOT NULL,
  partition TEXT NOT NULL,
  key TEXT NOT NULL,
  column_name TEXT NOT NULL,
  reason TEXT NOT NULL,
  record TEXT NOT NULL,
  first_seen REAL NOT NULL,
  last_seen REAL NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (table_name, partition, key)
) STRICT;

-- Versions of deleted keys, so that a late old version brings none back.
CREATE TABLE IF NOT EXISTS "larder_gone" (
  table_name TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT NOT NULL,
  until REAL NOT NULL,
  PRIMARY KEY (table_name, key)
) STRICT;

CREATE TABLE IF NOT EXISTS "larder_request" (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  deletes INTEGER NOT NULL DEFAULT 0,
  key TEXT NOT NULL DEFAULT '',
  asked_at REAL NOT NULL,
  asked_by TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting',
  outcome TEXT NOT NULL DEFAULT '',
  answered_at REAL
) STRICT;

CREATE VIEW "larder_freshness" AS
-- julianday, because consumers read the view with an SQLite of their own, and
-- one before 3.42 has no fractions in unixepoch.
WITH clock AS (SELECT (julianday('now') - 2440587.5) * 86400.0 AS now),
part AS (
  SELECT w.*, now,
    CASE WHEN as_of IS NULL OR deletes_as_of IS NULL THEN NULL ELSE min(as_of, deletes_as_of) END AS proven,
    as_of IS NOT NULL AND (deletes_as_of IS NULL OR deletes_as_of < as_of OR held > 0) AS sweep
  FROM "larder_watermark" AS w, clock
),
judged AS (
  SELECT *,
    CASE WHEN proven IS NULL THEN 3 WHEN now > critical_at THEN 2 WHEN now > warn_at THEN 1 ELSE 0 END AS rank
  FROM part
),
whole AS (
  SELECT table_name, max(source) AS source, max(rank) AS rank, max(now) AS now,
    CASE WHEN count(proven) = count(*) THEN min(proven) END AS as_of,
    min(first_seen) AS first_seen, min(warn_at) AS warn_at, min(critical_at) AS critical_at,
    max(sweep) AS sweep, max(sweep AND deletes_as_of IS NULL) AS unproven,
    sum(held) AS held, sum("rows") AS "rows", max(last_poll) AS last_poll, min(next_poll) AS next_poll,
    min(failing_since) AS failing_since, max(paused) AS paused, max(late) AS late
  FROM judged GROUP BY table_name
),
failed AS (
  SELECT table_name, error_class, error,
    row_number() OVER (PARTITION BY table_name ORDER BY rank DESC, failing_since) AS place
  FROM judged WHERE error_class <> ''
)
SELECT whole.table_name AS table_name, source,
  CASE rank WHEN 3 THEN 'never' WHEN 2 THEN 'critical' WHEN 1 THEN 'warn' ELSE 'fresh' END AS level,
  CASE
    WHEN unproven THEN 'deletes are not proven yet: a sweep is held or unconfirmed'
    WHEN sweep THEN 'a sweep is held or unconfirmed'
    WHEN failed.error_class IS NOT NULL THEN failed.error_class || ': ' || failed.error
    WHEN paused THEN 'paused'
    WHEN as_of IS NULL THEN 'never polled to the end'
    WHEN rank > 0 THEN 'no complete poll since ' || strftime('%Y-%m-%d %H:%M:%SZ', as_of, 'unixepoch')
    ELSE ''
  END AS reason,
  as_of, max(now - coalesce(as_of, first_seen), 0) AS staleness, warn_at, critical_at,
  (SELECT coalesce(sum(CASE key WHEN '' THEN times ELSE 1 END), 0)
   FROM "larder_quarantine" AS q WHERE q.table_name = whole.table_name) AS quarantined,
  held, "rows", last_poll, next_poll,
  coalesce(failed.error_class, '') AS error_class, coalesce(failed.error, '') AS error,
  failing_since, paused, late
FROM whole LEFT JOIN failed ON failed.table_name = whole.table_name AND failed.place = 1;
