-- Signals that users promise in transactions of their own, beside enqueues and cancels (0003): one more kind of the same rows. The
-- payload lies where an enqueue has its input.
alter table holdfast.intents
  -- The name of the signal.
  add column signal text collate "C",
  drop constraint intents_kind_check,
  add constraint intents_kind_check check (kind in ('enqueue', 'cancel', 'signal'));

-- Promises that a run is sent a signal, once. Answers its id, null where the key named none yet.
create function holdfast.signal(
  run text default null,
  name text default null,
  payload jsonb default 'null',
  definition text default null,
  key text default null,
  namespace text default 'default'
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  given text := coalesce(signal.payload, 'null')::text;
  promised text := signal.run;
begin
  if (signal.run is null) = (signal.key is null) or (signal.key is null) <> (signal.definition is null) then
    raise exception 'holdfast.signal: it is not said which run.'
      using errcode = '22023', hint = 'Give its id, or definition => ''…'' and key => ''…''.';
  end if;
  if coalesce(signal.namespace, '') = '' then
    raise exception 'holdfast.signal: the namespace is empty.'
      using errcode = '22023', hint = 'Leave it out for the namespace "default".';
  end if;
  if signal.run !~ '^[0-9a-hjkmnp-tv-z]{20}$' then
    raise exception 'holdfast.signal: % is no id of a run.', quote_literal(left(signal.run, 50))
      using errcode = '22023', hint = 'Give the whole id, as holdfast.enqueue answered it.';
  end if;
  if coalesce(signal.name, '') = '' or char_length(signal.name) > 512 then
    raise exception 'holdfast.signal: the name has % characters; 1 to 512 are allowed.', coalesce(char_length(signal.name), 0)
      using errcode = '22023', hint = 'Give the name for which the body waits, name => ''approved''.';
  end if;
  -- jsonb is written with spaces, which do not count.
  if octet_length(given) > 65536
    and octet_length(regexp_replace(given, '("(?:[^"\\]|\\.)*")|\s', '\1', 'g')) > 65536 then
    raise exception 'holdfast.signal: the payload of "%" has more than 65536 bytes.', left(signal.name, 50)
      using errcode = '22023', hint = 'Keep large data in a table, a file or an object store and pass its name.';
  end if;
  if signal.key is not null then
    promised := holdfast.run_of_key(signal.namespace, signal.definition, signal.key);
  end if;
  insert into holdfast.intents (kind, namespace, run_id, definition, key, signal, input, bytes, made_at)
    values ('signal', signal.namespace, promised, signal.definition, signal.key, signal.name, given, octet_length(given),
      holdfast.clock_ms());
  return promised;
end $$;

-- Lets a role make intents, and nothing else.
create or replace function holdfast.grant_intents(role_name text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
  execute format('grant usage on schema holdfast to %I', role_name);
  execute format('grant execute on function
    holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval, text),
    holdfast.cancel(text, text, text, text, text),
    holdfast.signal(text, text, jsonb, text, text, text) to %I', role_name);
end $$;
