-- What orders have to bring to an end outside of the store (core/obligations.ts). subject: of an activation its epoch. member_id: who
-- has to meet it, null any node. It stays when its run has ended by force, and goes with its run.
create table holdfast.obligations (
  run_id text collate "C" not null,
  kind text collate "C" not null,
  subject text collate "C" not null,
  root_id text collate "C" not null,
  namespace text collate "C" not null,
  member_id text collate "C",
  reason text not null,
  ordered_at bigint not null,
  forced_at bigint,
  tries integer not null default 0,
  last_try_at bigint,
  error text,
  met_at bigint,
  primary key (run_id, kind, subject)
);
create index obligations_open on holdfast.obligations (namespace, ordered_at) where met_at is null;
create index obligations_owed on holdfast.obligations (member_id, kind, ordered_at) where met_at is null;
create index obligations_waiting on holdfast.obligations (ordered_at) where met_at is null and forced_at is null;
create index obligations_tree on holdfast.obligations (root_id);

insert into holdfast.obligations (run_id, kind, subject, root_id, namespace, member_id, reason, ordered_at)
select r.id, 'activation', r.epoch::text, r.root_id, r.namespace, r.claimed_by,
  coalesce(r.ending::jsonb -> 'error' ->> 'message', ''), holdfast.clock_ms()
from holdfast.runs r where r.status = 'cancelling' and r.claimed_by is not null;
