import type { StateScope } from "@holdfast/protocol";
import { afterPrefix, compareKeys, statePlace } from "../../core/index.ts";
import {
  type StateFilter,
  type StatePage,
  type StateQuery,
  type StateReading,
  type StateValue,
  stateValue,
} from "../state-verbs.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Runner } from "./session.ts";
import { type StoredValue, toStateRow, valueColumns } from "./state-rows.ts";

// Reads of state: each is one statement, and what has expired by then is not there.

/** A row of an answer: of a place without values, its value has no key. */
type Found = StoredValue | { readonly key: null };

/** See `Store.readState`. */
export async function readState(db: Runner, rows: readonly StateQuery[]): Promise<StateReading[]> {
  if (rows.length === 0) return [];
  // One that asks for nothing is asked for a key that nobody has.
  const asked = rows.flatMap((query, index) => {
    const { kind, id } = idOf(query);
    const keys = query.keys.length === 0 ? [""] : query.keys;
    return keys.map((key) => ({ kind, id, namespace: query.namespace, key, index }));
  });
  type Row = Found & { readonly index: number; readonly known: boolean };
  const found = await db.run<Row>("readState", readText, [
    textArray(asked.map(({ kind }) => kind)),
    textArray(asked.map(({ id }) => id)),
    textArray(asked.map(({ namespace }) => namespace)),
    textArray(asked.map(({ key }) => key)),
    numberArray(asked.map(({ index }) => index)),
  ]);
  const values = rows.map((): StateValue[] => []);
  const known = new Set<number>();
  for (const row of found) {
    if (row.known) known.add(row.index);
    if (row.key !== null) values[row.index]?.push(stateValue(toStateRow(row)));
  }
  return values.map((of, index) => (known.has(index) ? { outcome: "read", values: of } : { outcome: "not_found" }));
}

const readText = `
  with asked as materialized (
    select n.*, case when n.kind = 'run'
      then (select r.generation from holdfast.runs r where r.id = n.id and r.namespace = n.namespace) else 0 end as generation
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[]) with ordinality n(kind, id, namespace, key, index, place)
  )
  select a.index, a.generation is not null as known, ${valueColumns}, v.value
  from asked a left join holdfast.values v
    on v.scope_kind = a.kind and v.scope_id = a.id and v.generation = a.generation and v.key = a.key
      and (v.expires_at is null or v.expires_at > (select holdfast.clock_ms()))
  order by a.place`;

/** See `Store.listState`. */
export async function listState(db: Runner, filter: StateFilter): Promise<StatePage> {
  const { namespace, prefix = "", after, limitRows } = filter;
  const { kind, id } = idOf(filter);
  // Both bounds narrow the same range of the index, so that only the greater one is given.
  const isAfter = after !== undefined && compareKeys(after, prefix) >= 0;
  type Scope = { readonly scope_keys: number; readonly scope_bytes: number; readonly scope_object_bytes: number };
  type Row = Found & Scope & { readonly known: boolean };
  const parameters = [kind, id, namespace, isAfter ? after : prefix, afterPrefix(prefix), limitRows + 1];
  const found = isAfter
    ? await db.run<Row>("listStateAfter", listText(">"), parameters)
    : await db.run<Row>("listState", listText(">="), parameters);
  const [first] = found;
  if (first?.known !== true) return { outcome: "not_found" };
  const values = found.flatMap((row) => (row.key === null ? [] : stateValue(toStateRow(row))));
  const { scope_keys: keys, scope_bytes: bytes, scope_object_bytes: objectBytes } = first;
  const more = values.length > limitRows;
  return { outcome: "read", values: values.slice(0, limitRows), more, use: { keys, bytes, objectBytes } };
}

function listText(from: ">" | ">="): string {
  return `
  with place as materialized (
    select case when $1 = 'run'
      then (select r.generation from holdfast.runs r where r.id = $2 and r.namespace = $3) else 0 end as generation
  ),
  listed as materialized (
    select ${valueColumns}, v.value
    from holdfast.values v
    where v.scope_kind = $1 and v.scope_id = $2 and v.generation = (select generation from place)
      and v.key ${from} $4 and v.key < $5 and (v.expires_at is null or v.expires_at > (select holdfast.clock_ms()))
    order by v.key limit $6
  )
  select p.generation is not null as known, coalesce(s.keys, 0) as scope_keys, coalesce(s.bytes, 0) as scope_bytes,
    coalesce(s.object_bytes, 0) as scope_object_bytes, v.*
  from place p left join holdfast.state_scopes s on s.scope_kind = $1 and s.scope_id = $2 and s.generation = p.generation
    left join listed v on true order by v.key`;
}

function idOf({ scope, namespace }: { readonly scope: StateScope; readonly namespace: string }) {
  return statePlace(scope, namespace, 0);
}
