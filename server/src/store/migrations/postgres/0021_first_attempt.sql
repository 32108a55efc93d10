-- first_attempt: the attempt with which a run started, or started over last; its retry policy counts from there.
alter table holdfast.runs add column first_attempt integer not null default 1;
