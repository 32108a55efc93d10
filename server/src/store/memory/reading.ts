import { AppError, isEnded, limits } from "@holdfast/protocol";
import type { ObligationRow, RunRow } from "../../core/index.ts";
import { jsonBytes } from "../admission.ts";
import { fittingRows, runBytes, unreadScope } from "../page-bytes.ts";
import type { ChildOutput, RunFilter, ScopeQuery, ScopeResult, Store } from "../store.ts";
import type { Memory } from "./memory.ts";
import { keyName } from "./names.ts";

export function findRunIds(
  memory: Memory,
  { namespace, prefix, limitRows }: { namespace: string; prefix: string; limitRows: number },
): string[] {
  const ids = memory.runs.list(namespace, false, undefined).filter((id) => id.startsWith(prefix));
  return ids.sort().slice(0, limitRows);
}

export function findKeyedRuns(
  { names }: Memory,
  { namespace, key, definitions }: Parameters<Store["findKeyedRuns"]>[0],
): string[] {
  return definitions.flatMap((definition) => names.find(keyName(namespace, definition, key))?.runId ?? []);
}

/** Newest first. */
export function listRuns(memory: Memory, filter: RunFilter): { runs: RunRow[]; cursor: string | null } {
  const ids = memory.runs.list(filter.namespace, filter.rootsOnly, filter.statuses);
  const before = filter.cursor === undefined ? Number.POSITIVE_INFINITY : placeOf(filter.cursor);
  const runs: RunRow[] = [];
  let bytes = 0;
  for (let at = startBefore(memory, ids, before) - 1; at >= 0; at--) {
    const run = memory.runs.find(ids[at] ?? "");
    if (run === undefined || !matches(run, filter)) continue;
    if (filter.parentId !== undefined && !memory.runs.isPresent(run)) continue;
    if (runs.length === filter.limitRows || bytes >= limits.pageBytes) {
      const last = runs.at(-1);
      return { runs, cursor: last === undefined ? null : String(memory.runs.place(last.id)) };
    }
    runs.push(run);
    bytes += runBytes(run);
  }
  return { runs, cursor: null };
}

export function listTree(
  memory: Memory,
  { rootId, after, limitRows }: { rootId: string; after?: string; limitRows: number },
): RunRow[] {
  const ids = memory.runs.tree(rootId);
  const start = after === undefined ? 0 : startBefore(memory, ids, memory.runs.place(after) + 1);
  const rows: RunRow[] = [];
  for (const id of ids.slice(start, start + limitRows)) {
    const run = memory.runs.find(id);
    if (run !== undefined) rows.push(lean(run));
  }
  return rows.slice(0, fittingRows(rows, runBytes));
}

export function listUpstreams(memory: Memory, { runId, limitRows }: { runId: string; limitRows: number }): RunRow[] {
  return memory.runs.upstreamsOf(runId).slice(0, limitRows).map(lean);
}

function lean(run: RunRow): RunRow {
  return { ...run, input: undefined, output: undefined };
}

export function findScopes(memory: Memory, rows: readonly ScopeQuery[]): ScopeResult[] {
  let soFar = 0;
  return rows.map(({ parentId, names }): ScopeResult => {
    const outputs = names.flatMap((name) => {
      const child = memory.runs.child(parentId, name);
      return child === undefined ? [] : [outputOf(child)];
    });
    const input = memory.runs.find(parentId)?.input;
    const bytes = jsonBytes(input) + outputs.reduce((sum, { output }) => sum + jsonBytes(output), 0);
    soFar += bytes;
    const unread = unreadScope(bytes, soFar);
    if (unread !== undefined) return unread;
    return input === undefined ? { outcome: "read", outputs } : { outcome: "read", input, outputs };
  });
}

/** A map's children in the order of its list. */
export function listChildOutputs(
  memory: Memory,
  { parentId, afterIndex, limitRows }: { parentId: string; afterIndex: number; limitRows: number },
): ChildOutput[] {
  const index = (run: RunRow) => run.itemIndex ?? -1;
  const children = memory.runs
    .children(parentId)
    .filter((child) => child.itemIndex !== null && child.itemIndex > afterIndex)
    .sort((a, b) => index(a) - index(b))
    .slice(0, limitRows)
    .map(outputOf);
  return children.slice(
    0,
    fittingRows(children, ({ output }) => jsonBytes(output)),
  );
}

/** The place that a cursor names. */
export function placeOf(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor))
    throw new AppError("invalid_request", "The cursor is not one that this store gave out.");
  return Number(cursor);
}

function outputOf({ name, status, output }: RunRow): ChildOutput {
  return status === "succeeded" && output !== undefined ? { name, status, output } : { name, status };
}

function matches(run: RunRow, { statuses, definition, parentId, rootsOnly }: RunFilter): boolean {
  if (rootsOnly && run.parentId !== null) return false;
  if (parentId !== undefined && run.parentId !== parentId) return false;
  if (definition !== undefined && run.definition !== definition) return false;
  return statuses === undefined || statuses.includes(run.status);
}

/** How many of `ids`, which are in the order of insertion, stand before `place`. */
function startBefore(memory: Memory, ids: readonly string[], place: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (memory.runs.place(ids[middle] ?? "") < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function listObligations(
  { obligations }: Memory,
  { namespace, rootId, limitRows }: Parameters<Store["listObligations"]>[0],
): ObligationRow[] {
  const rows = rootId === undefined ? obligations.open() : obligations.all();
  const isIn = (row: ObligationRow) => row.namespace === namespace && (rootId === undefined || row.rootId === rootId);
  return rows.filter(isIn).slice(0, limitRows);
}

export function listOwed(
  { obligations }: Memory,
  { memberId, kind, limitRows }: Parameters<Store["listOwed"]>[0],
): ObligationRow[] {
  const rows = obligations.open().filter((row) => row.memberId === memberId && row.kind === kind);
  return rows.slice(0, limitRows);
}

export function listClaimed(
  { runs }: Memory,
  { memberId, limitRows }: Parameters<Store["listClaimed"]>[0],
): { runId: string; epoch: number }[] {
  const held = runs.claimedBy(memberId).slice(0, limitRows);
  return held.map(({ id, epoch }) => ({ runId: id, epoch }));
}

export function listEnded({ runs }: Memory, { ids, namespace }: Parameters<Store["listEnded"]>[0]): string[] {
  return ids.filter((id) => {
    const run = runs.find(id);
    return run === undefined || isEnded(run.status) || (namespace !== undefined && run.namespace !== namespace);
  });
}
