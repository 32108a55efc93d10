-- rank: a run's place in every line, the lowest first (core's rankOf). Ready runs are listed in the order of creation by an
-- index of their own, whether they can be claimed or stand at a gate.
ALTER TABLE runs ADD COLUMN rank REAL NOT NULL DEFAULT 0;
UPDATE runs SET rank = created_at - priority * 600000;
DROP INDEX runs_ready;
DROP INDEX runs_gated;
DROP INDEX runs_at_gates;
CREATE INDEX runs_ready ON runs (namespace, queue, rank, seq)
  WHERE status = 'ready' AND wake_at IS NULL AND gate IS NULL;
CREATE INDEX runs_ready_listed ON runs (namespace) WHERE status = 'ready' AND wake_at IS NULL;
CREATE INDEX runs_at_gates ON runs (gate, rank, seq) WHERE gate IS NOT NULL;
