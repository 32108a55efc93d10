CREATE SCHEMA holdfast;
CREATE FUNCTION holdfast.cancel(run text DEFAULT NULL::text, definition text DEFAULT NULL::text, key text DEFAULT NULL::text, reason text DEFAULT NULL::text, namespace text DEFAULT 'default'::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;
CREATE FUNCTION holdfast.clock_ms() RETURNS bigint
    LANGUAGE sql PARALLEL SAFE
    AS $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;
CREATE FUNCTION holdfast.declare_limits(limit_ids text[], counts integer[], pers bigint[], stay boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  given record;
  gap record;
begin
  for given in
    select n.id, n.slots, n.per_ms, l.per_ms as before
    from unnest(limit_ids, counts, pers) n(id, slots, per_ms) left join holdfast.limits l on l.id = n.id
    where l.id is null or l.slots <> n.slots or l.declared <> stay or l.per_ms is distinct from n.per_ms order by n.id
  loop
    insert into holdfast.limits as l (id, slots, declared, per_ms) values (given.id, given.slots, stay, given.per_ms)
      on conflict (id) do update set slots = excluded.slots, declared = excluded.declared, per_ms = excluded.per_ms;
    insert into holdfast.slots (limit_id, place, per_ms) select given.id, p, given.per_ms from generate_series(1, given.slots) p
      on conflict do nothing;
    -- A start holds its slot as long as the limit says now.
    if given.per_ms is distinct from given.before then
      update holdfast.slots s set per_ms = given.per_ms,
        run_id = case when given.per_ms is null and s.free_at is not null then null else s.run_id end,
        free_at = s.free_at - coalesce(given.before, 0) + given.per_ms
      where s.limit_id = given.id;
    end if;
    for gap in
      select s.limit_id, s.place from holdfast.slots s
      where s.limit_id = given.id and s.run_id is null order by s.place desc for update
    loop
      perform holdfast.fill_gap(gap.limit_id, gap.place);
    end loop;
  end loop;
end $$;
CREATE FUNCTION holdfast.end_starts(most integer, OUT admitted integer, OUT more boolean, OUT freed integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  ended record;
  limit_ids text[];
begin
  freed := 0;
  select array_agg(distinct d.limit_id) into limit_ids from (
    select s.limit_id from holdfast.slots s where s.free_at is not null and s.free_at <= holdfast.clock_ms()
    order by s.free_at limit most) d;
  perform 1 from holdfast.limits l where l.id = any (limit_ids) order by l.id for share of l;
  for ended in
    update holdfast.slots s set run_id = null, free_at = null from (
      select d.limit_id, d.place from holdfast.slots d
      where d.free_at is not null and d.free_at <= holdfast.clock_ms() and d.limit_id = any (limit_ids)
      order by d.free_at limit most for update of d skip locked) over
    where s.limit_id = over.limit_id and s.place = over.place
    returning s.limit_id, s.place
  loop
    perform holdfast.fill_gap(ended.limit_id, ended.place);
    freed := freed + 1;
  end loop;
  select h.admitted, h.more into admitted, more from holdfast.hand_out(limit_ids) h;
end $$;
CREATE FUNCTION holdfast.enqueue(definition text, input jsonb DEFAULT '{}'::jsonb, key text DEFAULT NULL::text, namespace text DEFAULT 'default'::text, priority integer DEFAULT NULL::integer, start_after timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_after interval DEFAULT NULL::interval, key_retention interval DEFAULT NULL::interval, traceparent text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;
CREATE FUNCTION holdfast.fill_gap(the_limit text, gap integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  above record;
begin
  select s.place, s.run_id into above from holdfast.slots s
    where s.limit_id = the_limit and s.place > (select l.slots from holdfast.limits l where l.id = the_limit)
    order by s.place desc limit 1 for update skip locked;
  if not found then return; end if;
  if above.place = gap or above.run_id is null then
    delete from holdfast.slots s where s.limit_id = the_limit and s.place = above.place;
  else
    delete from holdfast.slots s where s.limit_id = the_limit and s.place = gap;
    update holdfast.slots s set place = gap where s.limit_id = the_limit and s.place = above.place;
  end if;
end $$;
CREATE FUNCTION holdfast.forget_idle_limits(withdrawn integer, most integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
declare
  idle record;
  forgotten integer := 0;
begin
  for idle in
    select l.id from holdfast.limits l
    where not l.declared and l.slots <> withdrawn
      and not exists (select 1 from holdfast.slots s where s.limit_id = l.id and s.run_id is not null)
      and not exists (select 1 from holdfast.runs r where r.gate = l.id)
    order by l.id limit most for update of l skip locked
  loop
    -- Looked at again, now that nobody can come to its gate.
    continue when exists (select 1 from holdfast.slots s where s.limit_id = idle.id and s.run_id is not null)
      or exists (select 1 from holdfast.runs r where r.gate = idle.id);
    delete from holdfast.slots s where s.limit_id = idle.id;
    delete from holdfast.limits l where l.id = idle.id;
    forgotten := forgotten + 1;
  end loop;
  return forgotten;
end $$;
CREATE FUNCTION holdfast.grant_intents(role_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('grant usage on schema holdfast to %I', role_name);
  execute format('grant execute on function
    holdfast.enqueue(text, jsonb, text, text, integer, timestamptz, interval, interval, text),
    holdfast.cancel(text, text, text, text, text),
    holdfast.signal(text, text, jsonb, text, text, text) to %I', role_name);
end $$;
CREATE FUNCTION holdfast.hand_out(limit_ids text[], OUT admitted integer, OUT more boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  -- Gates to look at, and those of them at which nobody can be let in now.
  open_ids text[];
  closed text[];
  first record;
  run record;
  first_place integer;
  other_place integer;
  need record;
  full_gate text;
  needs text[];
  places integer[];
  -- How many of them it needs to be out of its fair line.
  line_at integer;
  passed_over text[] := '{}';
  moves integer := 0;
  again boolean;
begin
  admitted := 0;
  more := false;
  perform 1 from holdfast.limits l where l.id = any (limit_ids) order by l.id for share of l;
  select array_agg(distinct u.id) into open_ids from unnest(limit_ids) u(id);
  loop
    again := false;
    closed := '{}';
    for first in
      select s.id, s.gate from unnest(open_ids) o(id) cross join lateral (
        select r.id, r.gate, r.rank, r.ord from holdfast.runs r
        where r.gate = o.id and r.id <> all (passed_over) order by r.rank, r.ord limit 1
      ) s order by s.rank, s.ord
    loop
      if moves = 100 then
        more := true;
        return;
      end if;
      select s.place into first_place from holdfast.slots s
        where s.limit_id = first.gate and s.run_id is null order by s.place limit 1 for update skip locked;
      if not found then
        closed := closed || first.gate;
        continue;
      end if;
      select r.id, r.limits, r.started_at into run from holdfast.runs r where r.id = first.id and r.gate = first.gate for update skip locked;
      if not found then
        -- Somebody else is at it.
        passed_over := passed_over || first.id;
        again := true;
        continue;
      end if;
      moves := moves + 1;
      needs := '{}';
      places := '{}';
      line_at := 0;
      full_gate := null;
      -- While it stood at one gate, nobody may have needed another limit, which was forgotten.
      perform holdfast.open_limits(array_agg(n.value ->> 'id'), array_agg((n.value ->> 'slots')::integer),
        array_agg((n.value ->> 'perMs')::bigint))
        from jsonb_array_elements(run.limits::jsonb) n(value) where n.value ->> 'id' <> first.gate;
      for need in
        select n.value ->> 'id' as id, n.value ? 'ageingMs' as is_line
        from jsonb_array_elements(run.limits::jsonb) with ordinality n(value, nth)
        where n.value ->> 'id' = first.gate or ((run.started_at is null or n.value ->> 'hold' = 'activation') and not exists (
          select 1 from holdfast.slots h where h.limit_id = n.value ->> 'id' and h.run_id = run.id))
        order by n.nth
      loop
        -- Who comes out of its line goes past nobody who stands at a gate behind it.
        if line_at > 0 and exists (select 1 from holdfast.runs r where r.gate = need.id) then
          full_gate := need.id;
          exit;
        end if;
        other_place := first_place;
        if need.id <> first.gate then
          select s.place into other_place from holdfast.slots s
            where s.limit_id = need.id and s.run_id is null order by s.place limit 1 for update skip locked;
          if not found then
            full_gate := need.id;
            exit;
          end if;
        end if;
        needs := needs || need.id;
        places := places || other_place;
        if need.is_line then line_at := cardinality(needs); end if;
      end loop;
      if full_gate is null then
        admitted := admitted + 1;
      else
        needs := needs[1:line_at];
        places := places[1:line_at];
      end if;
      update holdfast.slots s set run_id = run.id from unnest(needs, places) t(limit_id, place)
        where s.limit_id = t.limit_id and s.place = t.place;
      update holdfast.runs r set gate = full_gate, rank = case when line_at > 0 and r.started_at is null
          then coalesce((select holdfast.clock_ms() - r.priority * (n.value ->> 'ageingMs')::bigint
            from jsonb_array_elements(r.limits::jsonb) n(value) where n.value ? 'ageingMs' limit 1), r.rank)
          else r.rank end
        where r.id = run.id;
      -- The next in this line may stand before the first of another.
      if full_gate is not null and line_at > 0 then
        if full_gate <> all (open_ids) then open_ids := open_ids || full_gate; end if;
        again := true;
        exit;
      end if;
      if exists (select 1 from holdfast.slots s where s.limit_id = first.gate and s.run_id is null) then
        again := true;
        exit;
      end if;
      closed := closed || first.gate;
    end loop;
    if not again then return; end if;
    open_ids := array(select o.id from unnest(open_ids) o(id) where o.id <> all (closed));
  end loop;
end $$;
CREATE FUNCTION holdfast.hold_pausing() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  perform pg_advisory_xact_lock(1752132708, 7364981);
end $$;
CREATE FUNCTION holdfast.latest_pausing() RETURNS bigint
    LANGUAGE plpgsql
    AS $$
begin
  perform pg_advisory_xact_lock_shared(1752132708, 7364981);
  return (select p.version from holdfast.pausing p);
end $$;
CREATE FUNCTION holdfast.note_pausing() RETURNS void
    LANGUAGE sql
    AS $$
  update holdfast.pausing
  set version = version + 1, any_pause = exists (select 1 from holdfast.pauses p where not p.over)
$$;
CREATE FUNCTION holdfast.open_limits(limit_ids text[], counts integer[], pers bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  held integer;
begin
  loop
    with fresh as (
      insert into holdfast.limits (id, slots, declared, per_ms)
      select distinct on (n.id) n.id, n.slots, false, n.per_ms from unnest(limit_ids, counts, pers) n(id, slots, per_ms) order by n.id
      on conflict do nothing returning id, slots, per_ms
    )
    insert into holdfast.slots (limit_id, place, per_ms)
      select f.id, p, f.per_ms from fresh f cross join generate_series(1, f.slots) p;
    perform 1 from holdfast.limits l where l.id = any (limit_ids) order by l.id for share of l;
    get diagnostics held = row_count;
    exit when held = (select count(distinct n.id) from unnest(limit_ids) n(id));
  end loop;
end $$;
CREATE FUNCTION holdfast.pass_gates(freed_limits text[], freed_runs text[], arrived text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  freed record;
begin
  perform holdfast.declare_limits(array_agg(n.id), array_agg(n.slots), array_agg(n.per_ms), false) from (
    select distinct on (l.id) l.id, (n.value ->> 'slots')::integer as slots, (n.value ->> 'perMs')::bigint as per_ms
    from holdfast.runs r cross join jsonb_array_elements(r.limits::jsonb) n(value)
      join holdfast.limits l on l.id = n.value ->> 'id'
    -- 1001: it was withdrawn.
    where r.id = any (arrived) and r.gate is not null and not l.declared and l.slots <> 1001
    order by l.id, r.ord desc) n;
  perform 1 from holdfast.limits l where l.id = any (freed_limits) order by l.id for share of l;
  perform holdfast.open_limits(array_agg(n.value ->> 'id'), array_agg((n.value ->> 'slots')::integer),
      array_agg((n.value ->> 'perMs')::bigint))
    from holdfast.runs r cross join jsonb_array_elements(r.limits::jsonb) n(value)
    where r.id = any (arrived) and r.gate is not null;
  for freed in
    update holdfast.slots s set run_id = null, free_at = null from unnest(freed_limits, freed_runs) f(limit_id, run_id)
      where s.limit_id = f.limit_id and s.run_id = f.run_id
    returning s.limit_id, s.place
  loop
    perform holdfast.fill_gap(freed.limit_id, freed.place);
  end loop;
  perform holdfast.hand_out(freed_limits || array(
    select r.gate from holdfast.runs r where r.id = any (arrived) and r.gate is not null));
end $$;
CREATE FUNCTION holdfast.pause_over(the_namespace text, the_queue text, the_definition text, the_run text, the_parent text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
declare
  found_id text;
  above record;
begin
  select p.id into found_id from holdfast.pauses p
    where p.id = '~' || the_namespace || '/queue/' || the_queue and not p.over;
  loop
    exit when found_id is not null;
    -- "run" comes after "definition".
    select p.id into found_id from holdfast.pauses p
      where p.id in ('~' || the_namespace || '/run/' || the_run, '~' || the_namespace || '/definition/' || the_definition)
        and not p.over
      order by p.id desc limit 1;
    exit when found_id is not null or the_parent is null;
    select r.id, r.definition, r.parent_id into above from holdfast.runs r where r.id = the_parent;
    exit when not found;
    the_run := above.id;
    the_definition := above.definition;
    the_parent := above.parent_id;
  end loop;
  return found_id;
end $$;
CREATE FUNCTION holdfast.root_id(now_ms bigint, tail bytea) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', digit + 1, 1), '' order by place) from (
    select p as place, (((now_ms / 1000) >> (5 * (6 - p))) & 31)::integer as digit from generate_series(0, 6) p
    union all
    select 7 + p, substring(('x' || encode(substring(tail from 1 for 9), 'hex'))::bit(72) from 5 * p + 1 for 5)::integer
    from generate_series(0, 12) p) digits
$$;
CREATE FUNCTION holdfast.run_of_key(the_namespace text, the_definition text, the_key text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(
    (select n.run_id from holdfast.names n
      where n.namespace = the_namespace and n.kind = 'key' and n.definition = the_definition and n.name = the_key),
    (select i.run_id from holdfast.intents i
      where i.namespace = the_namespace and i.definition = the_definition and i.key = the_key and i.kind = 'enqueue'
      order by i.id limit 1))
$$;
CREATE FUNCTION holdfast.signal(run text DEFAULT NULL::text, name text DEFAULT NULL::text, payload jsonb DEFAULT 'null'::jsonb, definition text DEFAULT NULL::text, key text DEFAULT NULL::text, namespace text DEFAULT 'default'::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;
CREATE FUNCTION holdfast.span_ms(what text, span interval) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  ms bigint := ceil(extract(epoch from span) * 1000);
begin
  if ms <= 0 or ms > 315360000000 then
    raise exception '% is %, which is not between 1 ms and 3650 days.', what, span
      using errcode = '22023', hint = 'Give a length of time such as interval ''10 minutes''.';
  end if;
  return ms;
end $$;
CREATE TABLE holdfast.asset_cursors (
    namespace text NOT NULL COLLATE pg_catalog."C",
    asset text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    active boolean NOT NULL
);
CREATE TABLE holdfast.asset_declarations (
    namespace text NOT NULL COLLATE pg_catalog."C",
    asset text NOT NULL COLLATE pg_catalog."C",
    root text NOT NULL COLLATE pg_catalog."C",
    spec text NOT NULL,
    uses text NOT NULL,
    declared_at bigint NOT NULL
);
CREATE TABLE holdfast.asset_events (
    namespace text NOT NULL COLLATE pg_catalog."C",
    asset text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    key text COLLATE pg_catalog."C",
    payload text NOT NULL,
    at bigint NOT NULL,
    writer_run text NOT NULL COLLATE pg_catalog."C",
    writer_epoch integer NOT NULL,
    writer_generation integer NOT NULL
);
CREATE TABLE holdfast.assets (
    namespace text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    uri text COLLATE pg_catalog."C",
    spec text NOT NULL,
    active boolean NOT NULL,
    created_at bigint NOT NULL,
    declared_at bigint NOT NULL,
    last_event bigint NOT NULL
);
CREATE TABLE holdfast.consumers (
    namespace text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    mode text NOT NULL,
    start_on text NOT NULL,
    active boolean NOT NULL,
    version bigint NOT NULL,
    started bigint NOT NULL,
    last_run text COLLATE pg_catalog."C",
    last_at bigint,
    problem text
);
CREATE TABLE holdfast.definitions (
    namespace text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    manifest_hash text NOT NULL COLLATE pg_catalog."C",
    applied_at bigint NOT NULL
);
CREATE TABLE holdfast.edges (
    upstream text NOT NULL COLLATE pg_catalog."C",
    downstream text NOT NULL COLLATE pg_catalog."C",
    flipped boolean DEFAULT false NOT NULL
)
WITH (fillfactor='85');
CREATE TABLE holdfast.events (
    namespace text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
)
PARTITION BY RANGE (at);
CREATE TABLE holdfast.events_default (
    namespace text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
);
CREATE TABLE holdfast.external_jobs (
    id text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    service text NOT NULL COLLATE pg_catalog."C",
    submission text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    ref text,
    member_id text COLLATE pg_catalog."C",
    epoch integer NOT NULL,
    reason text,
    timed_out boolean NOT NULL,
    opened_at bigint NOT NULL,
    ended_at bigint,
    facts text NOT NULL,
    spec text NOT NULL,
    result text NOT NULL
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');
CREATE TABLE holdfast.intents (
    id bigint NOT NULL,
    kind text NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    run_id text COLLATE pg_catalog."C",
    definition text COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    input text,
    priority integer,
    start_after bigint,
    expires_after bigint,
    key_retention bigint,
    traceparent text,
    reason text,
    bytes integer DEFAULT 0 NOT NULL,
    made_at bigint NOT NULL,
    error text,
    judged_by text COLLATE pg_catalog."C",
    rejected_at bigint,
    signal text COLLATE pg_catalog."C",
    CONSTRAINT intents_kind_check CHECK ((kind = ANY (ARRAY['enqueue'::text, 'cancel'::text, 'signal'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='5000');
ALTER TABLE holdfast.intents ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.intents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.limits (
    id text NOT NULL COLLATE pg_catalog."C",
    slots integer NOT NULL,
    declared boolean NOT NULL,
    per_ms bigint
);
CREATE SEQUENCE holdfast.log_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE holdfast.logs (
    id bigint DEFAULT nextval('holdfast.log_ids'::regclass) NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    epoch integer NOT NULL,
    seq bigint NOT NULL,
    written_at bigint NOT NULL,
    at double precision NOT NULL,
    stream text NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    fields text
)
PARTITION BY RANGE (written_at);
CREATE TABLE holdfast.logs_default (
    id bigint DEFAULT nextval('holdfast.log_ids'::regclass) NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    epoch integer NOT NULL,
    seq bigint NOT NULL,
    written_at bigint NOT NULL,
    at double precision NOT NULL,
    stream text NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    fields text
);
CREATE TABLE holdfast.manifests (
    hash text NOT NULL COLLATE pg_catalog."C",
    manifest text NOT NULL
);
CREATE TABLE holdfast.members (
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    name text NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    serves text,
    joined_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    lease_ms bigint NOT NULL,
    unbroken_since bigint NOT NULL,
    ended_at bigint
);
CREATE TABLE holdfast.meta (
    one boolean DEFAULT true NOT NULL,
    incarnation text NOT NULL,
    system_identifier text NOT NULL,
    database_oid bigint NOT NULL,
    topic_floor bigint DEFAULT 0 NOT NULL,
    log_floor bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meta_one_check CHECK (one)
);
CREATE TABLE holdfast.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE holdfast.names (
    namespace text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    retained_until bigint NOT NULL,
    run_gone boolean DEFAULT false NOT NULL,
    answer text
);
CREATE TABLE holdfast.obligations (
    run_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    member_id text COLLATE pg_catalog."C",
    reason text NOT NULL,
    ordered_at bigint NOT NULL,
    forced_at bigint,
    tries integer DEFAULT 0 NOT NULL,
    last_try_at bigint,
    error text,
    met_at bigint
);
CREATE TABLE holdfast.outbox (
    id bigint NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000');
ALTER TABLE holdfast.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.pauses (
    id text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    since bigint NOT NULL,
    reason text,
    over boolean DEFAULT false NOT NULL
);
CREATE TABLE holdfast.pausing (
    one boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    any_pause boolean NOT NULL,
    CONSTRAINT pausing_one_check CHECK (one)
);
CREATE TABLE holdfast.runs (
    id text NOT NULL COLLATE pg_catalog."C",
    ord bigint NOT NULL,
    root_id text NOT NULL COLLATE pg_catalog."C",
    parent_id text COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    definition text NOT NULL COLLATE pg_catalog."C",
    workflow text COLLATE pg_catalog."C",
    manifest_hash text NOT NULL COLLATE pg_catalog."C",
    name text COLLATE pg_catalog."C",
    item text,
    item_index integer,
    key text,
    depth integer,
    queue text NOT NULL COLLATE pg_catalog."C",
    priority integer NOT NULL,
    rule text NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    losses integer NOT NULL,
    takeovers integer NOT NULL,
    input text,
    output text,
    error text,
    blocked_by integer NOT NULL,
    upstream_succeeded integer NOT NULL,
    upstream_failed integer NOT NULL,
    upstream_skipped integer NOT NULL,
    open_children integer NOT NULL,
    children_succeeded integer NOT NULL,
    children_failed integer NOT NULL,
    children_skipped integer NOT NULL,
    wake_at bigint,
    limits text,
    gate text COLLATE pg_catalog."C",
    expires_at bigint,
    ran_ms double precision NOT NULL,
    claimed_by text COLLATE pg_catalog."C",
    claimed_at bigint,
    ending text,
    spreading boolean DEFAULT false NOT NULL,
    last_event integer NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    step_count integer DEFAULT 0 NOT NULL,
    step_bytes bigint DEFAULT 0 NOT NULL,
    trace text,
    parent_generation integer DEFAULT 1 NOT NULL,
    expires_from bigint,
    waiting text,
    rank bigint,
    first_attempt integer DEFAULT 1 NOT NULL,
    cleans_up boolean DEFAULT false NOT NULL
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');
ALTER TABLE holdfast.runs ALTER COLUMN ord ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.runs_ord_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.schedules (
    namespace text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    spec text NOT NULL,
    paused boolean NOT NULL,
    due_at bigint,
    state text NOT NULL,
    version integer NOT NULL,
    declared_at bigint NOT NULL,
    paused_at bigint,
    pause_reason text,
    resumed_at bigint,
    params text NOT NULL
)
WITH (fillfactor='70');
CREATE TABLE holdfast.signals (
    run_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    payload text NOT NULL,
    at bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');
CREATE TABLE holdfast.slots (
    limit_id text NOT NULL COLLATE pg_catalog."C",
    place integer NOT NULL,
    run_id text COLLATE pg_catalog."C",
    per_ms bigint,
    free_at bigint
)
WITH (fillfactor='50');
CREATE TABLE holdfast.state_objects (
    name text NOT NULL COLLATE pg_catalog."C",
    ref text NOT NULL COLLATE pg_catalog."C",
    bytes integer NOT NULL,
    loose_since bigint,
    condemned boolean DEFAULT false NOT NULL
);
CREATE TABLE holdfast.state_scopes (
    scope_kind text NOT NULL COLLATE pg_catalog."C",
    scope_id text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    keys integer NOT NULL,
    bytes bigint NOT NULL,
    floor bigint NOT NULL,
    last bigint NOT NULL,
    object_bytes bigint DEFAULT 0 NOT NULL
);
CREATE TABLE holdfast.topics (
    namespace text NOT NULL COLLATE pg_catalog."C",
    last bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE holdfast."values" (
    scope_kind text NOT NULL COLLATE pg_catalog."C",
    scope_id text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    ord bigint NOT NULL,
    version bigint NOT NULL,
    value text NOT NULL,
    writer_run text NOT NULL COLLATE pg_catalog."C",
    writer_epoch integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint,
    object text COLLATE pg_catalog."C",
    object_bytes integer DEFAULT 0 NOT NULL
);
ALTER TABLE holdfast."values" ALTER COLUMN ord ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.values_ord_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.waits (
    run_id text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    ord bigint NOT NULL,
    kind text NOT NULL,
    hash text,
    due_at bigint,
    signal text COLLATE pg_catalog."C",
    child_id text COLLATE pg_catalog."C",
    groups text NOT NULL,
    epoch integer NOT NULL,
    opened_at bigint NOT NULL,
    job_id text COLLATE pg_catalog."C"
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');
ALTER TABLE holdfast.waits ALTER COLUMN ord ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.waits_ord_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY holdfast.events ATTACH PARTITION holdfast.events_default DEFAULT;
ALTER TABLE ONLY holdfast.logs ATTACH PARTITION holdfast.logs_default DEFAULT;
ALTER TABLE ONLY holdfast.asset_cursors
    ADD CONSTRAINT asset_cursors_pkey PRIMARY KEY (namespace, asset, definition);
ALTER TABLE ONLY holdfast.asset_declarations
    ADD CONSTRAINT asset_declarations_pkey PRIMARY KEY (namespace, asset, root);
ALTER TABLE ONLY holdfast.asset_events
    ADD CONSTRAINT asset_events_pkey PRIMARY KEY (namespace, asset, number);
ALTER TABLE ONLY holdfast.assets
    ADD CONSTRAINT assets_pkey PRIMARY KEY (namespace, id);
ALTER TABLE ONLY holdfast.consumers
    ADD CONSTRAINT consumers_pkey PRIMARY KEY (namespace, definition);
ALTER TABLE ONLY holdfast.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (namespace, id);
ALTER TABLE ONLY holdfast.edges
    ADD CONSTRAINT edges_pkey PRIMARY KEY (upstream, downstream);
ALTER TABLE ONLY holdfast.external_jobs
    ADD CONSTRAINT external_jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.intents
    ADD CONSTRAINT intents_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY holdfast.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (one);
ALTER TABLE ONLY holdfast.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY holdfast.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (namespace, kind, definition, name);
ALTER TABLE ONLY holdfast.obligations
    ADD CONSTRAINT obligations_pkey PRIMARY KEY (run_id, kind, subject);
ALTER TABLE ONLY holdfast.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.pauses
    ADD CONSTRAINT pauses_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.pausing
    ADD CONSTRAINT pausing_pkey PRIMARY KEY (one);
ALTER TABLE ONLY holdfast.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (namespace, id);
ALTER TABLE ONLY holdfast.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (run_id, number);
ALTER TABLE ONLY holdfast.slots
    ADD CONSTRAINT slots_pkey PRIMARY KEY (limit_id, place);
ALTER TABLE ONLY holdfast.state_objects
    ADD CONSTRAINT state_objects_pkey PRIMARY KEY (name);
ALTER TABLE ONLY holdfast.state_scopes
    ADD CONSTRAINT state_scopes_pkey PRIMARY KEY (scope_kind, scope_id, generation);
ALTER TABLE ONLY holdfast.topics
    ADD CONSTRAINT topics_pkey PRIMARY KEY (namespace);
ALTER TABLE ONLY holdfast."values"
    ADD CONSTRAINT values_pkey PRIMARY KEY (scope_kind, scope_id, generation, key);
ALTER TABLE ONLY holdfast.waits
    ADD CONSTRAINT waits_pkey PRIMARY KEY (run_id, generation, key);
CREATE INDEX asset_cursors_active ON holdfast.asset_cursors USING btree (namespace, asset, "position") WHERE active;
CREATE INDEX asset_cursors_definition ON holdfast.asset_cursors USING btree (namespace, definition, asset);
CREATE INDEX asset_declarations_root ON holdfast.asset_declarations USING btree (namespace, root);
CREATE UNIQUE INDEX asset_events_key ON holdfast.asset_events USING btree (namespace, asset, key) WHERE (key IS NOT NULL);
CREATE UNIQUE INDEX assets_uri ON holdfast.assets USING btree (namespace, uri) WHERE (uri IS NOT NULL);
CREATE INDEX events_of_topic ON ONLY holdfast.events USING btree (namespace, "position");
CREATE INDEX events_default_namespace_position_idx ON holdfast.events_default USING btree (namespace, "position");
CREATE INDEX events_of_run ON ONLY holdfast.events USING btree (run_id, number);
CREATE INDEX events_default_run_id_number_idx ON holdfast.events_default USING btree (run_id, number);
CREATE INDEX external_jobs_free ON holdfast.external_jobs USING btree (namespace, opened_at, id) WHERE ((member_id IS NULL) AND (ended_at IS NULL) AND (status <> 'unknown'::text) AND ((status <> 'submitting'::text) OR (submission <> 'own'::text)));
CREATE UNIQUE INDEX external_jobs_key ON holdfast.external_jobs USING btree (run_id, generation, key, number);
CREATE INDEX external_jobs_listed ON holdfast.external_jobs USING btree (namespace, opened_at, id);
CREATE INDEX external_jobs_open ON holdfast.external_jobs USING btree (namespace, opened_at, id) WHERE (ended_at IS NULL);
CREATE INDEX external_jobs_ordered ON holdfast.external_jobs USING btree (member_id, id) WHERE ((member_id IS NOT NULL) AND (status = 'cancelling'::text));
CREATE INDEX external_jobs_tracked ON holdfast.external_jobs USING btree (member_id, id) WHERE (member_id IS NOT NULL);
CREATE INDEX intents_judged ON holdfast.intents USING btree (namespace, definition, judged_by, id) WHERE (error IS NOT NULL);
CREATE INDEX intents_of_key ON holdfast.intents USING btree (namespace, definition, key, id) WHERE (key IS NOT NULL);
CREATE INDEX intents_of_run ON holdfast.intents USING btree (run_id, id) WHERE (run_id IS NOT NULL);
CREATE INDEX intents_open ON holdfast.intents USING btree (namespace, id) WHERE (error IS NULL);
CREATE INDEX intents_rejected ON holdfast.intents USING btree (namespace, id) WHERE (error IS NOT NULL);
CREATE UNIQUE INDEX logs_default_once ON holdfast.logs_default USING btree (run_id, epoch, seq);
CREATE INDEX logs_of_run ON ONLY holdfast.logs USING btree (run_id, id);
CREATE INDEX logs_default_run_id_id_idx ON holdfast.logs_default USING btree (run_id, id);
CREATE INDEX members_ended ON holdfast.members USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX members_live ON holdfast.members USING btree (lease_until) WHERE (ended_at IS NULL);
CREATE INDEX names_of_run ON holdfast.names USING btree (run_id);
CREATE INDEX names_retention ON holdfast.names USING btree (retained_until) WHERE run_gone;
CREATE INDEX obligations_open ON holdfast.obligations USING btree (namespace, ordered_at) WHERE (met_at IS NULL);
CREATE INDEX obligations_owed ON holdfast.obligations USING btree (member_id, kind, ordered_at) WHERE (met_at IS NULL);
CREATE INDEX obligations_tree ON holdfast.obligations USING btree (root_id);
CREATE INDEX obligations_waiting ON holdfast.obligations USING btree (ordered_at) WHERE ((met_at IS NULL) AND (forced_at IS NULL));
CREATE INDEX pauses_over ON holdfast.pauses USING btree (id) WHERE over;
CREATE INDEX runs_at_gates ON holdfast.runs USING btree (gate, rank, ord) WHERE (gate IS NOT NULL);
CREATE INDEX runs_below ON holdfast.runs USING btree (namespace, status, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NOT NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_child_items ON holdfast.runs USING btree (parent_id, item_index) WHERE (item_index IS NOT NULL);
CREATE INDEX runs_child_names ON holdfast.runs USING btree (parent_id, name) WHERE (parent_id IS NOT NULL);
CREATE INDEX runs_claimed ON holdfast.runs USING btree (claimed_by) WHERE (claimed_by IS NOT NULL);
CREATE INDEX runs_definition_below ON holdfast.runs USING btree (namespace, definition, status, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NOT NULL) AND (name IS NOT NULL));
CREATE INDEX runs_definition_roots ON holdfast.runs USING btree (namespace, definition, status, ord) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL) AND (name IS NOT NULL));
CREATE INDEX runs_ended_roots ON holdfast.runs USING btree (ended_at) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL));
CREATE INDEX runs_expiry ON holdfast.runs USING btree (expires_at, ord) WHERE ((expires_at IS NOT NULL) AND (ended_at IS NULL) AND (status <> 'cancelling'::text));
CREATE INDEX runs_live ON holdfast.runs USING btree (namespace, status, ord) WHERE ((ended_at IS NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_ready ON holdfast.runs USING btree (namespace, rank, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NULL) AND (gate IS NULL) AND (rank IS NOT NULL));
CREATE INDEX runs_ready_in_queue ON holdfast.runs USING btree (namespace, queue, rank, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NULL) AND (gate IS NULL));
CREATE INDEX runs_roots ON holdfast.runs USING btree (namespace, status, ord) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_spreading ON holdfast.runs USING btree (root_id, ord) WHERE spreading;
CREATE INDEX runs_tree ON holdfast.runs USING btree (root_id, ord) WHERE (parent_id IS NOT NULL);
CREATE INDEX runs_unreached ON holdfast.runs USING btree (parent_id, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NULL) AND (ending IS NULL));
CREATE INDEX runs_wake ON holdfast.runs USING btree (wake_at, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NOT NULL));
CREATE INDEX schedules_definition ON holdfast.schedules USING btree (namespace, definition, id);
CREATE INDEX schedules_due ON holdfast.schedules USING btree (namespace, due_at, id) WHERE ((NOT paused) AND (due_at IS NOT NULL));
CREATE INDEX slots_due ON holdfast.slots USING btree (free_at) WHERE (free_at IS NOT NULL);
CREATE INDEX slots_free ON holdfast.slots USING btree (limit_id, place) WHERE (run_id IS NULL);
CREATE UNIQUE INDEX slots_held ON holdfast.slots USING btree (limit_id, run_id) WHERE (run_id IS NOT NULL);
CREATE INDEX slots_of_rates ON holdfast.slots USING btree (run_id) WHERE ((per_ms IS NOT NULL) AND (free_at IS NULL) AND (run_id IS NOT NULL));
CREATE INDEX state_objects_loose ON holdfast.state_objects USING btree (loose_since, name) WHERE (loose_since IS NOT NULL);
CREATE UNIQUE INDEX state_objects_ref ON holdfast.state_objects USING btree (ref) WHERE (NOT condemned);
CREATE INDEX values_expiry ON holdfast."values" USING btree (expires_at, scope_kind, scope_id, generation, key) WHERE (expires_at IS NOT NULL);
CREATE INDEX values_object ON holdfast."values" USING btree (object) WHERE (object IS NOT NULL);
CREATE INDEX waits_due ON holdfast.waits USING btree (due_at, ord) WHERE (due_at IS NOT NULL);
ALTER INDEX holdfast.events_of_topic ATTACH PARTITION holdfast.events_default_namespace_position_idx;
ALTER INDEX holdfast.events_of_run ATTACH PARTITION holdfast.events_default_run_id_number_idx;
ALTER INDEX holdfast.logs_of_run ATTACH PARTITION holdfast.logs_default_run_id_id_idx;
