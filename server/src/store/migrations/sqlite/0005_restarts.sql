-- Runs that start again. parent_generation: the generation of its parent that made it. expires_from: since when its time to expiry
-- counts; NULL: since it was created.
ALTER TABLE runs ADD COLUMN parent_generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN expires_from REAL;
