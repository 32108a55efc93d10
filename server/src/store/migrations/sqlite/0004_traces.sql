-- The `traceparent` of whoever asked for a root, the same in all its tree; NULL where nobody traced.
ALTER TABLE runs ADD COLUMN trace TEXT;
