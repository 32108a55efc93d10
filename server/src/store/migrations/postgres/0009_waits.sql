-- What bodies wait for, and signals that nobody has waited for yet. Both hold only what is open: a wait that ends becomes a record
-- among the run's steps. runs.waiting: core's Waiting as JSON, null, which takes no room, for a run whose body has nothing open.
alter table holdfast.runs add column waiting text;

create table holdfast.waits (
  run_id text collate "C" not null,
  generation integer not null,
  key text collate "C" not null,
  -- The order of opening.
  ord bigint generated always as identity,
  kind text not null,
  hash text,
  due_at bigint,
  signal text collate "C",
  child_id text collate "C",
  -- Places in the run's `awaits`, as JSON, by the word of the activation `epoch`.
  groups text not null,
  epoch integer not null,
  opened_at bigint not null,
  primary key (run_id, generation, key)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create index waits_due on holdfast.waits (due_at, ord) where due_at is not null;

create table holdfast.signals (
  run_id text collate "C" not null,
  number integer not null,
  name text collate "C" not null,
  payload text not null,
  at bigint not null,
  primary key (run_id, number)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
