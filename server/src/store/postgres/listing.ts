import { isEnded, runStatuses } from "@holdfast/protocol";
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

const liveStatuses = runStatuses.filter((status) => !isEnded(status));

/**
 * The statement for a filter: which index serves depends on what is asked. Only these shapes exist; values are parameters,
 * added to `parameters`.
 */
function listText(filter: RunFilter, parameters: Parameter[]): string {
  const given = (value: Parameter) => `$${parameters.push(value)}`;
  const conditions = ["r.namespace = $1", "r.ord < $2"];
  if (filter.definition !== undefined) conditions.push(`r.definition = ${given(filter.definition)}`);
  if (filter.rootsOnly) conditions.push("r.parent_id is null");
  const statuses = filter.statuses === undefined ? undefined : [...new Set(filter.statuses)];
  if (filter.parentId !== undefined) {
    conditions.push(`r.parent_id = ${given(filter.parentId)}`);
    if (statuses !== undefined) conditions.push(`r.status = any(${given(textArray(statuses))}::text[])`);
    return pageText(conditions);
  }
  // What the index by status has: live runs, and those that ended otherwise than well when nothing else is asked for.
  const isWithoutSuccess = statuses !== undefined && !statuses.includes("succeeded");
  const byStatus = isWithoutSuccess ? statuses : (statuses ?? liveStatuses).filter((status) => !isEnded(status));
  const pages = [byStatusText(conditions, given(textArray(byStatus)))];
  if (!isWithoutSuccess) {
    const ended = [...conditions, "r.ended_at is not null"];
    if (statuses !== undefined) ended.push(`r.status = any(${given(textArray(statuses))}::text[])`);
    pages.push(...endedTexts(filter, ended));
  }
  return `select * from (${pages.map((page) => `(${page})`).join(" union all ")}) t order by t.ord desc limit $3`;
}

function endedTexts(filter: RunFilter, conditions: readonly string[]): string[] {
  if (filter.definition !== undefined) return [pageText(conditions)];
  // Opens the indexes over all definitions; see the migration.
  const all = [...conditions, "r.depth is not null"];
  if (filter.rootsOnly) return [pageText(all)];
  return [pageText([...all, "r.parent_id is null"]), pageText([...all, "r.parent_id is not null"])];
}

function byStatusText(conditions: readonly string[], statuses: string): string {
  const page = pageText([...conditions, "r.status = s.status", "r.status <> 'succeeded'"]);
  return `select t.* from unnest(${statuses}::text[]) s(status) cross join lateral (${page}) t`;
}

function pageText(conditions: readonly string[]): string {
  return `select ${runColumns}, r.ord from holdfast.runs r where ${conditions.join(" and ")} order by r.ord desc limit $3`;
}
