-- How far those have come that ask for an asset now: what old events are deleted by, whoever asked for it once.
CREATE INDEX asset_cursors_active ON asset_cursors (namespace, asset, position) WHERE active = 1;
