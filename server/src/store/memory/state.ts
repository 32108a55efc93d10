import type { StateScope } from "@holdfast/protocol";
import {
  isExpired,
  type Offloaded,
  type StateChanges,
  type StateLoad,
  type StatePlace,
  type StateResult,
  type StateRow,
  type StateRun,
  type StateTransaction,
  statePlace,
  tellingsOf,
  usedLess,
} from "../../core/index.ts";
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
import { frozen } from "./kept.ts";
import type { Memory } from "./memory.ts";
import { markObjects } from "./objects.ts";

// State (core/state.ts has the rules).

export function transactState(memory: Memory, rows: readonly StateTransaction[]): StateResult[] {
  const book = memory.decisions.newStateBook(memory.now());
  const named = rows.flatMap(({ namespace, ops, writer }) =>
    ops.flatMap((op) => {
      const place = op.op === "emit" ? undefined : placeOf(memory, op.scope, namespace, writer?.generation);
      return place === undefined || op.op === "emit" ? [] : { place, op };
    }),
  );
  const runs = rows.flatMap(({ ops, writer }) => [
    ...(writer === null ? [] : [writer.runId]),
    ...ops.flatMap(({ scope }) => (scope.kind === "run" ? [scope.id] : [])),
  ]);
  book.load({
    runs: [...new Set(runs)].flatMap((id) => runOf(memory, id) ?? []),
    steps: rows.flatMap(({ writer }) => {
      if (writer === null) return [];
      const { runId, generation, key } = writer;
      return memory.steps.find(runId, generation, [key]).map(({ value }) => ({ runId, generation, key, value }));
    }),
    uses: named.map(({ place }) => memory.state.use(place)),
    rows: named.flatMap(({ place, op }) =>
      op.op === "clear" ? memory.state.under(place, op.prefix) : (memory.state.find(place, op.key) ?? []),
    ),
    ...telling(memory, rows),
    objects: rows.flatMap(({ offloaded }) => broughtNames(memory, offloaded)),
  });
  const results = rows.map((row) => book.transact(row));
  apply(memory, book.changes());
  return results;
}

/** The assets that transactions are about, and what stands under the keys of their events. */
function telling({ assets }: Memory, rows: readonly StateTransaction[]): Pick<StateLoad, "assets" | "events"> {
  const tellings = rows.flatMap(tellingsOf);
  return {
    assets: tellings.flatMap(({ namespace, asset: id }) => assets.find({ namespace, id }) ?? []),
    events: tellings.flatMap(({ namespace, asset, key }) => {
      const number = key === undefined ? undefined : assets.numberUnder({ namespace, id: asset }, key);
      return key === undefined || number === undefined ? [] : { namespace, asset, key, number };
    }),
  };
}

/** Of the objects that are brought, those that are announced and not condemned. */
function broughtNames({ objects }: Memory, offloaded: Offloaded | undefined): string[] {
  const names = offloaded?.objects.map(({ name }) => name) ?? [];
  return names.filter((name) => objects.find(name)?.condemned === false);
}

function apply(memory: Memory, { written, deleted, uses, steps, progress, events, ...objects }: StateChanges): void {
  for (const event of events) memory.assets.tell(frozen(event));
  if (events.length > 0) memory.bell.ring(["assets"]);
  for (const row of written) memory.state.put(frozen(row));
  for (const { place, key } of deleted) memory.state.delete(place, key);
  for (const use of uses) memory.state.setUse(frozen(use));
  markObjects(memory, { ...objects, now: memory.now() });
  for (const { runId, generation, key, value } of steps) {
    memory.steps.restore({ runId, generation, key, value: frozen(value) });
  }
  for (const { runId } of progress) {
    const run = memory.runs.find(runId);
    if (run !== undefined && run.losses + run.takeovers > 0) memory.runs.put({ ...run, losses: 0, takeovers: 0 });
  }
}

export function readState(memory: Memory, rows: readonly StateQuery[]): StateReading[] {
  const now = memory.now();
  return rows.map(({ namespace, scope, keys }): StateReading => {
    const place = placeOf(memory, scope, namespace);
    if (place === undefined) return { outcome: "not_found" };
    const found = keys.flatMap((key) => memory.state.find(place, key) ?? []);
    return { outcome: "read", values: found.filter((row) => !isExpired(row, now)).map(stateValue) };
  });
}

export function listState(memory: Memory, filter: StateFilter): StatePage {
  const { namespace, scope, prefix, after, limitRows } = filter;
  const place = placeOf(memory, scope, namespace);
  if (place === undefined) return { outcome: "not_found" };
  const now = memory.now();
  const found = memory.state.under(place, prefix, after).filter((row) => !isExpired(row, now));
  const shown = found.slice(0, limitRows);
  const use = stateUse(memory.state.use(place));
  return { outcome: "read", values: shown.map(stateValue), more: found.length > shown.length, use };
}

export function sweepState(
  memory: Memory,
  { limitRows, dryRun = false }: { limitRows: number; dryRun?: boolean },
): { swept: number; more: boolean; expired: ExpiredValue[] } {
  const found = memory.state.expired(memory.now());
  const swept = found.slice(0, limitRows);
  const more = found.length > swept.length;
  if (dryRun) return { swept: 0, more, expired: swept.map(expiredValue) };
  for (const row of swept) deleteValue(memory.state, row);
  return { swept: swept.length, more, expired: [] };
}

/** Deletes a value, and counts what that leaves. */
export function deleteValue(state: Memory["state"], row: StateRow): void {
  state.delete(row.place, row.key);
  state.setUse(usedLess(state.use(row.place), row));
}

/** Where a scope's values lie: of a run in its present generation, or the one given. Undefined: there is no such run. */
function placeOf(memory: Memory, scope: StateScope, namespace: string, generation?: number): StatePlace | undefined {
  if (scope.kind !== "run") return statePlace(scope, namespace, 0);
  if (generation !== undefined) return statePlace(scope, namespace, generation);
  const run = memory.runs.find(scope.id);
  return run?.namespace === namespace ? statePlace(scope, namespace, run.generation) : undefined;
}

function runOf({ runs, steps }: Memory, id: string): StateRun | undefined {
  const run = runs.find(id);
  if (run === undefined) return undefined;
  const { count, bytes } = steps.used(id, run.generation);
  return { ...run, stepCount: count, stepBytes: bytes };
}
