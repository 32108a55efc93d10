import { isEnded, type RunStatus, runStatuses } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import { fittingRows, runBytes, unreadScope } from "../page-bytes.ts";
import type { ChildOutput, RunFilter, ScopeQuery, ScopeResult, Store } from "../store.ts";
import { type Connection, listText } from "./connection.ts";
import { placeOf } from "./cursor.ts";
import { jsonOf, selectLeanRuns, selectRuns } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

// Lists visit about what they show: for each status, and for roots and what is below them, an index has just those runs in the
// order of creation, or is small because only live runs are in it.

export function listRuns(turn: Turn, filter: RunFilter): { runs: RunRow[]; cursor: string | null } {
  const found = narrowings(filter).flatMap((narrowing) => page(turn, filter, narrowing));
  found.sort((a, b) => b - a);
  const shown = fitting(turn.db, found.slice(0, filter.limitRows));
  const rows = selectRuns(turn.db, "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq DESC", listText(shown));
  const last = shown.at(-1);
  const more = found.length > shown.length && last !== undefined;
  return { runs: rows.map((row) => row.run), cursor: more ? String(last) : null };
}

/** The first of these places whose values fit one page. Their lengths are read without their values. */
function fitting(db: Connection, places: readonly number[]): readonly number[] {
  const rows = db.list<{ seq: number; bytes: number }>(
    `SELECT seq, ifnull(octet_length(input), 0) + ifnull(octet_length(output), 0) + ifnull(octet_length(error), 0) AS bytes
     FROM runs WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq DESC`,
    listText(places),
  );
  return places.slice(
    0,
    fittingRows(rows, ({ bytes }) => bytes),
  );
}

/** A child of its parent's present generation; the parent's id is a parameter. */
const ofPresent = "parent_generation = (SELECT p.generation FROM runs p WHERE p.id = ?)";

interface Narrowing {
  readonly index: string;
  readonly where: string;
  readonly values: readonly (string | number)[];
}

/** Where to look: one index for a parent; else one for each status. */
function narrowings({ parentId, definition, statuses, rootsOnly }: RunFilter): Narrowing[] {
  if (parentId !== undefined) {
    const among = statuses === undefined ? "1" : "status IN (SELECT value FROM json_each(?))";
    const values = statuses === undefined ? [] : [listText(statuses)];
    return [
      {
        index: "runs_children",
        where: `parent_id = ? AND ${ofPresent} AND ${among}`,
        values: [parentId, parentId, ...values],
      },
    ];
  }
  return [...new Set(statuses ?? runStatuses)].flatMap((status) => {
    if (status === "ready") return ofReady;
    const ofEnded = definition === undefined ? "runs" : "runs_definition";
    return narrowingsOf(status, rootsOnly, ofEnded);
  });
}

const ofReady: readonly Narrowing[] = [
  { index: "runs_ready_listed", where: "status = 'ready' AND wake_at IS NULL", values: [] },
  { index: "runs_due", where: "status = 'ready' AND wake_at IS NOT NULL", values: [] },
];

/** Indexes' own conditions are said again: the planner does not see that they follow. */
const idle = "status IN ('pending', 'waiting', 'cancelling')";

function narrowingsOf(status: Exclude<RunStatus, "ready">, rootsOnly: boolean, ofEnded: string): Narrowing[] {
  switch (status) {
    case "running":
      return [{ index: "runs_claimed", where: "claimed_by IS NOT NULL AND status = 'running'", values: [] }];
    case "pending":
    case "waiting":
    case "cancelling":
      return [{ index: "runs_idle", where: `${idle} AND status = ?`, values: [status] }];
    case "succeeded":
    case "failed":
    case "cancelled":
    case "skipped": {
      const ended = "ended_at IS NOT NULL AND status = ?";
      const roots = { index: `${ofEnded}_roots`, where: `parent_id IS NULL AND ${ended}`, values: [status] };
      const below = { index: `${ofEnded}_below`, where: `parent_id IS NOT NULL AND ${ended}`, values: [status] };
      return rootsOnly ? [roots] : [roots, below];
    }
  }
}

/** The places of a page's runs, and of one more. */
function page({ db }: Turn, filter: RunFilter, { index, where, values }: Narrowing): number[] {
  const roots = filter.rootsOnly ? "AND parent_id IS NULL" : "";
  const ofDefinition = filter.definition === undefined ? "" : "AND definition = ?";
  const rows = db.list<{ seq: number }>(
    `SELECT seq FROM runs INDEXED BY ${index}
     WHERE ${where} AND namespace = ? ${ofDefinition} ${roots} AND seq < ? ORDER BY seq DESC LIMIT ?`,
    ...values,
    filter.namespace,
    ...(filter.definition === undefined ? [] : [filter.definition]),
    placeOf(filter.cursor) ?? Number.MAX_SAFE_INTEGER,
    filter.limitRows + 1,
  );
  return rows.map((row) => row.seq);
}

export function findRunIds(
  { db }: Turn,
  { namespace, prefix, limitRows }: { namespace: string; prefix: string; limitRows: number },
): string[] {
  const rows = db.list<{ id: string }>(
    "SELECT id FROM runs INDEXED BY runs_id WHERE id >= ? AND id < ? AND namespace = ? ORDER BY id LIMIT ?",
    prefix,
    `${prefix}\u{10ffff}`,
    namespace,
    limitRows,
  );
  return rows.map((row) => row.id);
}

