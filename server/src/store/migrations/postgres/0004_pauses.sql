-- Pauses (core/pauses.ts has the rules). A claim looks at them in its own statement: it holds the lock of `latest_pausing` in
-- share, so that who changes a pause waits for the claims that do not know of it, and compares the version that its snapshot
-- shows with the latest one: where they differ it claims nothing, and is repeated.

-- id: that of its gate, where runs that it holds stand. over: those who stood there are being let go.
create table holdfast.pauses (
  id text collate "C" primary key,
  namespace text collate "C" not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  since bigint not null,
  reason text,
  over boolean not null default false
);
create index pauses_over on holdfast.pauses (id) where over;

-- Which version of the pauses this is, and whether there may be one.
create table holdfast.pausing (
  one boolean primary key default true check (one),
  version bigint not null,
  any_pause boolean not null
);
insert into holdfast.pausing (version, any_pause) values (0, false);

-- Each statement of a volatile function has a snapshot of its own: what is read here is what was committed before the lock.
create function holdfast.latest_pausing() returns bigint language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock_shared(1752132708, 7364981);
  return (select p.version from holdfast.pausing p);
end $$;

-- Waits for all claims under way, and holds up those that come: to be called before pauses are changed.
create function holdfast.hold_pausing() returns void language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(1752132708, 7364981);
end $$;

-- To be called when they have been changed.
create function holdfast.note_pausing() returns void language sql volatile as $$
  update holdfast.pausing
  set version = version + 1, any_pause = exists (select 1 from holdfast.pauses p where not p.over)
$$;

-- The pause that stands over a run: its queue's, else its own, its definition's, and then those of the runs above it.
create function holdfast.pause_over(
  the_namespace text, the_queue text, the_definition text, the_run text, the_parent text
) returns text language plpgsql stable as $$
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
