-- The `traceparent` of whoever asked for a root, the same in all its tree; null, which takes no room, where nobody traced.
alter table holdfast.runs add column trace text;
