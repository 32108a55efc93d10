import { isEnded, limits, runStatuses } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import type { RunFilter } from "../store.ts";
import { textArray } from "./arrays.ts";
import { placeOf } from "./cursor.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Parameter, Runner } from "./session.ts";

/** `found`: how many of the rows that were asked for are there, what does not fit the page included. */
type PlacedRun = StoredRun & { readonly ord: number; readonly found: number };

const beforeEverything = Number.MAX_SAFE_INTEGER;

/** See `Store.listRuns`. Newest first; the cursor is the place of the last row. */
export async function listRuns(db: Runner, filter: RunFilter): Promise<{ runs: RunRow[]; cursor: string | null }> {
  const before = filter.cursor === undefined ? beforeEverything : placeOf(filter.cursor);
  // One more than asked for says whether there are more.
  const parameters: Parameter[] = [filter.namespace, before, filter.limitRows + 1];
  const rows = await db.run<PlacedRun>("listRuns", listText(filter, parameters), parameters);
  const page = rows.slice(0, filter.limitRows);
  const last = page.at(-1);
  const isMore = last !== undefined && last.found > page.length;
  return { runs: page.map(toRun), cursor: isMore ? String(last.ord) : null };
}

/**
 * The statement for a filter: a page of each status and kind of run that is asked for, each from the index that holds just
 * those in their order. Only these shapes exist; values are parameters, added to `parameters`.
 */
function listText(filter: RunFilter, parameters: Parameter[]): string {
  const given = (value: Parameter) => `$${parameters.push(value)}`;
  const conditions = ["r.namespace = $1", "r.ord < $2"];
  const statuses = [...new Set(filter.statuses ?? runStatuses)];
  if (filter.definition !== undefined) conditions.push(`r.definition = ${given(filter.definition)}`);
  if (filter.parentId !== undefined) {
    const parent = given(filter.parentId);
    conditions.push(`r.parent_id = ${parent}`);
    conditions.push(`r.parent_generation = (select p.generation from holdfast.runs p where p.id = ${parent})`);
    if (filter.rootsOnly) conditions.push("r.parent_id is null");
    if (filter.statuses !== undefined) conditions.push(`r.status = any(${given(textArray(statuses))}::text[])`);
    return fittingText(pageText(conditions));
  }
  const live = given(textArray(statuses.filter((status) => !isEnded(status))));
  const roots = filter.rootsOnly ? ["r.parent_id is null"] : [];
  const pages = [pageOfEachText(live, [...conditions, ...roots, "r.ended_at is null", "r.depth is not null"])];
  const ended = given(textArray(statuses.filter(isEnded)));
  // Opens the indexes over all definitions or those by definition; see the migration.
  const opening = filter.definition === undefined ? "r.depth is not null" : "r.name is not null";
  for (const kind of filter.rootsOnly ? ["is null"] : ["is null", "is not null"]) {
    const kindOf = [...conditions, `r.parent_id ${kind}`, "r.ended_at is not null", opening];
    pages.push(pageOfEachText(ended, kindOf));
  }
  return fittingText(
    `select * from (${pages.map((page) => `(${page})`).join(" union all ")}) t order by t.ord desc limit $3`,
  );
}

/** The first rows whose values fit one page. Their lengths are known without their values. */
function fittingText(rows: string): string {
  const bytes =
    "coalesce(octet_length(t.input), 0) + coalesce(octet_length(t.output), 0) + coalesce(octet_length(t.error), 0)";
  return `select * from (
    select t.*, count(*) over ()::int as found,
      sum(${bytes}) over (order by t.ord desc rows between unbounded preceding and 1 preceding) as bytes_before
    from (${rows}) t) t
  where coalesce(t.bytes_before, 0) < ${limits.pageBytes} order by t.ord desc`;
}

/** A page of each status of a parameter. */
function pageOfEachText(statuses: string, conditions: readonly string[]): string {
  const page = pageText([...conditions, "r.status = s.status"]);
  return `select t.* from unnest(${statuses}::text[]) s(status) cross join lateral (${page}) t`;
}

function pageText(conditions: readonly string[]): string {
  return `select ${runColumns}, r.ord from holdfast.runs r where ${conditions.join(" and ")} order by r.ord desc limit $3`;
}
