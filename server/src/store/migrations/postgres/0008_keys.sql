-- Limits by key: they come with runs and go with them, and there may be very many.

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
