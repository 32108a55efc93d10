-- Runs that start again. parent_generation: the generation of its parent that made it. expires_from: since when its time to expiry
-- counts; null: since it was created.
alter table holdfast.runs add column parent_generation integer not null default 1;
alter table holdfast.runs add column expires_from bigint;
