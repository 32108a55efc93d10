-- Assets (core/asset-declarations.ts and core/asset-events.ts have the rules). Their state and marks are values of the kinds asset and watermark.

-- uri: of what is declared now; one that nothing declares has none, so that another may have it.
CREATE TABLE assets (
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  uri TEXT,
  spec TEXT NOT NULL,
  active INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  declared_at INTEGER NOT NULL,
  last_event INTEGER NOT NULL,
  PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX assets_uri ON assets (namespace, uri) WHERE uri IS NOT NULL;

-- What the current manifest of a definition, its root, says of an asset.
CREATE TABLE asset_declarations (
  namespace TEXT NOT NULL,
  asset TEXT NOT NULL,
  root TEXT NOT NULL,
  spec TEXT NOT NULL,
  uses TEXT NOT NULL,
  declared_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, asset, root)
) STRICT, WITHOUT ROWID;

CREATE INDEX asset_declarations_root ON asset_declarations (namespace, root);

-- writer_run '': a person told it.
CREATE TABLE asset_events (
  namespace TEXT NOT NULL,
  asset TEXT NOT NULL,
  number INTEGER NOT NULL,
  key TEXT,
  payload TEXT NOT NULL,
  at INTEGER NOT NULL,
  writer_run TEXT NOT NULL,
  writer_epoch INTEGER NOT NULL,
  writer_generation INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX asset_events_number ON asset_events (namespace, asset, number);
CREATE UNIQUE INDEX asset_events_key ON asset_events (namespace, asset, key) WHERE key IS NOT NULL;

-- Definitions whose runs events start.
CREATE TABLE consumers (
  namespace TEXT NOT NULL,
  definition TEXT NOT NULL,
  mode TEXT NOT NULL,
  start_on TEXT NOT NULL,
  active INTEGER NOT NULL,
  version INTEGER NOT NULL,
  started INTEGER NOT NULL,
  last_run TEXT,
  last_at INTEGER,
  problem TEXT,
  PRIMARY KEY (namespace, definition)
) STRICT, WITHOUT ROWID;

-- How far a consumer has come with an asset.
CREATE TABLE asset_cursors (
  namespace TEXT NOT NULL,
  asset TEXT NOT NULL,
  definition TEXT NOT NULL,
  position INTEGER NOT NULL,
  active INTEGER NOT NULL,
  PRIMARY KEY (namespace, asset, definition)
) STRICT, WITHOUT ROWID;

CREATE INDEX asset_cursors_definition ON asset_cursors (namespace, definition, asset);
