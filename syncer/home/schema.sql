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

-- The times during which a copy was staler than its budget allows. level is the
-- worst that was reached, ending why it ended; inherited says that another process
-- may have told of it; last is what was last known of the copy, as JSON.
CREATE TABLE IF NOT EXISTS episode (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL,
  table_name TEXT NOT NULL,
  source TEXT NOT NULL,
  consumer TEXT NOT NULL,
  digest TEXT NOT NULL,
  level TEXT NOT NULL,
  opened INTEGER NOT NULL,
  stale_since INTEGER,
  escalated INTEGER,
  recovering INTEGER,
  closed INTEGER,
  ending TEXT NOT NULL,
  inherited INTEGER NOT NULL,
  last TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS episode_by_end ON episode (closed);
CREATE INDEX IF NOT EXISTS episode_by_opening ON episode (opened);

-- What a notifier was told of an episode; kind is what the notifier was then,
-- resolved says that nothing is left to tell, ended that the end was told; heard
-- is what of it was taken, as JSON.
CREATE TABLE IF NOT EXISTS told (
  episode TEXT NOT NULL,
  notifier TEXT NOT NULL,
  kind TEXT NOT NULL,
  level TEXT NOT NULL,
  at INTEGER,
  reminders INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  resolved INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  heard TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (episode, notifier)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS told_unresolved ON told (episode) WHERE NOT resolved;

-- The messages that are not delivered, in the order in which they were begun;
-- alerts is what they say, as JSON, failed why the last attempt failed, and unsure
-- whether one may have arrived.
CREATE TABLE IF NOT EXISTS message (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  notifier TEXT NOT NULL,
  event TEXT NOT NULL,
  instance TEXT NOT NULL,
  begun INTEGER,
  due INTEGER,
  sealed INTEGER NOT NULL,
  alerts TEXT NOT NULL,
  cause TEXT NOT NULL,
  via TEXT NOT NULL,
  text TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  tried INTEGER,
  failed TEXT NOT NULL,
  unsure INTEGER NOT NULL
) STRICT;

-- One row, when alerts were first loaded from here; none: whoever does it knows
-- nothing of what was told.
CREATE TABLE IF NOT EXISTS first_load (at INTEGER NOT NULL) STRICT;

-- The notifiers that took nothing when they were last sent something: why, since
-- when, and by what error.
CREATE TABLE IF NOT EXISTS reach (
  notifier TEXT PRIMARY KEY,
  trouble TEXT NOT NULL,
  since INTEGER,
  error TEXT NOT NULL
) STRICT;

-- Tables that nobody is told of for a while; tables are globs, as JSON.
CREATE TABLE IF NOT EXISTS silence (
  id TEXT PRIMARY KEY,
  tables TEXT NOT NULL,
  starts INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  reason TEXT NOT NULL,
  author TEXT NOT NULL
) STRICT;

PRAGMA user_version = 3;