export function listEnded({ db }: Turn, { ids, namespace }: Parameters<Store["listEnded"]>[0]): string[] {
  const rows = db.list<{ id: string; status: RunStatus }>(
    "SELECT id, status FROM runs WHERE id IN (SELECT value FROM json_each(?)) AND (? IS NULL OR namespace = ?)",
    listText(ids),
    namespace ?? null,
    namespace ?? null,
  );
  const live = new Set(rows.filter(({ status }) => !isEnded(status)).map(({ id }) => id));
  return ids.filter((id) => !live.has(id));
}

/** The root stands before everything below it. */
export function listTree(
  { db }: Turn,
  { rootId, after, limitRows }: { rootId: string; after?: string; limitRows: number },
): RunRow[] {
  const place = after === undefined ? 0 : (selectLeanRuns(db, "WHERE id = ?", after)[0]?.seq ?? 0);
  const root = selectLeanRuns(db, "WHERE id = ? AND seq > ?", rootId, place);
  const among = "INDEXED BY runs_tree WHERE root_id = ? AND parent_id IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?";
  const sizes = db.list<{ bytes: number }>(
    `SELECT ifnull(octet_length(error), 0) AS bytes FROM runs ${among}`,
    rootId,
    place,
    limitRows - root.length,
  );
  const ofRoot = root.map(({ run }) => ({ bytes: runBytes(run) }));
  const fit = fittingRows([...ofRoot, ...sizes], ({ bytes }) => bytes) - root.length;
  const below = fit > 0 ? selectLeanRuns(db, among, rootId, place, fit) : [];
  return [...root, ...below].map((row) => row.run);
}

export function listUpstreams({ db }: Turn, { runId, limitRows }: { runId: string; limitRows: number }): RunRow[] {
  // Siblings of the run: a graph has no more nodes than its manifest.
  return selectLeanRuns(
    db,
    `INDEXED BY runs_children WHERE parent_id = (SELECT parent_id FROM runs WHERE id = ?) AND ended_at IS NULL
       AND EXISTS (SELECT 1 FROM edges WHERE upstream = runs.id AND downstream = ?) ORDER BY seq LIMIT ?`,
    runId,
    runId,
    limitRows,
  ).map((row) => row.run);
}

interface StoredOutput {
  readonly name: string;
  readonly status: RunStatus;
  readonly output: string | null;
}

export function findScopes({ db }: Turn, { rows }: { rows: readonly ScopeQuery[] }): ScopeResult[] {
  let soFar = 0;
  return rows.map(({ parentId, names }): ScopeResult => {
    const bytes = scopeBytes(db, { parentId, names });
    soFar += bytes;
    const unread = unreadScope(bytes, soFar);
    if (unread !== undefined) return unread;
    const outputs = names.flatMap((name) => {
      const child = db.find<StoredOutput>(
        `SELECT name, status, output FROM runs INDEXED BY runs_children
         WHERE parent_id = ? AND name = ? AND ${ofPresent} ORDER BY seq DESC LIMIT 1`,
        parentId,
        name,
        parentId,
      );
      return child === undefined ? [] : [outputOf(child)];
    });
    const input = jsonOf(db.find<{ input: string | null }>("SELECT input FROM runs WHERE id = ?", parentId)?.input);
    return input === undefined ? { outcome: "read", outputs } : { outcome: "read", input, outputs };
  });
}

/** Of the values of a scope, which are not read for it. */
function scopeBytes(db: Connection, { parentId, names }: ScopeQuery): number {
  const found = db.find<{ bytes: number }>(
    `SELECT ifnull(octet_length(input), 0) + ifnull((
       SELECT sum(octet_length(c.output)) FROM json_each(?) CROSS JOIN runs c INDEXED BY runs_children
       WHERE c.parent_id = r.id AND c.name = json_each.value AND c.parent_generation = r.generation AND c.status = 'succeeded'), 0) AS bytes
     FROM runs r WHERE r.id = ?`,
    listText(names),
    parentId,
  );
  return found?.bytes ?? 0;
}

export function listChildOutputs(
  { db }: Turn,
  { parentId, afterIndex, limitRows }: { parentId: string; afterIndex: number; limitRows: number },
): ChildOutput[] {
  const among = `INDEXED BY runs_items
     WHERE parent_id = ? AND item_index IS NOT NULL AND item_index > ? AND ${ofPresent} ORDER BY item_index LIMIT ?`;
  const of = [parentId, afterIndex, parentId] as const;
  const sizes = db.list<{ bytes: number }>(
    `SELECT ifnull(octet_length(output), 0) AS bytes FROM runs ${among}`,
    ...of,
    limitRows,
  );
  const fit = fittingRows(sizes, ({ bytes }) => bytes);
  return db.list<StoredOutput>(`SELECT name, status, output FROM runs ${among}`, ...of, fit).map(outputOf);
}

function outputOf({ name, status, output }: StoredOutput): ChildOutput {
  const value = jsonOf(output);
  return status === "succeeded" && value !== undefined ? { name, status, output: value } : { name, status };
}
