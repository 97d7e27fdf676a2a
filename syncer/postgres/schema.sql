-- larder's own tables. {schema} stands for the quoted name of their schema.
-- Every statement may be run again.

-- One row for each table and partition: where it stands and how old it is.
CREATE TABLE IF NOT EXISTS {schema}.watermark (
    table_name    text NOT NULL,
    partition     text NOT NULL,
    source        text NOT NULL DEFAULT '',
    shape         text NOT NULL DEFAULT '',
    watermark     text NOT NULL DEFAULT '',
    validator     text NOT NULL DEFAULT '',
    resume        text,                        -- JSON; null: no unfinished walk
    walk_sent     timestamptz,                 -- when that walk's first request was sent
    seen_walk     text NOT NULL DEFAULT '',    -- the walk whose keys are noted
    seen_count    bigint NOT NULL DEFAULT 0,   -- how many of them
    as_of         timestamptz,
    deletes_as_of timestamptz,
    first_seen    timestamptz NOT NULL DEFAULT now(),
    warn          interval,
    critical      interval NOT NULL DEFAULT '0',
    warn_at       timestamptz,
    critical_at   timestamptz,
    last_poll     timestamptz,
    error_class   text NOT NULL DEFAULT '',
    error         text NOT NULL DEFAULT '',
    failing_since timestamptz,
    next_poll     timestamptz,
    rows          bigint NOT NULL DEFAULT 0,
    held          bigint NOT NULL DEFAULT 0,   -- rows that the guard keeps
    late          interval NOT NULL DEFAULT '0',
    paused        boolean NOT NULL DEFAULT false,
    resync        boolean NOT NULL DEFAULT false,
    PRIMARY KEY (table_name, partition)
);

-- Columns that the bookkeeping of an older larder may lack.
ALTER TABLE {schema}.watermark
    ADD COLUMN IF NOT EXISTS list_resume    text,                           -- resume of an unfinished listing walk
    ADD COLUMN IF NOT EXISTS list_sent      timestamptz,                    -- when that walk's first request was sent
    ADD COLUMN IF NOT EXISTS list_tally     bigint[],                       -- what that walk compared, found and repaired, where it is an audit
    ADD COLUMN IF NOT EXISTS touched        boolean NOT NULL DEFAULT false, -- changes have noted keys beside seen_walk
    ADD COLUMN IF NOT EXISTS epoch          text NOT NULL DEFAULT '',       -- the owner's history that watermark belongs to
    ADD COLUMN IF NOT EXISTS error_kind     text NOT NULL DEFAULT '',       -- kind of the walk that failed
    ADD COLUMN IF NOT EXISTS deletes        interval,                       -- budget of deletes_as_of where only audits see deletions
    ADD COLUMN IF NOT EXISTS proven_as_of   timestamptz,                    -- of the last audit that left no difference
    ADD COLUMN IF NOT EXISTS audited        timestamptz,                    -- when the last complete list was asked for
    ADD COLUMN IF NOT EXISTS audit_as_of    timestamptz,                    -- as-of of the last one that was held against all rows
    ADD COLUMN IF NOT EXISTS audit_compared bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS audit_found    bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS audit_left     bigint NOT NULL DEFAULT 0,      -- differences that were not put right
    ADD COLUMN IF NOT EXISTS audit_error    text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS suspects       bigint NOT NULL DEFAULT 0,      -- keys in suspect_
    ADD COLUMN IF NOT EXISTS made           boolean NOT NULL DEFAULT false, -- larder made the table
    ADD COLUMN IF NOT EXISTS roster         boolean NOT NULL DEFAULT false, -- stands for the list of partitions
    ADD COLUMN IF NOT EXISTS newest         interval,                       -- how old newest_at may be
    ADD COLUMN IF NOT EXISTS newest_at      timestamptz,                    -- when the newest record is from
    ADD COLUMN IF NOT EXISTS retired        boolean NOT NULL DEFAULT false; -- there no more, but for rows that the guard keeps

-- The right to write. The generation is part of a unique key, so that a
-- takeover waits for the commits that have it locked, and a renewal does not.
CREATE TABLE IF NOT EXISTS {schema}.lease (
    instance   text PRIMARY KEY,
    generation bigint NOT NULL,
    holder     text NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (instance, generation)
);

