-- When definitions start by themselves. spec: what a schedule says; state: what it remembers from tick to tick. due_at: when it is
-- to be looked at, null never. version rises with each change: who starts a tick's runs compares it.
create table holdfast.schedules (
  namespace text collate "C" not null,
  id text collate "C" not null,
  definition text collate "C" not null,
  spec text not null,
  paused boolean not null,
  due_at bigint,
  state text not null,
  version integer not null,
  declared_at bigint not null,
  primary key (namespace, id)
) with (fillfactor = 70);
create index schedules_due on holdfast.schedules (namespace, due_at, id) where not paused and due_at is not null;
create index schedules_definition on holdfast.schedules (namespace, definition, id);
