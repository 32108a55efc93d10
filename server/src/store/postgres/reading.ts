import { isEnded, limits, type RunStatus } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import { unreadScope } from "../page-bytes.ts";
import type { ChildOutput, ScopeQuery, ScopeResult } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import { fittingText } from "./fitting.ts";
import { jsonOf, runColumns, type StoredRun, slimRunColumns, toRun } from "./run-rows.ts";
import type { Runner } from "./session.ts";

export async function findRun(db: Runner, id: string): Promise<RunRow | undefined> {
  const rows = await db.run<StoredRun>("findRun", findText, [id]);
  return rows.map(toRun)[0];
}

const findText = `select ${runColumns} from holdfast.runs r where r.id = $1`;

/** Greater than every text that begins with the same prefix. */
const lastCharacter = "\u{10ffff}";

/** See `Store.findRunIds`. */
export async function findRunIds(
  db: Runner,
  { namespace, prefix, limitRows }: { namespace: string; prefix: string; limitRows: number },
): Promise<string[]> {
  const rows = await db.run<{ id: string }>("findRunIds", findIdsText, [
    namespace,
    prefix,
    `${prefix}${lastCharacter}`,
    limitRows,
  ]);
  return rows.map(({ id }) => id);
}

const findIdsText = `
  select r.id from holdfast.runs r where r.namespace = $1 and r.id >= $2 and r.id < $3 order by r.id limit $4`;

/** See `Store.findKeyedRuns`. */
export async function findKeyedRuns(
  db: Runner,
  { namespace, key, definitions }: { namespace: string; key: string; definitions: readonly string[] },
): Promise<string[]> {
  const rows = await db.run<{ id: string }>("findKeyedRuns", findKeyedText, [namespace, key, textArray(definitions)]);
  return rows.map(({ id }) => id);
}

const findKeyedText = `
  select n.run_id as id from unnest($3::text[]) d(id)
  join holdfast.names n on n.namespace = $1 and n.kind = 'key' and n.definition = d.id and n.name = $2
  order by n.definition`;

/** See `Store.listEnded`. */
export async function listEnded(db: Runner, ids: readonly string[], namespace?: string): Promise<string[]> {
  const parameters = [textArray(ids), namespace ?? null];
  const rows = await db.run<{ id: string; status: RunStatus }>("listEnded", statusesText, parameters);
  const live = new Set(rows.filter(({ status }) => !isEnded(status)).map(({ id }) => id));
  return ids.filter((id) => !live.has(id));
}

const statusesText = `
  select r.id, r.status from unnest($1::text[]) w(id) join holdfast.runs r on r.id = w.id
  where $2::text is null or r.namespace = $2`;

/** See `Store.listTree`. */
export async function listTree(
  db: Runner,
  { rootId, after, limitRows }: { rootId: string; after?: string; limitRows: number },
): Promise<RunRow[]> {
  return (await db.run<StoredRun>("listTree", treeText, [rootId, after ?? null, limitRows])).map(toRun);
}

const treeText = `
  with place as materialized (select coalesce((select p.ord from holdfast.runs p where p.id = $2), 0) as ord)
  ${fittingText(
    `select * from (
    (select ${slimRunColumns}, r.ord from holdfast.runs r
      where r.id = $1 and r.parent_id is null and r.ord > (select ord from place))
    union all
    (select ${slimRunColumns}, r.ord from holdfast.runs r
      where r.root_id = $1 and r.parent_id is not null and r.ord > (select ord from place) order by r.ord limit $3)
  ) t order by t.ord limit $3`,
    { order: "ord", bytes: "coalesce(octet_length(t.error), 0)" },
  )}`;

/** See `Store.listUpstreams`. */
export async function listUpstreams(
  db: Runner,
  { runId, limitRows }: { runId: string; limitRows: number },
): Promise<RunRow[]> {
  return (await db.run<StoredRun>("listUpstreams", upstreamsText, [runId, limitRows])).map(toRun);
}

