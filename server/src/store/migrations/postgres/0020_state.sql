-- State (values of the kinds that stateKinds of the protocol names) lies beside the step records: scope_id of a kind that a namespace owns
-- has it in front, with generation 0. writer_run '' and writer_epoch 0: a person wrote it.

-- What a scope holds, and which versions its rows have had. Who writes to a scope holds this row.
create table holdfast.state_scopes (
  scope_kind text collate "C" not null,
  scope_id text collate "C" not null,
  generation integer not null,
  keys integer not null,
  bytes bigint not null,
  floor bigint not null,
  last bigint not null,
  primary key (scope_kind, scope_id, generation)
);

-- What expires, in the order in which it does.
create index values_expiry on holdfast.values (expires_at, scope_kind, scope_id, generation, key) where expires_at is not null;
