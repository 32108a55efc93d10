-- first_attempt: the attempt with which a run started, or started over last; its retry policy counts from there.
ALTER TABLE runs ADD COLUMN first_attempt INTEGER NOT NULL DEFAULT 1;
