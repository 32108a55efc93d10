import { type ExpiredValue, expiredValue } from "../state-verbs.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Runner, Work } from "./session.ts";
import { lockScopes } from "./state-rows.ts";

type Candidate = Omit<ExpiredValue, "expiresAt"> & { readonly expires_at: number };

/** What has expired, the longest first. */
export function listExpiredValues(db: Runner, limitRows: number): Promise<Candidate[]> {
  return db.run<Candidate>("listExpiredValues", listText, [limitRows]);
}

const listText = `
  select v.scope_kind as kind, v.scope_id as id, v.generation, v.key, v.expires_at from holdfast.values v
  where v.expires_at is not null and v.expires_at <= (select holdfast.clock_ms())
  order by v.expires_at, v.scope_kind, v.scope_id, v.generation, v.key limit $1`;

/** Deletes those of these values that have expired, whose scopes are held, and counts what that leaves. */
export function deleteExpiredValues(db: Runner, values: readonly Candidate[]): Promise<{ swept: number }[]> {
  return db.run("deleteExpiredValues", deleteText, [
    textArray(values.map(({ kind }) => kind)),
    textArray(values.map(({ id }) => id)),
    numberArray(values.map(({ generation }) => generation)),
    textArray(values.map(({ key }) => key)),
  ]);
}

const deleteText = `
  with swept as (
    delete from holdfast.values v using unnest($1::text[], $2::text[], $3::int[], $4::text[]) n(kind, id, generation, key)
    where v.scope_kind = n.kind and v.scope_id = n.id and v.generation = n.generation and v.key = n.key
      and v.expires_at <= (select holdfast.clock_ms())
    returning v.scope_kind, v.scope_id, v.generation, v.version, octet_length(v.value) as bytes, v.object, v.object_bytes
  ),
  less as materialized (
    select s.scope_kind, s.scope_id, s.generation, count(*) as keys, sum(s.bytes) as bytes, sum(s.object_bytes) as object_bytes, max(s.version) as version
    from swept s group by 1, 2, 3
  ),
  counted as (
    update holdfast.state_scopes s set keys = s.keys - l.keys, bytes = s.bytes - l.bytes, object_bytes = s.object_bytes - l.object_bytes,
      floor = greatest(s.floor, l.version)
    from less l where s.scope_kind = l.scope_kind and s.scope_id = l.scope_id and s.generation = l.generation
  ),
  loosened as (
    update holdfast.state_objects o set loose_since = holdfast.clock_ms() from swept s where o.name = s.object and not o.condemned
  )
  select count(*) as swept from swept`;

/** See `Store.sweepState`. */
export async function sweepState(
  db: Work,
  { limitRows, dryRun = false }: { limitRows: number; dryRun?: boolean },
): Promise<{ swept: number; more: boolean; expired: ExpiredValue[] }> {
  const found = await listExpiredValues(db, limitRows + 1);
  const due = found.slice(0, limitRows);
  const more = found.length > due.length;
  if (dryRun) {
    const named = due.map(({ kind, id, generation, key, expires_at: expiresAt }) =>
      expiredValue({ place: { kind, id, generation }, key, expiresAt }),
    );
    return { swept: 0, more, expired: named };
  }
  if (due.length === 0) return { swept: 0, more, expired: [] };
  const swept = await db.transaction(async (transaction) => {
    // Whoever writes to one of them now has written before the values are looked at again, or comes after.
    const places = due.map(({ kind, id, generation }) => ({ kind, id, generation, namespace: "" }));
    const [, [deleted]] = await Promise.all([lockScopes(transaction, places), deleteExpiredValues(transaction, due)]);
    return deleted?.swept ?? 0;
  });
  return { swept, more, expired: [] };
}
