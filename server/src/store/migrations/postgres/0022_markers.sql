-- Partial indexes of runs are opened by a condition that always holds, `depth is not null` and the like. From version 17 on PostgreSQL
-- takes such a condition out of a statement where the column is declared NOT NULL, and then uses none of these indexes. Holdfast writes
-- all three columns of every run; they are no longer declared so.
alter table holdfast.runs alter column depth drop not null, alter column name drop not null, alter column rank drop not null;
