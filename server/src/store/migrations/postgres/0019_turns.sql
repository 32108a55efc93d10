-- As in 0014; and who comes out of a fair line keeps what it asked for up to there while it stands at a gate behind it (core's L1), so
-- that few of each key stand there. Who has started asks for what its activations hold alone.
create or replace function holdfast.hand_out(limit_ids text[], out admitted integer, out more boolean) language plpgsql as $$
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
