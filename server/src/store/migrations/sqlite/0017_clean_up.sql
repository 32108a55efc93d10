-- Whether a run's definition has a clean-up for runs that are cut off (core/clean-up.ts). One that is due or at work stands in the run's
-- ending and is an open obligation of kind 'clean_up' (subject: the number of the event before the one that made it due).
ALTER TABLE runs ADD COLUMN cleans_up INTEGER NOT NULL DEFAULT 0;
