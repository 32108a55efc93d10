-- Jobs in other systems (core/jobs.ts). ref: its name in its service, NULL where nobody knows it. member_id: who tracks it. reason: why it
-- is to end. facts: what no statement looks for, as JSON (store/job-facts.ts). A job goes with its run's tree.
CREATE TABLE external_jobs (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  root_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  number INTEGER NOT NULL,
  service TEXT NOT NULL,
  submission TEXT NOT NULL,
  status TEXT NOT NULL,
  ref TEXT,
  member_id TEXT,
  epoch INTEGER NOT NULL,
  reason TEXT,
  timed_out INTEGER NOT NULL,
  opened_at REAL NOT NULL,
  ended_at REAL,
  facts TEXT NOT NULL,
  spec TEXT NOT NULL,
  result TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX external_jobs_key ON external_jobs (run_id, generation, key, number);
CREATE INDEX external_jobs_listed ON external_jobs (namespace, opened_at, id);
CREATE INDEX external_jobs_tracked ON external_jobs (member_id, id) WHERE member_id IS NOT NULL;
CREATE INDEX external_jobs_ordered ON external_jobs (member_id, id) WHERE member_id IS NOT NULL AND status = 'cancelling';
-- What a member may claim.
CREATE INDEX external_jobs_free ON external_jobs (namespace, opened_at, id)
  WHERE member_id IS NULL AND ended_at IS NULL AND status <> 'unknown' AND (status <> 'submitting' OR submission <> 'own');
-- The job that a wait is for: its last submission.
ALTER TABLE waits ADD COLUMN job_id TEXT;
