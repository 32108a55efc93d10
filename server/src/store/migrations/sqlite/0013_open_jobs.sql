-- External jobs that have not ended, for lists by a status that is none of an end: those that have ended are never walked for them.
CREATE INDEX external_jobs_open ON external_jobs (namespace, opened_at, id) WHERE ended_at IS NULL;
