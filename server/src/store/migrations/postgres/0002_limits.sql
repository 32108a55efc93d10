-- Limits: slot rows and the lines at their gates (core/limits.ts has the rules; these functions are their one statement here).
-- Rows of slots and runs that others hold are passed over: those who use a limit do not wait for each other. What two of them
-- therefore do not see, a slot that one frees and a run that the other puts in line, is found after their commits, or by the timer.
-- The limit's own row is held for share by all who use its slots, so that its number changes only between them: who changes it
-- is waited for, and so is who makes a limit that is new. Limits of definitions and queues are declared before they are needed.

-- declared: somebody has set it; else it came with a run, and goes when nobody needs it.
create table holdfast.limits (
  id text collate "C" primary key,
  slots integer not null,
  declared boolean not null
);

-- Places 1 to limits.slots; a place above them is deleted when it becomes free. run_id: who holds it.
create table holdfast.slots (
  limit_id text collate "C" not null,
  place integer not null,
  run_id text collate "C",
  primary key (limit_id, place)
) with (fillfactor = 50);
create unique index slots_held on holdfast.slots (limit_id, run_id) where run_id is not null;
create index slots_free on holdfast.slots (limit_id, place) where run_id is null;

-- Makes the slots of limits that are new, and holds all of them in place against whoever forgets idle ones.
create function holdfast.open_limits(limit_ids text[], counts integer[]) returns void language plpgsql as $$
declare
  held integer;
begin
  loop
    with fresh as (
      insert into holdfast.limits (id, slots, declared)
      select distinct on (n.id) n.id, n.slots, false from unnest(limit_ids, counts) n(id, slots) order by n.id
      on conflict do nothing returning id, slots
    )
    insert into holdfast.slots (limit_id, place) select f.id, p from fresh f cross join generate_series(1, f.slots) p;
    perform 1 from holdfast.limits l where l.id = any (limit_ids) order by l.id for share of l;
    get diagnostics held = row_count;
    exit when held = (select count(distinct n.id) from unnest(limit_ids) n(id));
  end loop;
end $$;

-- A place is free. Where there are holders above the number of slots, one of them takes it; if there are none it stays.
create function holdfast.fill_gap(the_limit text, gap integer) returns void language plpgsql as $$
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

-- Lets in who stands at these gates, as long as there are slots: the highest priority first, then who came first, at any of them.
-- So many moves and no more: `more` says that there may be others.
create function holdfast.hand_out(limit_ids text[], out admitted integer, out more boolean) language plpgsql as $$
declare
  open_ids text[];
  first record;
  run record;
  first_place integer;
  other_place integer;
  need text;
  full_gate text;
  needs text[];
  places integer[];
  passed_over text[] := '{}';
begin
  admitted := 0;
  more := false;
  perform 1 from holdfast.limits l where l.id = any (limit_ids) order by l.id for share of l;
  select array_agg(distinct u.id) into open_ids from unnest(limit_ids) u(id);
  for moves in 1..100 loop
    select s.id, s.gate into first from unnest(open_ids) o(id) cross join lateral (
        select r.id, r.gate, r.priority, r.ord from holdfast.runs r
        where r.gate = o.id and r.id <> all (passed_over) order by r.priority desc, r.ord limit 1
      ) s order by s.priority desc, s.ord limit 1;
    if not found then return; end if;
    select s.place into first_place from holdfast.slots s
      where s.limit_id = first.gate and s.run_id is null order by s.place limit 1 for update skip locked;
    if not found then
      open_ids := array_remove(open_ids, first.gate);
      continue;
    end if;
    select r.id, r.limits into run from holdfast.runs r where r.id = first.id and r.gate = first.gate for update skip locked;
    if not found then
      -- Somebody else is at it.
      passed_over := passed_over || first.id;
      continue;
    end if;
    needs := array[first.gate];
    places := array[first_place];
    full_gate := null;
    -- While it stood at one gate, nobody may have needed another limit, which was forgotten.
    perform holdfast.open_limits(array_agg(n.value ->> 'id'), array_agg((n.value ->> 'slots')::integer))
      from jsonb_array_elements(run.limits::jsonb) n(value) where n.value ->> 'id' <> first.gate;
    for need in
      select n.value ->> 'id' from jsonb_array_elements(run.limits::jsonb) with ordinality n(value, nth)
      where n.value ->> 'id' <> first.gate and not exists (
        select 1 from holdfast.slots h where h.limit_id = n.value ->> 'id' and h.run_id = run.id)
      order by n.nth
    loop
      select s.place into other_place from holdfast.slots s
        where s.limit_id = need and s.run_id is null order by s.place limit 1 for update skip locked;
      if not found then
        full_gate := need;
        exit;
      end if;
      needs := needs || need;
      places := places || other_place;
    end loop;
    if full_gate is null then
      update holdfast.slots s set run_id = run.id from unnest(needs, places) t(limit_id, place)
        where s.limit_id = t.limit_id and s.place = t.place;
      admitted := admitted + 1;
    end if;
    update holdfast.runs r set gate = full_gate where r.id = run.id;
  end loop;
  more := true;
