-- Intents: runs and cancels that users promise in transactions of their own, and that a node carries out after their commit
-- (operations/intents.ts). An intent is one inserted row: nobody waits for it, nothing is notified, and since intents are taken
-- by deleting them, never by a cursor, one that commits late is found late.
--
-- enqueue, cancel and what may come beside them run with the rights of the schema's owner. Who may call them is granted by
-- grant_intents; such a role can read and write nothing else here.

create table holdfast.intents (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('enqueue', 'cancel')),
  namespace text collate "C" not null,
  -- The run it is about; of a cancel by key null where the key named none yet.
  run_id text collate "C",
  definition text collate "C",
  key text collate "C",
  input text,
  priority integer,
  start_after bigint,
  expires_after bigint,
  key_retention bigint,
  -- Of whoever makes it.
  traceparent text,
  reason text,
  -- Of the input, so that a page of intents can be bounded without reading them.
  bytes integer not null default 0,
  made_at bigint not null,
  -- Why it cannot be carried out, and by which manifest that was judged (empty: there was none). Null while it stands open.
  error text,
  judged_by text collate "C",
  rejected_at bigint
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
create index intents_open on holdfast.intents (namespace, id) where error is null;
create index intents_rejected on holdfast.intents (namespace, id) where error is not null;
create index intents_judged on holdfast.intents (namespace, definition, judged_by, id) where error is not null;
create index intents_of_run on holdfast.intents (run_id, id) where run_id is not null;
create index intents_of_key on holdfast.intents (namespace, definition, key, id) where key is not null;

-- As core's rootId: the second in which it begins, and 65 bits of `tail`.
create function holdfast.root_id(now_ms bigint, tail bytea) returns text language sql immutable parallel safe as $$
  select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', digit + 1, 1), '' order by place) from (
    select p as place, (((now_ms / 1000) >> (5 * (6 - p))) & 31)::integer as digit from generate_series(0, 6) p
    union all
    select 7 + p, substring(('x' || encode(substring(tail from 1 for 9), 'hex'))::bit(72) from 5 * p + 1 for 5)::integer
    from generate_series(0, 12) p) digits
$$;

-- The milliseconds of a length of time that a user gave.
create function holdfast.span_ms(what text, span interval) returns bigint language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp as $$
declare
  ms bigint := ceil(extract(epoch from span) * 1000);
begin
  if ms <= 0 or ms > 315360000000 then
    raise exception '% is %, which is not between 1 ms and 3650 days.', what, span
      using errcode = '22023', hint = 'Give a length of time such as interval ''10 minutes''.';
  end if;
  return ms;
end $$;

