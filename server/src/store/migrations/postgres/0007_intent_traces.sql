-- Intents carry the trace of whoever makes them. The function with one argument more replaces the one without, for the same roles.

alter table holdfast.intents add column traceparent text;

-- Until the end of this transaction.
select set_config('holdfast.grantees', coalesce(string_agg(a.grantee::text, ' '), ''), true)
from pg_proc p cross join lateral aclexplode(p.proacl) a
where p.oid = 'holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval)'::regprocedure
  and a.grantee not in (0, p.proowner);

drop function holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval);

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

-- Lets a role make intents, and nothing else.
create or replace function holdfast.grant_intents(role_name text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
  execute format('grant usage on schema holdfast to %I', role_name);
  execute format('grant execute on function
    holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval, text),
    holdfast.cancel(text, text, text, text, text) to %I', role_name);
end $$;

do $$
declare
  grantee text;
begin
  for grantee in select r.rolname from string_to_table(current_setting('holdfast.grantees'), ' ') g(id)
    join pg_roles r on r.oid::text = g.id
  loop
    perform holdfast.grant_intents(grantee);
  end loop;
end $$;
