import type { StateScope } from "@holdfast/protocol";
import { StateBook, type StateResult, type StateTransaction, statePlace, tellingsOf } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { findEventKeys, insertAssetEvents, lockAssets } from "./asset-events.ts";
import { lockObjects, markObjects } from "./objects.ts";
import type { Transaction, Work } from "./session.ts";
import {
  type AskedPlace,
  deleteValues,
  findValues,
  insertScopes,
  insertStateSteps,
  listUnder,
  lockScopes,
  lockStateRuns,
  writeUses,
  writeValues,
} from "./state-rows.ts";
import { findRecords } from "./wait-rows.ts";

// State (core/state.ts has the rules). Who writes locks the runs first, then the scopes, then the assets, each in their order, and reads values by
// statements that begin after that: so it sees what those before it have committed. All of it travels in one round trip.

/** See `Store.transactState`. */
export async function transactState(
  db: Work,
  rows: readonly StateTransaction[],
): Promise<{ results: StateResult[]; topics: RingTopic[] }> {
  if (rows.length === 0) return { results: [], topics: [] };
  return db.transaction(async (transaction) => {
    const { book, now } = await lockAndLoad(transaction, rows);
    const results = rows.map((row) => book.transact(row));
    const tells = startWriting(transaction, book, now);
    return { results, topics: tells ? ["assets"] : [] };
  });
}

async function lockAndLoad(
  transaction: Transaction,
  rows: readonly StateTransaction[],
): Promise<{ book: StateBook; now: number }> {
  const named = rows.flatMap(({ namespace, ops, writer }) =>
    ops.flatMap((op) =>
      op.op === "emit" ? [] : { place: askedPlace(op.scope, namespace, writer?.generation ?? null), op },
    ),
  );
  const tellings = rows.flatMap(tellingsOf);
  const keys = tellings.flatMap(({ key, ...of }) => (key === undefined ? [] : { ...of, key }));
  const writers = rows.flatMap(({ writer }) => writer ?? []);
  const runIds = new Set([
    ...writers.map(({ runId }) => runId),
    ...named.flatMap(({ place }) => (place.generation === null ? [place.id] : [])),
  ]);
  const places = [...new Map(named.map(({ place }) => [JSON.stringify(place), place])).values()];
  const keyed = named.flatMap(({ place, op }) => (op.op === "clear" ? [] : { place, key: op.key }));
  const cleared = named.flatMap(({ place, op }) => (op.op === "clear" ? { place, prefix: op.prefix ?? "" } : []));
  const brought = rows.flatMap(({ offloaded }) => offloaded?.objects.map(({ name }) => name) ?? []);
  const [runs, , uses, assets, objects, found, under, steps, events, [clock]] = await Promise.all([
    runIds.size === 0 ? [] : lockStateRuns(transaction, [...runIds]),
    places.length === 0 ? [] : insertScopes(transaction, places),
    places.length === 0 ? [] : lockScopes(transaction, places),
    tellings.length === 0
      ? []
      : lockAssets(
          transaction,
          tellings.map(({ namespace, asset: id }) => ({ namespace, id })),
        ),
    brought.length === 0 ? [] : lockObjects(transaction, brought),
    keyed.length === 0
      ? []
      : findValues(
          transaction,
          keyed.map(({ place }) => place),
          keyed.map(({ key }) => key),
        ),
    cleared.length === 0
      ? []
      : listUnder(
          transaction,
          cleared.map(({ place }) => place),
          cleared.map(({ prefix }) => prefix),
        ),
    writers.length === 0 ? [] : findRecords(transaction, writers),
    keys.length === 0 ? [] : findEventKeys(transaction, keys),
    transaction.run<{ now: number }>("readClock", "select holdfast.clock_ms() as now"),
  ]);
  const now = clock?.now ?? 0;
  const book = new StateBook(now);
  book.load({ runs, uses, steps, rows: [...found, ...under], assets, events, objects });
  return { book, now };
}

/** Starts the statements that write what the book says; they travel with the commit. Answers whether events are among it. */
function startWriting(transaction: Transaction, book: StateBook, now: number): boolean {
  const { written, deleted, uses, steps, events, named, loosened } = book.changes();
  const writes: Promise<unknown>[] = [];
  if (deleted.length > 0) writes.push(deleteValues(transaction, deleted));
  if (written.length > 0) writes.push(writeValues(transaction, written));
  if (uses.length > 0) writes.push(writeUses(transaction, uses));
  if (named.length + loosened.length > 0) writes.push(markObjects(transaction, { named, loosened }));
  if (steps.length > 0) writes.push(insertStateSteps(transaction, { steps, now }));
  if (events.length > 0) writes.push(insertAssetEvents(transaction, events));
  for (const write of writes) {
    write.catch(() => {
      // The transaction remembers it and fails.
    });
  }
  return events.length > 0;
}

function askedPlace(scope: StateScope, namespace: string, generation: number | null): AskedPlace {
  if (scope.kind === "run") return { ...scope, generation, namespace };
  return { ...statePlace(scope, namespace, 0), namespace };
}
