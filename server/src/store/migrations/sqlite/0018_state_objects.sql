-- Values that are too large for their rows lie with a state backend, each as an object that its row names (docs/decisions/0034).
ALTER TABLE "values" ADD COLUMN object TEXT;
ALTER TABLE "values" ADD COLUMN object_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state_scopes ADD COLUMN object_bytes INTEGER NOT NULL DEFAULT 0;

CREATE INDEX values_object ON "values" (object) WHERE object IS NOT NULL;

-- Every object that may be there. loose_since: since when no value names it; NULL: one does. A condemned one is about to be deleted.
CREATE TABLE state_objects (
  name TEXT NOT NULL PRIMARY KEY,
  ref TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  loose_since INTEGER,
  condemned INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX state_objects_ref ON state_objects (ref) WHERE condemned = 0;
CREATE INDEX state_objects_loose ON state_objects (loose_since, name) WHERE loose_since IS NOT NULL;
