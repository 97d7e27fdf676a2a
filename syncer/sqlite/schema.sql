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

-- Fields that owners send and nobody named: those that are told of, and those
-- that columns were added for, which have a type.
CREATE TABLE IF NOT EXISTS "larder_field" (
  table_name TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL DEFAULT '',
  added INTEGER NOT NULL DEFAULT 0,
  told INTEGER NOT NULL DEFAULT 0,
  why TEXT NOT NULL DEFAULT '',
  first_seen REAL NOT NULL,
  PRIMARY KEY (table_name, name)
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
