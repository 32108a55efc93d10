import type { RunRow } from "../../core/index.ts";
import type { RunFilter } from "../store.ts";
import { textArray } from "./arrays.ts";
import { placeOf } from "./cursor.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Parameter, Runner } from "./session.ts";

type PlacedRun = StoredRun & { readonly ord: number };

const beforeEverything = Number.MAX_SAFE_INTEGER;

/** See `Store.listRuns`. Newest first; the cursor is the place of the last row. */
export async function listRuns(db: Runner, filter: RunFilter): Promise<{ runs: RunRow[]; cursor: string | null }> {
  const before = filter.cursor === undefined ? beforeEverything : placeOf(filter.cursor);
  // One more than asked for says whether there are more.
  const parameters: Parameter[] = [filter.namespace, before, filter.limitRows + 1];
  const rows = await db.run<PlacedRun>("listRuns", listText(filter, parameters), parameters);
  const page = rows.slice(0, filter.limitRows);
  const last = page.at(-1);
  return { runs: page.map(toRun), cursor: rows.length > page.length && last !== undefined ? String(last.ord) : null };
}

/**
 * The statement for a filter: which index serves depends on what is asked. Only these shapes exist; values are parameters,
 * added to `parameters`.
 */
function listText(filter: RunFilter, parameters: Parameter[]): string {
  const conditions = ["r.namespace = $1", "r.ord < $2"];
  const given = (value: Parameter) => `$${parameters.push(value)}`;
  if (filter.definition !== undefined) conditions.push(`r.definition = ${given(filter.definition)}`);
  if (filter.parentId !== undefined) conditions.push(`r.parent_id = ${given(filter.parentId)}`);
  if (filter.rootsOnly) conditions.push("r.parent_id is null");
  if (filter.statuses !== undefined && !filter.statuses.includes("succeeded")) {
    return byStatusText(conditions, given(textArray(filter.statuses)));
  }
  if (filter.statuses !== undefined) conditions.push(`r.status = any(${given(textArray(filter.statuses))}::text[])`);
  if (filter.definition !== undefined || filter.parentId !== undefined) return pageText(conditions);
  // Opens the indexes over everything; see the migration.
  conditions.push("r.depth is not null");
  if (filter.rootsOnly) return pageText(conditions);
  const below = pageText([...conditions, "r.parent_id is not null"]);
  return `select * from ((${pageText([...conditions, "r.parent_id is null"])}) union all (${below})) t
    order by t.ord desc limit $3`;
}

/** Every status but `succeeded` has its place in an index of its own. */
function byStatusText(conditions: readonly string[], statuses: string): string {
  const page = pageText([...conditions, "r.status = s.status", "r.status <> 'succeeded'"]);
  return `select t.* from unnest(${statuses}::text[]) s(status) cross join lateral (${page}) t
    order by t.ord desc limit $3`;
}

function pageText(conditions: readonly string[]): string {
  return `select ${runColumns}, r.ord from holdfast.runs r where ${conditions.join(" and ")} order by r.ord desc limit $3`;
}
