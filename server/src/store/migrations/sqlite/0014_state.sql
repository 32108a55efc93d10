-- State (values of the kinds that stateKinds of the protocol names) lies beside the step records: scope_id of a kind that a namespace owns
-- has it in front, with generation 0. writer_run '' and writer_epoch 0: a person wrote it.

-- What a scope holds, and which versions its rows have had.
CREATE TABLE state_scopes (
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  keys INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (scope_kind, scope_id, generation)
) STRICT, WITHOUT ROWID;

-- What expires, in the order in which it does.
CREATE INDEX values_expiry ON "values" (expires_at, scope_kind, scope_id, generation, key) WHERE expires_at IS NOT NULL;
