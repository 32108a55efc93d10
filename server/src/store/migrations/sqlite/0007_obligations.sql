-- What orders have to bring to an end outside of the store (core/obligations.ts). subject: of an activation its epoch. member_id: who
-- has to meet it, NULL any node. It stays when its run has ended by force, and goes with its run.
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
CREATE INDEX obligations_open ON obligations (namespace, ordered_at) WHERE met_at IS NULL;
CREATE INDEX obligations_owed ON obligations (member_id, kind, ordered_at) WHERE met_at IS NULL;
CREATE INDEX obligations_waiting ON obligations (ordered_at) WHERE met_at IS NULL AND forced_at IS NULL;
CREATE INDEX obligations_tree ON obligations (root_id);

INSERT INTO obligations (run_id, kind, subject, root_id, namespace, member_id, reason, ordered_at)
SELECT id, 'activation', CAST(epoch AS TEXT), root_id, namespace, claimed_by,
  coalesce(json_extract(ending, '$.error.message'), ''), (SELECT now FROM clock)
FROM runs WHERE status = 'cancelling' AND claimed_by IS NOT NULL;
