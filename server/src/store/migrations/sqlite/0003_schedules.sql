-- When definitions start by themselves. spec: what a schedule says; state: what it remembers from tick to tick. due_at: when it is
-- to be looked at, NULL never. version rises with each change: who starts a tick's runs compares it.
CREATE TABLE schedules (
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  definition TEXT NOT NULL,
  spec TEXT NOT NULL,
  paused INTEGER NOT NULL,
  due_at REAL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  declared_at REAL NOT NULL,
  PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (namespace, due_at, id) WHERE paused = 0 AND due_at IS NOT NULL;
CREATE INDEX schedules_definition ON schedules (namespace, definition, id);
