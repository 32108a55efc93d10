-- rank: a run's place in every line, the lowest first (core's rankOf). `rank is not null` always holds: a claim of certain queues
-- leaves it out, and so cannot be planned on that index, where it would read the runs of all the others.
alter table holdfast.runs add column rank bigint;
update holdfast.runs set rank = created_at - priority * 600000::bigint;
alter table holdfast.runs alter column rank set not null;
drop index holdfast.runs_ready;
drop index holdfast.runs_ready_in_queue;
drop index holdfast.runs_at_gates;
create index runs_ready on holdfast.runs (namespace, rank, ord)
  where status = 'ready' and wake_at is null and gate is null and rank is not null;
create index runs_ready_in_queue on holdfast.runs (namespace, queue, rank, ord)
  where status = 'ready' and wake_at is null and gate is null;
create index runs_at_gates on holdfast.runs (gate, rank, ord) where gate is not null;
