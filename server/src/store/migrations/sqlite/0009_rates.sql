-- Rates: limits whose slots are held by starts. per_ms: for so long; NULL: it is no rate. Of a slot the same as its limit's.
ALTER TABLE limits ADD COLUMN per_ms REAL;
ALTER TABLE slots ADD COLUMN per_ms REAL;
-- When the start is over that holds the slot; run_id is the start's then.
ALTER TABLE slots ADD COLUMN free_at REAL;
CREATE INDEX slots_due ON slots (free_at) WHERE free_at IS NOT NULL;
