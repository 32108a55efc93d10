-- What a request that controls something was answered, as JSON. Its parts are definitions, the first ''; its run_id is ''.
alter table holdfast.names add column answer text;
-- Since when a schedule is paused and why; when it was resumed last: what came before that was missed.
alter table holdfast.schedules add column paused_at bigint;
alter table holdfast.schedules add column pause_reason text;
alter table holdfast.schedules add column resumed_at bigint;
update holdfast.schedules set paused_at = holdfast.clock_ms() where paused;