// Siblings of the run: a graph has no more nodes than its manifest.
const upstreamsText = `
  select ${slimRunColumns} from holdfast.runs r
  where r.parent_id = (select d.parent_id from holdfast.runs d where d.id = $1) and r.ended_at is null
    and exists (select 1 from holdfast.edges e where e.upstream = r.id and e.downstream = $1)
  order by r.ord limit $2`;

/** `bytes`: of all values of the scope; `so_far`: of its and of those before it. What is too much has no value. */
interface ScopePart {
  readonly place: number;
  readonly name: string | null;
  readonly status: RunStatus | null;
  readonly value: string | null;
  readonly bytes: number;
  readonly so_far: number;
}

/** See `Store.findScopes`. */
export async function findScopes(db: Runner, rows: readonly ScopeQuery[]): Promise<ScopeResult[]> {
  if (rows.length === 0) return [];
  const named = rows.flatMap(({ parentId, names }, index) => names.map((name) => ({ parentId, name, index })));
  const parts = await db.run<ScopePart>("findScopes", scopesText, [
    textArray(rows.map((row) => row.parentId)),
    textArray(named.map(({ parentId }) => parentId)),
    textArray(named.map(({ name }) => name)),
    numberArray(named.map(({ index }) => index + 1)),
  ]);
  return rows.map((_, index) => toScope(parts.filter(({ place }) => place === index + 1)));
}

function toScope(parts: readonly ScopePart[]): ScopeResult {
  const [{ bytes, so_far: soFar } = { bytes: 0, so_far: 0 }] = parts;
  const unread = unreadScope(bytes, soFar);
  if (unread !== undefined) return unread;
  const outputs = parts.flatMap(({ name, status, value }) =>
    name === null || status === null ? [] : [toOutput(name, status, jsonOf(value))],
  );
  const input = jsonOf(parts.find(({ name }) => name === null)?.value ?? null);
  return input === undefined ? { outcome: "read", outputs } : { outcome: "read", input, outputs };
}

const scopesText = `
  select t.place, t.name, t.status, t.bytes, t.so_far,
    case when t.so_far <= ${limits.scopeBytes} then t.value end as value
  from (
    select t.*, sum(coalesce(octet_length(t.value), 0)) over (partition by t.place)::float8 as bytes,
      sum(coalesce(octet_length(t.value), 0)) over (order by t.place)::float8 as so_far
    from (
  select p.place, null::text as name, null::text as status, r.input as value, 0 as nth
  from unnest($1::text[]) with ordinality p(id, place) join holdfast.runs r on r.id = p.id
  union all
  select c.place, r.name, r.status, case when r.status = 'succeeded' then r.output end, c.nth
  from (select * from unnest($2::text[], $3::text[], $4::bigint[]) with ordinality n(parent_id, name, place, nth)) c
  join holdfast.runs p on p.id = c.parent_id
  join holdfast.runs r on r.parent_id = p.id and r.name = c.name and r.parent_generation = p.generation
    ) t) t
  order by t.place, t.nth`;

/** See `Store.listChildOutputs`. */
export async function listChildOutputs(
  db: Runner,
  { parentId, afterIndex, limitRows }: { parentId: string; afterIndex: number; limitRows: number },
): Promise<ChildOutput[]> {
  const rows = await db.run<{ name: string; status: RunStatus; value: string | null }>(
    "listChildOutputs",
    childOutputsText,
    [parentId, afterIndex, limitRows],
  );
  return rows.map(({ name, status, value }) => toOutput(name, status, jsonOf(value)));
}

const childOutputsText = fittingText(
  `select r.name, r.status, r.item_index, case when r.status = 'succeeded' then r.output end as value
  from holdfast.runs r
  where r.parent_id = $1 and r.item_index is not null and r.item_index > $2
    and r.parent_generation = (select p.generation from holdfast.runs p where p.id = $1)
  order by r.item_index limit $3`,
  { order: "item_index", bytes: "coalesce(octet_length(t.value), 0)" },
);

function toOutput(name: string, status: RunStatus, output: ReturnType<typeof jsonOf>): ChildOutput {
  return status === "succeeded" && output !== undefined ? { name, status, output } : { name, status };
}
