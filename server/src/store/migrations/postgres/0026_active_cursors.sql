-- How far those have come that ask for an asset now: what old events are deleted by, whoever asked for it once.
create index asset_cursors_active on holdfast.asset_cursors (namespace, asset, position) where active;
