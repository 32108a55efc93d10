-- Runs, their steps and their history. Times are milliseconds since 1970 on this server's clock. JSON is kept as text:
-- it was validated before, and the order of its keys is part of it. Identifiers compare by bytes (collation C).

create function holdfast.clock_ms() returns bigint language sql volatile parallel safe
  as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- Which store this is. A copy of the database is found by its other system identifier or oid and gets a new incarnation.
create table holdfast.meta (
  one boolean primary key default true check (one),
  incarnation text not null,
  system_identifier text not null,
  database_oid bigint not null,
  -- Older topic events and log lines are gone, whether or not their partition has been dropped yet.
  topic_floor bigint not null default 0,
  log_floor bigint not null default 0
);

create table holdfast.manifests (
  hash text collate "C" primary key,
  manifest text not null
);

create table holdfast.definitions (
  namespace text collate "C" not null,
  id text collate "C" not null,
  kind text not null,
  manifest_hash text collate "C" not null,
  applied_at bigint not null,
  primary key (namespace, id)
);

create table holdfast.members (
  id text collate "C" primary key,
  kind text not null,
  name text not null,
  namespace text collate "C" not null,
  -- What it claims, as JSON; null: nothing.
  serves text,
  joined_at bigint not null,
  lease_until bigint not null,
  lease_ms bigint not null,
  -- Since when its renewals have had no gap: what a judge is asked for.
  unbroken_since bigint not null,
  ended_at bigint
);
create index members_live on holdfast.members (lease_until) where ended_at is null;
create index members_ended on holdfast.members (ended_at) where ended_at is not null;

