-- Assets (core/asset-declarations.ts and core/asset-events.ts have the rules). Their state and marks are values of the kinds asset and watermark.

-- uri: of what is declared now; one that nothing declares has none, so that another may have it. Who tells an event holds this row.
create table holdfast.assets (
  namespace text collate "C" not null,
  id text collate "C" not null,
  uri text collate "C",
  spec text not null,
  active boolean not null,
  created_at bigint not null,
  declared_at bigint not null,
  last_event bigint not null,
  primary key (namespace, id)
);

create unique index assets_uri on holdfast.assets (namespace, uri) where uri is not null;

-- What the current manifest of a definition, its root, says of an asset.
create table holdfast.asset_declarations (
  namespace text collate "C" not null,
  asset text collate "C" not null,
  root text collate "C" not null,
  spec text not null,
  uses text not null,
  declared_at bigint not null,
  primary key (namespace, asset, root)
);

create index asset_declarations_root on holdfast.asset_declarations (namespace, root);

-- writer_run '': a person told it.
create table holdfast.asset_events (
  namespace text collate "C" not null,
  asset text collate "C" not null,
  number bigint not null,
  key text collate "C",
  payload text not null,
  at bigint not null,
  writer_run text collate "C" not null,
  writer_epoch integer not null,
  writer_generation integer not null,
  primary key (namespace, asset, number)
);

create unique index asset_events_key on holdfast.asset_events (namespace, asset, key) where key is not null;

-- Definitions whose runs events start. Who takes events for one holds its row.
create table holdfast.consumers (
  namespace text collate "C" not null,
  definition text collate "C" not null,
  mode text not null,
  start_on text not null,
  active boolean not null,
  version bigint not null,
  started bigint not null,
  last_run text collate "C",
  last_at bigint,
  problem text,
  primary key (namespace, definition)
);

-- How far a consumer has come with an asset.
create table holdfast.asset_cursors (
  namespace text collate "C" not null,
  asset text collate "C" not null,
  definition text collate "C" not null,
  position bigint not null,
  active boolean not null,
  primary key (namespace, asset, definition)
);

create index asset_cursors_definition on holdfast.asset_cursors (namespace, definition, asset);
