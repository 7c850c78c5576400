-- What `rollback` goes back to: the package that an update took out of use, one for each server. The package itself
-- stays in the vault for as long as it is named here.

-- Columns named package and spec hold JSON text. Of the specification there is the command line only: a package fits
-- no other one, and everything else (which may hold secrets) is not gone back to.
CREATE TABLE previous_packages (
  server      TEXT    PRIMARY KEY REFERENCES servers (name) ON DELETE CASCADE,
  package     TEXT    NOT NULL,
  spec        TEXT    NOT NULL,
  replaced_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