end $$;

-- What a transaction's changes mean for slots: limits of runs that came to a gate are opened, slots freed and handed on.
create function holdfast.pass_gates(freed_limits text[], freed_runs text[], arrived text[])
returns void language plpgsql as $$
declare
  freed record;
begin
  perform 1 from holdfast.limits l where l.id = any (freed_limits) order by l.id for share of l;
  perform holdfast.open_limits(array_agg(n.value ->> 'id'), array_agg((n.value ->> 'slots')::integer))
    from holdfast.runs r cross join jsonb_array_elements(r.limits::jsonb) n(value)
    where r.id = any (arrived) and r.gate is not null;
  for freed in
    update holdfast.slots s set run_id = null from unnest(freed_limits, freed_runs) f(limit_id, run_id)
      where s.limit_id = f.limit_id and s.run_id = f.run_id
    returning s.limit_id, s.place
  loop
    perform holdfast.fill_gap(freed.limit_id, freed.place);
  end loop;
  perform holdfast.hand_out(freed_limits || array(
    select r.gate from holdfast.runs r where r.id = any (arrived) and r.gate is not null));
end $$;

-- Sets how many slots limits have, and whether they stay when nobody needs them. Who holds a slot keeps it. What is as it was is
-- left alone: to change a limit's row means to wait for all who use it.
create function holdfast.declare_limits(limit_ids text[], counts integer[], stay boolean) returns void language plpgsql as $$
declare
  given record;
  gap record;
begin
  for given in
    select n.id, n.slots from unnest(limit_ids, counts) n(id, slots) left join holdfast.limits l on l.id = n.id
    where l.id is null or l.slots <> n.slots or l.declared <> stay order by n.id
  loop
    insert into holdfast.limits as l (id, slots, declared) values (given.id, given.slots, stay)
      on conflict (id) do update set slots = excluded.slots, declared = excluded.declared;
    insert into holdfast.slots (limit_id, place) select given.id, p from generate_series(1, given.slots) p
      on conflict do nothing;
    for gap in
      select s.limit_id, s.place from holdfast.slots s
      where s.limit_id = given.id and s.run_id is null order by s.place desc for update
    loop
      perform holdfast.fill_gap(gap.limit_id, gap.place);
    end loop;
  end loop;
end $$;

-- Forgets limits that nobody declared, holds or stands at. Who opens one meanwhile holds it in place.
create function holdfast.forget_idle_limits(withdrawn integer) returns void language plpgsql as $$
declare
  idle record;
begin
  for idle in
    select l.id from holdfast.limits l
    where not l.declared and l.slots <> withdrawn
      and not exists (select 1 from holdfast.slots s where s.limit_id = l.id and s.run_id is not null)
      and not exists (select 1 from holdfast.runs r where r.gate = l.id)
    order by l.id for update of l skip locked
  loop
    -- Looked at again, now that nobody can come to its gate.
    continue when exists (select 1 from holdfast.slots s where s.limit_id = idle.id and s.run_id is not null)
      or exists (select 1 from holdfast.runs r where r.gate = idle.id);
    delete from holdfast.slots s where s.limit_id = idle.id;
    delete from holdfast.limits l where l.id = idle.id;
  end loop;
end $$;
