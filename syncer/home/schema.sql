-- One row a walk. Instants are microseconds since 1970 by the daemon's clock,
-- durations microseconds; tables holds the outcomes as JSON, one a table.
CREATE TABLE IF NOT EXISTS poll (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  partition TEXT NOT NULL,
  walk TEXT NOT NULL,
  kind TEXT NOT NULL,
  resumed INTEGER NOT NULL,
  started INTEGER NOT NULL,
  took INTEGER NOT NULL,
  batches INTEGER NOT NULL,
  records INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  unchanged INTEGER NOT NULL,
  error_class TEXT NOT NULL,
  error TEXT NOT NULL,
  retry_at INTEGER,
  tables TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS poll_by_source ON poll (source, id);
CREATE INDEX IF NOT EXISTS poll_by_start ON poll (started);

-- The tokens that owners gave in place of those in the configuration.
CREATE TABLE IF NOT EXISTS token (
  name TEXT PRIMARY KEY,
  token TEXT NOT NULL,
  kept INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 2;
