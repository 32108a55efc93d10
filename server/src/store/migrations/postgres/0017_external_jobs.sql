-- Jobs in other systems (core/jobs.ts). ref: its name in its service, null where nobody knows it. member_id: who tracks it. reason: why it
-- is to end. facts: what no statement looks for, as JSON (store/job-facts.ts). A job goes with its run's tree.
create table holdfast.external_jobs (
  id text collate "C" primary key,
  run_id text collate "C" not null,
  root_id text collate "C" not null,
  namespace text collate "C" not null,
  generation integer not null,
  key text collate "C" not null,
  number integer not null,
  service text collate "C" not null,
  submission text collate "C" not null,
  status text collate "C" not null,
  ref text,
  member_id text collate "C",
  epoch integer not null,
  reason text,
  timed_out boolean not null,
  opened_at bigint not null,
  ended_at bigint,
  facts text not null,
  spec text not null,
  result text not null
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create unique index external_jobs_key on holdfast.external_jobs (run_id, generation, key, number);
create index external_jobs_listed on holdfast.external_jobs (namespace, opened_at, id);
create index external_jobs_tracked on holdfast.external_jobs (member_id, id) where member_id is not null;
create index external_jobs_ordered on holdfast.external_jobs (member_id, id)
  where member_id is not null and status = 'cancelling';
-- What a member may claim.
create index external_jobs_free on holdfast.external_jobs (namespace, opened_at, id)
  where member_id is null and ended_at is null and status <> 'unknown' and (status <> 'submitting' or submission <> 'own');
-- The job that a wait is for: its last submission.
alter table holdfast.waits add column job_id text collate "C";
