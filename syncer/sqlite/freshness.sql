CREATE VIEW "larder_freshness" AS
-- julianday, because consumers read the view with an SQLite of their own, and
-- one before 3.42 has no fractions in unixepoch.
WITH clock AS (SELECT (julianday('now') - 2440587.5) * 86400.0 AS now),
part AS (
  SELECT w.*, now,
    CASE WHEN as_of IS NULL OR deletes_as_of IS NULL THEN NULL WHEN deletes > 0 THEN as_of ELSE min(as_of, deletes_as_of) END AS upto,
    as_of IS NOT NULL AND (deletes_as_of IS NULL OR held > 0 OR coalesce(deletes, 0) = 0 AND deletes_as_of < as_of) AS sweep,
    CASE WHEN deletes > 0 AND deletes_as_of + deletes < now THEN deletes_as_of END AS unseen,
    CASE WHEN newest > 0 AND newest_at + newest < now THEN newest_at END AS stuck
  FROM "larder_watermark" AS w, clock
),
judged AS (
  SELECT *,
    CASE WHEN upto IS NULL THEN 3 WHEN now > critical_at THEN 2 WHEN now > warn_at OR stuck IS NOT NULL THEN 1 ELSE 0 END AS rank,
    upto IS NULL OR now > critical_at OR coalesce(now > warn_at, 0) AS stale
  FROM part
),
whole AS (
  SELECT table_name, max(source) AS source, max(rank) AS rank, max(now) AS now,
    CASE WHEN count(upto) = count(*) THEN min(upto) END AS as_of,
    min(first_seen) AS first_seen, min(warn_at) AS warn_at, min(critical_at) AS critical_at,
    max(sweep) AS sweep, max(sweep AND deletes_as_of IS NULL) AS unproven, min(unseen) AS unseen,
    max(stale) AS stale, min(stuck) AS stuck, min(newest_at) AS newest_at,
    sum(held) AS held, sum("rows") AS "rows", max(last_poll) AS last_poll, min(next_poll) AS next_poll,
    min(failing_since) AS failing_since, max(paused) AS paused, max(resync AND parts = 0) AS due, max(late) AS late,
    CASE WHEN count(deletes_as_of) = count(*) THEN min(deletes_as_of) END AS deletes_as_of,
    CASE WHEN count(proven_as_of) = sum(parts = 0) THEN min(proven_as_of) END AS proven_as_of,
    sum(audit_found) AS audit_found, sum(audit_left) AS audit_left, max(audit_error) AS audit_error
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
    WHEN unseen IS NOT NULL THEN 'deletes are not proven since ' || strftime('%Y-%m-%d %H:%M:%SZ', unseen, 'unixepoch')
    WHEN sweep AND (stale OR stuck IS NULL) THEN 'a sweep is held or unconfirmed'
    WHEN failed.error_class IS NOT NULL THEN failed.error_class || ': ' || failed.error
    WHEN paused THEN 'paused'
    WHEN as_of IS NULL THEN 'never polled to the end'
    WHEN stuck IS NOT NULL AND NOT stale THEN 'newest record is from ' || strftime('%Y-%m-%d %H:%M:%SZ', stuck, 'unixepoch') || ': the owner''s own pipeline may be stuck'
    WHEN rank > 0 THEN 'no complete poll since ' || strftime('%Y-%m-%d %H:%M:%SZ', as_of, 'unixepoch')
    WHEN due THEN 'a resync is due: not all of it is as configured yet'
    ELSE ''
  END AS reason,
  as_of, max(now - coalesce(as_of, first_seen), 0) AS staleness, warn_at, critical_at,
  (SELECT coalesce(sum(CASE key WHEN '' THEN times ELSE 1 END), 0)
   FROM "larder_quarantine" AS q WHERE q.table_name = whole.table_name) AS quarantined,
  held, "rows", last_poll, next_poll,
  coalesce(failed.error_class, '') AS error_class, coalesce(failed.error, '') AS error,
  failing_since, paused, late,
  deletes_as_of, proven_as_of, audit_found, audit_left, audit_error, newest_at
FROM whole LEFT JOIN failed ON failed.table_name = whole.table_name AND failed.place = 1
