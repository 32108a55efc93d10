-- What a request that controls something was answered, as JSON. Its parts are scopes, the first ''; its run_id is ''.
ALTER TABLE keys ADD COLUMN answer TEXT;
-- Since when a schedule is paused and why; when it was resumed last: what came before that was missed.
ALTER TABLE schedules ADD COLUMN paused_at REAL;
ALTER TABLE schedules ADD COLUMN pause_reason TEXT;
ALTER TABLE schedules ADD COLUMN resumed_at REAL;
UPDATE schedules SET paused_at = (SELECT now FROM clock) WHERE paused = 1;