-- The id of the run under a key: one that is there, or that a committed intent has promised.
create function holdfast.run_of_key(the_namespace text, the_definition text, the_key text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
  select coalesce(
    (select n.run_id from holdfast.names n
      where n.namespace = the_namespace and n.kind = 'key' and n.definition = the_definition and n.name = the_key),
    (select i.run_id from holdfast.intents i
      where i.namespace = the_namespace and i.definition = the_definition and i.key = the_key and i.kind = 'enqueue'
      order by i.id limit 1))
$$;

-- Promises a run: it will be once this transaction has committed, and never if it has not. Answers its id.
create function holdfast.enqueue(
  definition text,
  input jsonb default '{}',
  key text default null,
  namespace text default 'default',
  priority integer default null,
  start_after timestamptz default null,
  expires_after interval default null,
  key_retention interval default null,
  traceparent text default null
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  now_ms bigint := holdfast.clock_ms();
  given text := enqueue.input::text;
  promised text;
begin
  if coalesce(enqueue.definition, '') = '' or char_length(enqueue.definition) > 200 then
    raise exception 'holdfast.enqueue: the definition is %, which is no id of a task or workflow.',
      coalesce(quote_literal(left(enqueue.definition, 50)), 'null')
      using errcode = '22023', hint = 'Give the id with which it was applied, as holdfast apply says it.';
  end if;
  if coalesce(enqueue.namespace, '') = '' then
    raise exception 'holdfast.enqueue: the namespace is empty.'
      using errcode = '22023', hint = 'Leave it out for the namespace "default".';
  end if;
  if given is null then
    raise exception 'holdfast.enqueue: the input of "%" is null.', enqueue.definition
      using errcode = '22004', hint = 'Leave it out for {}, or give ''null''::jsonb for the null of JSON.';
  end if;
  -- jsonb is written with spaces, which do not count.
  if octet_length(given) > 1048576
    and octet_length(regexp_replace(given, '("(?:[^"\\]|\\.)*")|\s', '\1', 'g')) > 1048576 then
    raise exception 'holdfast.enqueue: the input of "%" has more than 1048576 bytes.', enqueue.definition
      using errcode = '22023', hint = 'Keep large data in a table, a file or an object store and pass its name.';
  end if;
  if enqueue.key = '' or char_length(enqueue.key) > 512 then
    raise exception 'holdfast.enqueue: the key has % characters; 1 to 512 are allowed.', char_length(enqueue.key)
      using errcode = '22023', hint = 'A key names the run among those of its definition, such as ''order-17''.';
  end if;
  if enqueue.key is null and enqueue.key_retention is not null then
    raise exception 'holdfast.enqueue: key_retention without a key.'
      using errcode = '22023', hint = 'Give key => ''…'' too, or leave key_retention out.';
  end if;
  if enqueue.priority not between -1000 and 1000 then
    raise exception 'holdfast.enqueue: the priority is %, which is not between -1000 and 1000.', enqueue.priority
      using errcode = '22023', hint = 'Higher runs first; 0 is usual.';
  end if;
  if enqueue.start_after in ('infinity', '-infinity') or enqueue.start_after >= '9999-01-01' then
    raise exception 'holdfast.enqueue: start_after is %, which will not come.', enqueue.start_after
      using errcode = '22023', hint = 'Give a moment before the year 9999.';
  end if;
  if enqueue.traceparent !~ '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$'
    or char_length(enqueue.traceparent) > 456 then
    raise exception 'holdfast.enqueue: the traceparent is %, which is none.', quote_literal(left(enqueue.traceparent, 80))
      using errcode = '22023', hint = 'Give it as W3C Trace Context says, 00-…-…-01, or leave it out.';
  end if;
  if enqueue.key is not null then
    promised := coalesce(
      holdfast.run_of_key(enqueue.namespace, enqueue.definition, enqueue.key),
      -- As core's keyIdentity, so that two transactions of one second promise the same run.
      holdfast.root_id(now_ms, sha256(convert_to('["key",' || to_json(enqueue.namespace)::text || ','
        || to_json(enqueue.definition)::text || ',' || to_json(enqueue.key)::text || ']', 'UTF8'))));
  else
    promised := holdfast.root_id(now_ms, sha256(convert_to(gen_random_uuid()::text, 'UTF8')));
  end if;
  insert into holdfast.intents (kind, namespace, run_id, definition, key, input, priority, start_after, expires_after,
      key_retention, traceparent, bytes, made_at)
    values ('enqueue', enqueue.namespace, promised, enqueue.definition, enqueue.key, given, enqueue.priority,
      ceil(extract(epoch from enqueue.start_after) * 1000), holdfast.span_ms('expires_after', enqueue.expires_after),
      holdfast.span_ms('key_retention', enqueue.key_retention), enqueue.traceparent, octet_length(given), now_ms);
  return promised;
end $$;

-- Promises that a run, and everything below it, is ordered to end. Answers its id, null where the key named none yet.
create function holdfast.cancel(
  run text default null,
  definition text default null,
  key text default null,
  reason text default null,
  namespace text default 'default'
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  promised text := cancel.run;
begin
  if (cancel.run is null) = (cancel.key is null) or (cancel.key is null) <> (cancel.definition is null) then
    raise exception 'holdfast.cancel: it is not said which run.'
      using errcode = '22023', hint = 'Give its id, or definition => ''…'' and key => ''…''.';
  end if;
  if coalesce(cancel.namespace, '') = '' then
    raise exception 'holdfast.cancel: the namespace is empty.'
      using errcode = '22023', hint = 'Leave it out for the namespace "default".';
  end if;
  if cancel.run !~ '^[0-9a-hjkmnp-tv-z]{20}$' then
    raise exception 'holdfast.cancel: % is no id of a run.', quote_literal(left(cancel.run, 50))
      using errcode = '22023', hint = 'Give the whole id, as holdfast.enqueue answered it.';
  end if;
  if char_length(cancel.reason) > 1000 then
    raise exception 'holdfast.cancel: the reason has % characters; 1000 are allowed.', char_length(cancel.reason)
      using errcode = '22023', hint = 'Say it shorter.';
  end if;
  if cancel.key is not null then
    promised := holdfast.run_of_key(cancel.namespace, cancel.definition, cancel.key);
  end if;
  insert into holdfast.intents (kind, namespace, run_id, definition, key, reason, made_at)
    values ('cancel', cancel.namespace, promised, cancel.definition, cancel.key, cancel.reason, holdfast.clock_ms());
  return promised;
end $$;

-- Lets a role make intents, and nothing else.
create function holdfast.grant_intents(role_name text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
  execute format('grant usage on schema holdfast to %I', role_name);
  execute format('grant execute on function
    holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval, text),
    holdfast.cancel(text, text, text, text, text) to %I', role_name);
end $$;
