-- What a schedule starts its runs with may be as large as an input, and lists do not show it: it has a column of its own, which they
-- do not read.
alter table holdfast.schedules add column params text;
update holdfast.schedules set params = (spec::json -> 'params')::text, spec = (spec::jsonb - 'params')::text;
alter table holdfast.schedules alter column params set not null;
