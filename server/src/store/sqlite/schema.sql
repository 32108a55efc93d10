-- Schema 19, as the migrations make it.

CREATE TABLE asset_cursors (
  namespace TEXT NOT NULL,
  asset TEXT NOT NULL,
  definition TEXT NOT NULL,
  position INTEGER NOT NULL,
  active INTEGER NOT NULL,
  PRIMARY KEY (namespace, asset, definition)
) STRICT, WITHOUT ROWID;

CREATE TABLE asset_declarations (
  namespace TEXT NOT NULL,
  asset TEXT NOT NULL,
  root TEXT NOT NULL,
  spec TEXT NOT NULL,
  uses TEXT NOT NULL,
  declared_at INTEGER NOT NULL,
  PRIMARY KEY (namespace, asset, root)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  now REAL NOT NULL
) STRICT;

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

CREATE TABLE definitions (
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  manifest_hash TEXT NOT NULL,
  applied_at REAL NOT NULL,
  PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE edges (
  upstream TEXT NOT NULL,
  downstream TEXT NOT NULL,
  flipped INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (upstream, downstream)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  namespace TEXT NOT NULL,
  position INTEGER NOT NULL,
  run INTEGER NOT NULL,
  number INTEGER NOT NULL,
  type TEXT NOT NULL,
  at REAL NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (namespace, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE external_jobs (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  root_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  number INTEGER NOT NULL,
  service TEXT NOT NULL,
  submission TEXT NOT NULL,
  status TEXT NOT NULL,
  ref TEXT,
  member_id TEXT,
  epoch INTEGER NOT NULL,
  reason TEXT,
  timed_out INTEGER NOT NULL,
  opened_at REAL NOT NULL,
  ended_at REAL,
  facts TEXT NOT NULL,
  spec TEXT NOT NULL,
  result TEXT NOT NULL
) STRICT;

CREATE TABLE keys (
  namespace TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  hash TEXT NOT NULL,
  run_id TEXT NOT NULL,
  expires_at REAL NOT NULL,
  -- Its run has been pruned; a key goes when it is past its retention as well.
  run_gone INTEGER NOT NULL DEFAULT 0, answer TEXT,
  PRIMARY KEY (namespace, kind, scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE limits (
  id TEXT PRIMARY KEY,
  slots INTEGER NOT NULL,
  declared INTEGER NOT NULL
, per_ms REAL) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  line INTEGER NOT NULL,
  at REAL NOT NULL,
  written_at REAL NOT NULL,
  stream TEXT NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  fields TEXT
) STRICT;

CREATE TABLE manifests (
  hash TEXT PRIMARY KEY,
  manifest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  namespace TEXT NOT NULL,
  -- What it claims, as JSON; null: nothing.
  serves TEXT,
  joined_at REAL NOT NULL,
  lease_until REAL NOT NULL,
  ended_at REAL,
  boot INTEGER NOT NULL,
  remote INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at REAL NOT NULL
) STRICT;

CREATE TABLE obligations (
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  root_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  member_id TEXT,
  reason TEXT NOT NULL,
  ordered_at REAL NOT NULL,
  forced_at REAL,
  tries INTEGER NOT NULL DEFAULT 0,
  last_try_at REAL,
  error TEXT,
  met_at REAL,
  PRIMARY KEY (run_id, kind, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (
  id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  since REAL NOT NULL,
  reason TEXT,
  over INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  root_id TEXT NOT NULL,
  parent_id TEXT,
  namespace TEXT NOT NULL,
  kind TEXT NOT NULL,
  definition TEXT NOT NULL,
  workflow TEXT,
  manifest_hash TEXT NOT NULL,
  name TEXT NOT NULL,
  item TEXT,
  item_index INTEGER,
  key TEXT,
  depth INTEGER NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  rule TEXT NOT NULL,
  status TEXT NOT NULL,
  generation INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  losses INTEGER NOT NULL,
  takeovers INTEGER NOT NULL,
  error TEXT,
  blocked_by INTEGER NOT NULL,
  upstream TEXT,
  open_children INTEGER NOT NULL,
  children TEXT,
  wake_at REAL,
  -- Limits as JSON, NULL for none; gate: the limit for whose slot it stands in line.
  limits TEXT,
  gate TEXT,
  expires_at REAL,
  ran_ms REAL NOT NULL,
  claimed_by TEXT,
  claimed_at REAL,
  ending TEXT,
  spreading INTEGER NOT NULL DEFAULT 0,
  last_event INTEGER NOT NULL,
  created_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  step_count INTEGER NOT NULL DEFAULT 0,
  step_bytes INTEGER NOT NULL DEFAULT 0,
  -- Last, so that reading what stands before them touches no overflow page.
  input TEXT,
  output TEXT
, trace TEXT, parent_generation INTEGER NOT NULL DEFAULT 1, expires_from REAL, waiting TEXT, rank REAL NOT NULL DEFAULT 0, first_attempt INTEGER NOT NULL DEFAULT 1, cleans_up INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE schedules (
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  definition TEXT NOT NULL,
  spec TEXT NOT NULL,
  paused INTEGER NOT NULL,
  due_at REAL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  declared_at REAL NOT NULL, paused_at REAL, pause_reason TEXT, resumed_at REAL, params TEXT NOT NULL DEFAULT 'null',
  PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE signals (
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  at REAL NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (run_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE slots (
  limit_id TEXT NOT NULL,
  place INTEGER NOT NULL,
  run_id TEXT, per_ms REAL, free_at REAL,
  PRIMARY KEY (limit_id, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE state_objects (
  name TEXT NOT NULL PRIMARY KEY,
  ref TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  loose_since INTEGER,
  condemned INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE state_scopes (
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  keys INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  last INTEGER NOT NULL, object_bytes INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (scope_kind, scope_id, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE topics (
  namespace TEXT PRIMARY KEY,
  last INTEGER NOT NULL,
  pruned_to INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE "values" (
  seq INTEGER PRIMARY KEY,
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  writer_run TEXT NOT NULL,
  writer_epoch INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  expires_at REAL,
  value TEXT NOT NULL
, object TEXT, object_bytes INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE waits (
  seq INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  hash TEXT,
  due_at REAL,
  signal TEXT,
  child_id TEXT,
  -- Places in the run's `awaits`, as JSON, by the word of the activation `epoch`.
  groups TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  opened_at REAL NOT NULL
, job_id TEXT) STRICT;

CREATE INDEX asset_cursors_active ON asset_cursors (namespace, asset, position) WHERE active = 1;

CREATE INDEX asset_cursors_definition ON asset_cursors (namespace, definition, asset);

CREATE INDEX asset_declarations_root ON asset_declarations (namespace, root);

CREATE UNIQUE INDEX asset_events_key ON asset_events (namespace, asset, key) WHERE key IS NOT NULL;

CREATE UNIQUE INDEX asset_events_number ON asset_events (namespace, asset, number);

CREATE UNIQUE INDEX assets_uri ON assets (namespace, uri) WHERE uri IS NOT NULL;

CREATE UNIQUE INDEX events_run ON events (run, number);

CREATE INDEX external_jobs_free ON external_jobs (namespace, opened_at, id)
  WHERE member_id IS NULL AND ended_at IS NULL AND status <> 'unknown' AND (status <> 'submitting' OR submission <> 'own');

CREATE UNIQUE INDEX external_jobs_key ON external_jobs (run_id, generation, key, number);

CREATE INDEX external_jobs_listed ON external_jobs (namespace, opened_at, id);

CREATE INDEX external_jobs_open ON external_jobs (namespace, opened_at, id) WHERE ended_at IS NULL;

CREATE INDEX external_jobs_ordered ON external_jobs (member_id, id) WHERE member_id IS NOT NULL AND status = 'cancelling';

CREATE INDEX external_jobs_tracked ON external_jobs (member_id, id) WHERE member_id IS NOT NULL;

CREATE INDEX keys_expiry ON keys (expires_at) WHERE run_gone = 1;

CREATE INDEX keys_run ON keys (run_id);

CREATE INDEX limits_undeclared ON limits (id) WHERE declared = 0;

CREATE UNIQUE INDEX logs_line ON logs (run_id, epoch, line);

CREATE INDEX logs_run ON logs (run_id);

CREATE INDEX members_ended ON members (ended_at) WHERE ended_at IS NOT NULL;

CREATE INDEX members_live ON members (boot) WHERE ended_at IS NULL;

CREATE INDEX obligations_open ON obligations (namespace, ordered_at) WHERE met_at IS NULL;

CREATE INDEX obligations_owed ON obligations (member_id, kind, ordered_at) WHERE met_at IS NULL;

CREATE INDEX obligations_tree ON obligations (root_id);

CREATE INDEX obligations_waiting ON obligations (ordered_at) WHERE met_at IS NULL AND forced_at IS NULL;

CREATE INDEX pauses_over ON pauses (id) WHERE over = 1;

CREATE INDEX runs_at_gates ON runs (gate, rank, seq) WHERE gate IS NOT NULL;

CREATE INDEX runs_below ON runs (namespace, status) WHERE parent_id IS NOT NULL AND ended_at IS NOT NULL;

CREATE INDEX runs_children ON runs (parent_id, name) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_claimed ON runs (claimed_by, claimed_at) WHERE claimed_by IS NOT NULL;

CREATE INDEX runs_definition_below ON runs (namespace, definition, status)
  WHERE parent_id IS NOT NULL AND ended_at IS NOT NULL;

CREATE INDEX runs_definition_roots ON runs (namespace, definition, status)
  WHERE parent_id IS NULL AND ended_at IS NOT NULL;

CREATE INDEX runs_due ON runs (wake_at) WHERE status = 'ready' AND wake_at IS NOT NULL;

CREATE INDEX runs_ended_roots ON runs (ended_at) WHERE parent_id IS NULL AND ended_at IS NOT NULL;

CREATE INDEX runs_expiring ON runs (expires_at) WHERE expires_at IS NOT NULL AND ending IS NULL AND ended_at IS NULL;

CREATE UNIQUE INDEX runs_id ON runs (id);

CREATE INDEX runs_idle ON runs (namespace, status) WHERE status IN ('pending', 'waiting', 'cancelling');

CREATE INDEX runs_items ON runs (parent_id, item_index) WHERE item_index IS NOT NULL;

CREATE INDEX runs_ready ON runs (namespace, queue, rank, seq)
  WHERE status = 'ready' AND wake_at IS NULL AND gate IS NULL;

CREATE INDEX runs_ready_listed ON runs (namespace) WHERE status = 'ready' AND wake_at IS NULL;

CREATE INDEX runs_roots ON runs (namespace, status) WHERE parent_id IS NULL AND ended_at IS NOT NULL;

CREATE INDEX runs_spreading ON runs (root_id, seq) WHERE spreading = 1;

CREATE INDEX runs_tree ON runs (root_id) WHERE parent_id IS NOT NULL;

CREATE INDEX runs_unreached ON runs (parent_id) WHERE parent_id IS NOT NULL AND ending IS NULL AND ended_at IS NULL;

CREATE INDEX schedules_definition ON schedules (namespace, definition, id);

CREATE INDEX schedules_due ON schedules (namespace, due_at, id) WHERE paused = 0 AND due_at IS NOT NULL;

CREATE INDEX slots_due ON slots (free_at) WHERE free_at IS NOT NULL;

CREATE INDEX slots_free ON slots (limit_id, place) WHERE run_id IS NULL;

CREATE UNIQUE INDEX slots_held ON slots (limit_id, run_id) WHERE run_id IS NOT NULL;

CREATE INDEX state_objects_loose ON state_objects (loose_since, name) WHERE loose_since IS NOT NULL;

CREATE UNIQUE INDEX state_objects_ref ON state_objects (ref) WHERE condemned = 0;

CREATE INDEX values_expiry ON "values" (expires_at, scope_kind, scope_id, generation, key) WHERE expires_at IS NOT NULL;

CREATE UNIQUE INDEX values_key ON "values" (scope_kind, scope_id, generation, key);

CREATE INDEX values_object ON "values" (object) WHERE object IS NOT NULL;

CREATE INDEX waits_due ON waits (due_at) WHERE due_at IS NOT NULL;

CREATE UNIQUE INDEX waits_key ON waits (run_id, generation, key);
