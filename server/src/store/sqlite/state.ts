import type { StateScope } from "@holdfast/protocol";
import {
  isExpired,
  StateBook,
  type StatePlace,
  type StateResult,
  type StateTransaction,
  statePlace,
  tellingsOf,
} from "../../core/index.ts";
import { admitState, admitStateFilter, admitStateQueries } from "../state-admission.ts";
import {
  type ExpiredValue,
  expiredValue,
  type StateFilter,
  type StatePage,
  type StateQuery,
  type StateReading,
  stateUse,
  stateValue,
} from "../state-verbs.ts";
import { findAssetRow, numberUnder } from "./asset-rows.ts";
import type { Connection } from "./connection.ts";
import { announcedNames } from "./objects.ts";
import {
  findStateRun,
  findValue,
  forgetValue,
  listExpired,
  listUnder,
  listValues,
  useOf,
  writeState,
} from "./state-rows.ts";
import { findRecord } from "./steps.ts";
import type { Turn } from "./turn.ts";

// State (core/state.ts has the rules).

export function transactState({ db, now, ring }: Turn, { rows }: { rows: readonly StateTransaction[] }): StateResult[] {
  admitState(rows);
  const book = new StateBook(now);
  for (const row of rows) load(db, book, row);
  book.load({
    objects: announcedNames(
      db,
      rows.flatMap(({ offloaded }) => offloaded?.objects.map(({ name }) => name) ?? []),
    ),
  });
  const results = rows.map((row) => book.transact(row));
  const changes = book.changes();
  writeState(db, changes, now);
  if (changes.events.length > 0) ring("assets");
  return results;
}

function load(db: Connection, book: StateBook, { namespace, ops, writer }: StateTransaction): void {
  const ids = ops.flatMap(({ scope }) => (scope.kind === "run" ? [scope.id] : []));
  const runIds = new Set(writer === null ? ids : [writer.runId, ...ids]);
  const runs = [...runIds].flatMap((id) => findStateRun(db, id) ?? []);
  const record = writer === null ? undefined : findRecord(db, writer);
  const steps = writer === null || record === undefined ? [] : [{ ...writer, value: record }];
  book.load({ runs, steps });
  for (const { asset: id, key } of tellingsOf({ namespace, ops })) {
    const asset = findAssetRow(db, { namespace, id });
    const number = key === undefined ? undefined : numberUnder(db, { namespace, id }, key);
    book.load({
      assets: asset === undefined ? [] : [asset],
      events: key === undefined || number === undefined ? [] : [{ namespace, asset: id, key, number }],
    });
  }
  for (const op of ops) {
    if (op.op === "emit") continue;
    const place = placeOf(db, op.scope, namespace, writer?.generation);
    if (place === undefined) continue;
    const rows = op.op === "clear" ? listUnder(db, place, op.prefix ?? "") : findValue(db, place, op.key);
    book.load({ uses: [useOf(db, place)], rows: rows === undefined ? [] : [rows].flat() });
  }
}

export function readState({ db, now }: Turn, { rows }: { rows: readonly StateQuery[] }): StateReading[] {
  admitStateQueries(rows);
  return rows.map(({ namespace, scope, keys }): StateReading => {
    const place = placeOf(db, scope, namespace);
    if (place === undefined) return { outcome: "not_found" };
    const found = keys.flatMap((key) => findValue(db, place, key) ?? []);
    return { outcome: "read", values: found.filter((row) => !isExpired(row, now)).map(stateValue) };
  });
}

export function listState({ db, now }: Turn, filter: StateFilter): StatePage {
  admitStateFilter(filter);
  const { namespace, scope, prefix = "", after, limitRows } = filter;
  const place = placeOf(db, scope, namespace);
  if (place === undefined) return { outcome: "not_found" };
  const found = listValues(db, place, { prefix, after, now, limitRows: limitRows + 1 });
  const shown = found.slice(0, limitRows);
  const use = stateUse(useOf(db, place));
  return { outcome: "read", values: shown.map(stateValue), more: found.length > shown.length, use };
}

export function sweepState(
  { db, now }: Turn,
  { limitRows, dryRun = false }: { limitRows: number; dryRun?: boolean },
): { swept: number; more: boolean; expired: ExpiredValue[] } {
  const found = listExpired(db, now, limitRows + 1);
  const swept = found.slice(0, limitRows);
  const more = found.length > swept.length;
  if (dryRun) return { swept: 0, more, expired: swept.map(expiredValue) };
  for (const row of swept) forgetValue(db, row, now);
  return { swept: swept.length, more, expired: [] };
}

/** Where a scope's values lie: of a run in its present generation, or the one given. Undefined: there is no such run. */
function placeOf(db: Connection, scope: StateScope, namespace: string, generation?: number): StatePlace | undefined {
  if (scope.kind !== "run") return statePlace(scope, namespace, 0);
  if (generation !== undefined) return statePlace(scope, namespace, generation);
  const run = findStateRun(db, scope.id);
  return run?.namespace === namespace ? statePlace(scope, namespace, run.generation) : undefined;
}
