-- Values that are too large for their rows lie with a state backend, each as an object that its row names (docs/decisions/0034).
alter table holdfast.values add column object text collate "C", add column object_bytes integer not null default 0;
alter table holdfast.state_scopes add column object_bytes bigint not null default 0;

create index values_object on holdfast.values (object) where object is not null;

-- Every object that may be there. loose_since: since when no value names it; null: one does. A condemned one is about to be deleted.
-- Who names an object in a value holds its row here until the commit; who condemns one holds it while looking for such values.
create table holdfast.state_objects (
  name text collate "C" not null primary key,
  ref text collate "C" not null,
  bytes integer not null,
  loose_since bigint,
  condemned boolean not null default false
);

create unique index state_objects_ref on holdfast.state_objects (ref) where not condemned;
create index state_objects_loose on holdfast.state_objects (loose_since, name) where loose_since is not null;
