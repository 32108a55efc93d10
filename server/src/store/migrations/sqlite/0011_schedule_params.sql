-- What a schedule starts its runs with may be as large as an input, and lists do not show it: it has a column of its own, the last,
-- which they do not read.
ALTER TABLE schedules ADD COLUMN params TEXT NOT NULL DEFAULT 'null';
UPDATE schedules SET params = json_extract(spec, '$.params'), spec = json_remove(spec, '$.params');