create table holdfast.runs (
  id text collate "C" not null,
  -- The order of insertion.
  ord bigint generated always as identity,
  root_id text collate "C" not null,
  parent_id text collate "C",
  namespace text collate "C" not null,
  kind text not null,
  definition text collate "C" not null,
  workflow text collate "C",
  manifest_hash text collate "C" not null,
  name text collate "C" not null,
  item text,
  item_index integer,
  key text,
  depth integer not null,
  queue text collate "C" not null,
  priority integer not null,
  rule text not null,
  status text collate "C" not null,
  generation integer not null,
  attempt integer not null,
  epoch integer not null,
  losses integer not null,
  takeovers integer not null,
  input text,
  output text,
  error text,
  blocked_by integer not null,
  upstream_succeeded integer not null,
  upstream_failed integer not null,
  upstream_skipped integer not null,
  open_children integer not null,
  children_succeeded integer not null,
  children_failed integer not null,
  children_skipped integer not null,
  wake_at bigint,
  -- Limits as JSON, null for none; gate: the limit for whose slot it stands in line.
  limits text,
  gate text collate "C",
  expires_at bigint,
  ran_ms double precision not null,
  claimed_by text collate "C",
  claimed_at bigint,
  ending text,
  -- Its order is on its way to what lies below.
  spreading boolean not null default false,
  last_event integer not null,
  created_at bigint not null,
  started_at bigint,
  ended_at bigint,
  -- Recorded steps of this generation and their bytes, so that their limits need no count.
  step_count integer not null default 0,
  step_bytes bigint not null default 0,
  primary key (id)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- Hot: only rows that somebody may want now. Ended rows leave these.
-- `priority is not null` always holds: a claim of certain queues leaves it out, and so cannot be planned on this index, where
-- it would read the runs of all the others.
create index runs_ready on holdfast.runs (namespace, priority desc, ord)
  where status = 'ready' and wake_at is null and gate is null and priority is not null;
create index runs_ready_in_queue on holdfast.runs (namespace, queue, priority desc, ord)
  where status = 'ready' and wake_at is null and gate is null;
create index runs_at_gates on holdfast.runs (gate, priority desc, ord) where gate is not null;
create index runs_wake on holdfast.runs (wake_at, ord) where status = 'ready' and wake_at is not null;
create index runs_expiry on holdfast.runs (expires_at, ord)
  where expires_at is not null and ended_at is null and status <> 'cancelling';
create index runs_claimed on holdfast.runs (claimed_by) where claimed_by is not null;
-- Orders on their way down, and the live children that none has reached.
create index runs_spreading on holdfast.runs (root_id, ord) where spreading;
create index runs_unreached on holdfast.runs (parent_id, ord)
  where parent_id is not null and ended_at is null and ending is null;

-- Lists. A live run changes often, and each change costs an entry in every index that has it: so it stands in one alone, by
-- its status. Ended runs stand in two others, roots apart from what is below them, so that no list reads runs that it does not
-- show, however many of them have ended. `depth is not null` and `name is not null` always hold: a list says the one or the other,
-- and so cannot be planned on an index that would serve it by reading what it does not show.
create index runs_live on holdfast.runs (namespace, status, ord) where ended_at is null and depth is not null;
create index runs_roots on holdfast.runs (namespace, status, ord)
  where parent_id is null and ended_at is not null and depth is not null;
create index runs_below on holdfast.runs (namespace, status, ord)
  where parent_id is not null and ended_at is not null and depth is not null;
create index runs_definition_roots on holdfast.runs (namespace, definition, status, ord)
  where parent_id is null and ended_at is not null and name is not null;
create index runs_definition_below on holdfast.runs (namespace, definition, status, ord)
  where parent_id is not null and ended_at is not null and name is not null;

-- Trees.
create index runs_tree on holdfast.runs (root_id, ord) where parent_id is not null;
create index runs_child_names on holdfast.runs (parent_id, name) where parent_id is not null;
create index runs_child_items on holdfast.runs (parent_id, item_index) where item_index is not null;
create index runs_ended_roots on holdfast.runs (ended_at) where parent_id is null and ended_at is not null;

create table holdfast.edges (
  upstream text collate "C" not null,
  downstream text collate "C" not null,
  flipped boolean not null default false,
  primary key (upstream, downstream)
) with (fillfactor = 85);

-- Names by which calls can be repeated: keys of runs (definition set) and of requests (definition empty).
create table holdfast.names (
  namespace text collate "C" not null,
  kind text collate "C" not null,
  definition text collate "C" not null,
  name text collate "C" not null,
  hash text not null,
  run_id text collate "C" not null,
  retained_until bigint not null,
  -- Its run has been pruned; a name goes when it is past its retention as well.
  run_gone boolean not null default false,
  primary key (namespace, kind, definition, name)
);
create index names_of_run on holdfast.names (run_id);
create index names_retention on holdfast.names (retained_until) where run_gone;

-- Small values that outlive an activation. Of a step: scope_kind 'step', scope_id its run.
create table holdfast.values (
  scope_kind text collate "C" not null,
  scope_id text collate "C" not null,
  generation integer not null,
  key text collate "C" not null,
  -- The order of recording in one statement and over all of them.
  ord bigint generated always as identity,
  version bigint not null,
  value text not null,
  writer_run text collate "C" not null,
  writer_epoch integer not null,
  created_at bigint not null,
  updated_at bigint not null,
  expires_at bigint,
  primary key (scope_kind, scope_id, generation, key)
);

-- Events that have no place in their topic yet. Emptied by the sequencer, in the order of `id`.
create table holdfast.outbox (
  id bigint generated always as identity primary key,
  namespace text collate "C" not null,
  run_id text collate "C" not null,
  root_id text collate "C" not null,
  definition text collate "C" not null,
  name text collate "C" not null,
  number integer not null,
  type text not null,
  at bigint not null,
  data text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- The highest position given out in each namespace. Touched by sequencers only.
create table holdfast.topics (
  namespace text collate "C" primary key,
  last bigint not null
) with (fillfactor = 50);

create table holdfast.events (
  namespace text collate "C" not null,
  position bigint not null,
  run_id text collate "C" not null,
  root_id text collate "C" not null,
  definition text collate "C" not null,
  name text collate "C" not null,
  number integer not null,
  type text not null,
  at bigint not null,
  data text not null
) partition by range (at);
create index events_of_run on holdfast.events (run_id, number);
create index events_of_topic on holdfast.events (namespace, position);
create table holdfast.events_default partition of holdfast.events default;

create sequence holdfast.log_ids;
create table holdfast.logs (
  id bigint not null default nextval('holdfast.log_ids'),
  run_id text collate "C" not null,
  epoch integer not null,
  seq bigint not null,
  written_at bigint not null,
  at double precision not null,
  stream text not null,
  level text not null,
  text text not null,
  fields text
) partition by range (written_at);
create index logs_of_run on holdfast.logs (run_id, id);
create table holdfast.logs_default partition of holdfast.logs default;
-- A line is kept once; each partition gets such an index of its own, since one over all would need the time in it.
create unique index logs_default_once on holdfast.logs_default (run_id, epoch, seq);
