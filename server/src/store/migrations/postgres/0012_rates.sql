-- Rates: limits whose slots are held by starts. per_ms: for so long; null: it is no rate. Of a slot the same as its limit's, so
-- that a claim looks at no limit.
alter table holdfast.limits add column per_ms bigint;
alter table holdfast.slots add column per_ms bigint;
-- When the start is over that holds the slot; run_id is the start's then.
alter table holdfast.slots add column free_at bigint;
create index slots_due on holdfast.slots (free_at) where free_at is not null;
create index slots_of_rates on holdfast.slots (run_id) where per_ms is not null and free_at is null and run_id is not null;

-- Makes the slots of limits that are new, and holds all of them in place against whoever forgets idle ones.
drop function holdfast.open_limits(text[], integer[]);
create function holdfast.open_limits(limit_ids text[], counts integer[], pers bigint[]) returns void language plpgsql as $$
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

-- What a transaction's changes mean for slots. The number of a limit that came with runs is what the one says that came last:
-- it is changed before anything of the limit is held, since who changes it waits for all who hold it.
create or replace function holdfast.pass_gates(freed_limits text[], freed_runs text[], arrived text[])
returns void language plpgsql as $$
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

-- Sets how many slots limits have, and whether they stay when nobody needs them. Who holds a slot keeps it. What is as it was is
-- left alone: to change a limit's row means to wait for all who use it.
drop function holdfast.declare_limits(text[], integer[], boolean);
create function holdfast.declare_limits(limit_ids text[], counts integer[], pers bigint[], stay boolean) returns void language plpgsql as $$
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

-- Frees what starts held that are over, at most so many, and hands it on. `freed`: how many.
create function holdfast.end_starts(most integer, out admitted integer, out more boolean, out freed integer) language plpgsql as $$
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
