-- External jobs that have not ended, for lists by a status that is none of an end: those that have ended are never walked for them.
create index external_jobs_open on holdfast.external_jobs (namespace, opened_at, id) where ended_at is null;