-- Records that do not fit. The row with an empty key counts those that found
-- no room here.
CREATE TABLE IF NOT EXISTS {schema}.quarantine (
    table_name  text NOT NULL,
    partition   text NOT NULL,
    key         text NOT NULL,
    column_name text NOT NULL DEFAULT '',
    reason      text NOT NULL DEFAULT '',
    record      text NOT NULL DEFAULT '',
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    times       bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (table_name, partition, key)
);

-- Versions of deleted keys, so that a late older one does not bring them back.
CREATE TABLE IF NOT EXISTS {schema}.gone (
    table_name text NOT NULL,
    key        text NOT NULL,
    version    text NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (table_name, key)
);
CREATE INDEX IF NOT EXISTS gone_until ON {schema}.gone (table_name, until);

-- What operators ask of the daemon that holds the lease.
CREATE TABLE IF NOT EXISTS {schema}.request (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name  text NOT NULL,
    kind        text NOT NULL,
    deletes     bigint NOT NULL DEFAULT 0,
    key         text NOT NULL DEFAULT '',
    asked_at    timestamptz NOT NULL DEFAULT now(),
    asked_by    text NOT NULL DEFAULT '',
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    outcome     text NOT NULL DEFAULT '',
    answered_at timestamptz
);

-- Fields that owners send and nobody named: those that are told of, and those
-- that columns were added for.
CREATE TABLE IF NOT EXISTS {schema}.field (
    table_name text NOT NULL,
    name       text NOT NULL,
    type       text NOT NULL DEFAULT '',       -- of the column that was added
    added      boolean NOT NULL DEFAULT false, -- the column is kept
    told       boolean NOT NULL DEFAULT false, -- status tells of the field
    why        text NOT NULL DEFAULT '',       -- no column was added
    first_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, name)
);

