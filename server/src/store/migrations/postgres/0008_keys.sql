-- Limits by key: they come with runs and go with them, and there may be very many.

-- As before. A gate is looked at again when it may have room for somebody else, not at each move.
create or replace function holdfast.hand_out(limit_ids text[], out admitted integer, out more boolean) language plpgsql as $$
declare
  -- Gates to look at, and those of them at which nobody can be let in now.
  open_ids text[];
  closed text[];
  first record;
  run record;
  first_place integer;
  other_place integer;
  need text;
  full_gate text;
  needs text[];
  places integer[];
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
        select r.id, r.gate, r.priority, r.ord from holdfast.runs r
        where r.gate = o.id and r.id <> all (passed_over) order by r.priority desc, r.ord limit 1
      ) s order by s.priority desc, s.ord
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
      select r.id, r.limits into run from holdfast.runs r where r.id = first.id and r.gate = first.gate for update skip locked;
      if not found then
        -- Somebody else is at it.
        passed_over := passed_over || first.id;
        again := true;
        continue;
      end if;
      moves := moves + 1;
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
      -- The next in this line may stand before the first of another.
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

-- What a transaction's changes mean for slots. The number of a limit that came with runs is what the one says that came last:
-- it is changed before anything of the limit is held, since who changes it waits for all who hold it.
create or replace function holdfast.pass_gates(freed_limits text[], freed_runs text[], arrived text[])
returns void language plpgsql as $$
declare
  freed record;
begin
  perform holdfast.declare_limits(array_agg(n.id), array_agg(n.slots), false) from (
    select distinct on (l.id) l.id, (n.value ->> 'slots')::integer as slots
    from holdfast.runs r cross join jsonb_array_elements(r.limits::jsonb) n(value)
      join holdfast.limits l on l.id = n.value ->> 'id'
    -- 1001: it was withdrawn.
    where r.id = any (arrived) and r.gate is not null and not l.declared and l.slots <> 1001
    order by l.id, r.ord desc) n;
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

-- Forgets limits that nobody declared, holds or stands at, at most so many; answers how many. Who opens one meanwhile holds it in place.
drop function holdfast.forget_idle_limits(integer);
create function holdfast.forget_idle_limits(withdrawn integer, most integer) returns integer language plpgsql as $$
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
