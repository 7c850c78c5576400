-- What must survive: servers, what they offer, agent tokens, and who changed what.
-- Times are milliseconds since the epoch. Columns named spec, package, servers and detail hold JSON text.

-- A row is one server as configured; spec_hash tells whether a change needs a restart.
CREATE TABLE servers (
  name       TEXT    PRIMARY KEY,
  spec       TEXT    NOT NULL,
  package    TEXT,
  enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  spec_hash  TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The lists of a server as it sent them, so that a restart answers at once. They can be read again at any time, and
-- count only while spec_hash is that of the server.
CREATE TABLE offers (
  server             TEXT    PRIMARY KEY REFERENCES servers (name) ON DELETE CASCADE,
  spec_hash          TEXT    NOT NULL,
  revision           TEXT    NOT NULL,
  server_info        TEXT    NOT NULL,
  capabilities       TEXT    NOT NULL,
  instructions       TEXT,
  tools              BLOB    NOT NULL,
  prompts            BLOB    NOT NULL,
  resources          BLOB    NOT NULL,
  resource_templates BLOB    NOT NULL,
  read_at            INTEGER NOT NULL
) STRICT;

-- Never the token, only its hash. Servers is null where all are allowed: names of servers that are gone stay, so that
-- a token does not widen when its last server is removed.
CREATE TABLE tokens (
  id           TEXT    PRIMARY KEY,
  name         TEXT    NOT NULL UNIQUE,
  hash         TEXT    NOT NULL UNIQUE,
  servers      TEXT,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;

-- One row for each change of the configuration, in the same transaction. AUTOINCREMENT: a number is never used twice.
CREATE TABLE changes (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  at       INTEGER NOT NULL,
  actor    TEXT    NOT NULL,
  action   TEXT    NOT NULL,
  subject  TEXT    NOT NULL,
  detail   TEXT    NOT NULL
) STRICT;