-- How stale every copy is: one row a table, the worst over its partitions.
-- It compares stored deadlines with now() and so stays true while no daemon
-- runs.
CREATE OR REPLACE VIEW {schema}.freshness AS
WITH judged AS (
    SELECT w.*,
        CASE WHEN w.as_of IS NULL OR w.deletes_as_of IS NULL THEN 'never'
             WHEN now() > w.critical_at THEN 'critical'
             WHEN now() > w.warn_at OR w.newest_at + w.newest < now() THEN 'warn'
             ELSE 'fresh' END AS level,
        CASE WHEN w.as_of IS NULL OR w.deletes_as_of IS NULL THEN 3
             WHEN now() > w.critical_at THEN 2
             WHEN now() > w.warn_at OR w.newest_at + w.newest < now() THEN 1
             ELSE 0 END AS rank,
        -- that the owner sends nothing new is all that is wrong with the age
        coalesce(w.newest_at + w.newest < now(), false) AND w.deletes_as_of IS NOT NULL
            AND NOT now() > w.critical_at AND NOT coalesce(now() > w.warn_at, false) AS stuck,
        CASE WHEN w.as_of IS NULL OR w.deletes_as_of IS NULL THEN NULL
             WHEN w.deletes IS NULL THEN least(w.as_of, w.deletes_as_of)
             ELSE w.as_of END AS complete
    FROM {schema}.watermark w
), reasoned AS (
    SELECT j.*,
        CASE WHEN j.as_of IS NOT NULL AND j.deletes_as_of IS NULL
                  THEN 'deletes are not proven yet: a sweep is held or unconfirmed'
             WHEN j.deletes_as_of + j.deletes < now()
                  THEN 'deletes are not proven since ' || to_char(j.deletes_as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
             WHEN NOT j.stuck AND (j.deletes IS NULL AND j.deletes_as_of < j.as_of OR j.held > 0) THEN 'a sweep is held or unconfirmed'
             WHEN j.error_class <> '' THEN j.error_class || ': ' || j.error
             WHEN j.paused THEN 'paused'
             WHEN j.as_of IS NULL THEN 'never polled to the end'
             WHEN j.stuck THEN 'newest record is from ' || to_char(j.newest_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') || ': the owner''s own pipeline may be stuck'
             WHEN j.rank > 0 THEN 'no complete poll since ' || to_char(j.complete AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
             ELSE '' END AS reason
    FROM judged j
)
SELECT r.table_name,
    min(r.source) AS source,
    (array_agg(r.level ORDER BY r.rank DESC, r.complete NULLS FIRST, r.partition))[1] AS level,
    coalesce(nullif((array_agg(r.reason ORDER BY r.rank DESC, (r.reason = ''), r.complete NULLS FIRST, r.partition))[1], ''),
        CASE WHEN bool_or(r.resync AND NOT r.roster) THEN 'a resync is due: not all of it is as configured yet' ELSE '' END) AS reason,
    CASE WHEN bool_and(r.complete IS NOT NULL) THEN min(r.complete) END AS as_of,
    now() - CASE WHEN bool_and(r.complete IS NOT NULL) THEN min(r.complete)
                 ELSE min(r.first_seen) FILTER (WHERE r.complete IS NULL) END AS staleness,
    min(r.warn_at) AS warn_at,
    min(r.critical_at) AS critical_at,
    coalesce((SELECT sum(CASE WHEN q.key = '' THEN q.times ELSE 1 END)
        FROM {schema}.quarantine q WHERE q.table_name = r.table_name), 0)::bigint AS quarantined,
    sum(r.held)::bigint AS held,
    sum(r.rows)::bigint AS rows,
    max(r.last_poll) AS last_poll,
    min(r.next_poll) AS next_poll,
    coalesce((array_agg(r.error_class ORDER BY r.failing_since, r.partition) FILTER (WHERE r.error_class <> ''))[1], '') AS error_class,
    coalesce((array_agg(r.error ORDER BY r.failing_since, r.partition) FILTER (WHERE r.error_class <> ''))[1], '') AS error,
    min(r.failing_since) AS failing_since,
    bool_or(r.paused) AS paused,
    max(r.late) AS late,
    CASE WHEN bool_and(r.deletes_as_of IS NOT NULL) THEN min(r.deletes_as_of) END AS deletes_as_of,
    CASE WHEN bool_and(r.proven_as_of IS NOT NULL) FILTER (WHERE NOT r.roster)
         THEN min(r.proven_as_of) FILTER (WHERE NOT r.roster) END AS proven_as_of,
    sum(r.audit_found)::bigint AS audit_found,
    sum(r.audit_left)::bigint AS audit_left,
    coalesce((array_agg(r.audit_error ORDER BY r.partition) FILTER (WHERE r.audit_error <> ''))[1], '') AS audit_error,
    (SELECT jsonb_agg(jsonb_build_object('name', f.name, 'type', f.type, 'added', f.added, 'why', f.why, 'since', f.first_seen) ORDER BY f.first_seen, f.name COLLATE "C")
        FROM {schema}.field f WHERE f.table_name = r.table_name AND (f.told OR f.added)) AS fields,
    min(r.newest_at) AS newest_at
FROM reasoned r
GROUP BY r.table_name;

-- assert_fresh raises where one of the tables is older than max, so that a
-- query can fail closed. It reads the view alone, with the caller's rights.
CREATE OR REPLACE FUNCTION {schema}.assert_fresh(max interval, VARIADIC tables text[]) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted text;
    found_ record;
BEGIN
    IF max IS NULL OR coalesce(cardinality(tables), 0) = 0 THEN
        RAISE EXCEPTION 'assert_fresh takes a greatest staleness and at least one table';
    END IF;
    FOREACH wanted IN ARRAY tables LOOP
        SELECT f.as_of, f.staleness, f.reason INTO found_ FROM {schema}.freshness f WHERE f.table_name = wanted;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % is not kept by larder', coalesce(quote_ident(wanted), 'NULL');
        ELSIF found_.as_of IS NULL THEN
            RAISE EXCEPTION 'table % was never complete: %', quote_ident(wanted), found_.reason;
        ELSIF found_.staleness > max THEN
            RAISE EXCEPTION 'table % is % old, more than %', quote_ident(wanted), date_trunc(CASE WHEN found_.staleness < interval '10 seconds' THEN 'milliseconds' ELSE 'second' END, found_.staleness), max
                USING DETAIL = found_.reason;
        END IF;
    END LOOP;
    RETURN true;
END $$;
