-- What bodies wait for, and signals that nobody has waited for yet. Both hold only what is open: a wait that ends becomes a record
-- among the run's steps. runs.waiting: core's Waiting as JSON, NULL for a run whose body has nothing open.
ALTER TABLE runs ADD COLUMN waiting TEXT;
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
) STRICT;
CREATE UNIQUE INDEX waits_key ON waits (run_id, generation, key);
CREATE INDEX waits_due ON waits (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE signals (
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  at REAL NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (run_id, number)
) STRICT, WITHOUT ROWID;
