import type { ConsumingResult, Consumption } from "../asset-verbs.ts";
import type { EnqueueResult, RingTopic } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import { isPausedText } from "./asset-rows.ts";
import { judgeAndInsert, topicsOf } from "./enqueue.ts";
import type { Runner, Transaction, Work } from "./session.ts";

// Taking events: the consumer's version and places and the run that has the events are one transaction.

type ConsumerName = Pick<Consumption, "namespace" | "definition">;

/** Holds consumers that are there in the version that was seen, active and not paused, and that nobody else is at. */
export function lockConsumers(db: Runner, rows: readonly Consumption[]): Promise<ConsumerName[]> {
  return db.run<ConsumerName>("lockConsumers", lockText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ definition }) => definition)),
    numberArray(rows.map(({ version }) => version)),
  ]);
}

const lockText = `
  select c.namespace, c.definition from unnest($1::text[], $2::text[], $3::bigint[]) n(namespace, definition, version)
  join holdfast.consumers c on c.namespace = n.namespace and c.definition = n.definition and c.version = n.version
  where c.active and not ${isPausedText}
  for no key update of c skip locked`;

/** Moves consumers on that are held. */
export function moveConsumers(db: Runner, rows: readonly Consumption[]): Promise<unknown> {
  return db.run("moveConsumers", moveConsumersText, [
    textArray(rows.map(({ namespace }) => namespace)),
    textArray(rows.map(({ definition }) => definition)),
    textArray(rows.map(({ run }) => run.run.id)),
  ]);
}

const moveConsumersText = `
  update holdfast.consumers c set version = c.version + 1, started = c.started + 1, last_run = n.run, last_at = holdfast.clock_ms(),
    problem = null
  from unnest($1::text[], $2::text[], $3::text[]) n(namespace, definition, run)
  where c.namespace = n.namespace and c.definition = n.definition`;

/** Moves the places of consumers that are held. */
export function moveCursors(db: Runner, rows: readonly Consumption[]): Promise<unknown> {
  const places = rows.flatMap(({ namespace, definition, taken }) =>
    taken.map((place) => ({ namespace, definition, ...place })),
  );
  return db.run("moveCursors", moveCursorsText, [
    textArray(places.map(({ namespace }) => namespace)),
    textArray(places.map(({ asset }) => asset)),
    textArray(places.map(({ definition }) => definition)),
    numberArray(places.map(({ to }) => to)),
  ]);
}

const moveCursorsText = `
  update holdfast.asset_cursors k set position = n.position
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) n(namespace, asset, definition, position)
  where k.namespace = n.namespace and k.asset = n.asset and k.definition = n.definition`;

/** See `Store.consumeEvents`. */
export async function consumeEvents(
  pool: Work,
  rows: readonly Consumption[],
): Promise<{ results: ConsumingResult[]; topics: RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    const held = new Set((await lockConsumers(transaction, rows)).map(nameOf));
    // Of two rows for one consumer the first is the one whose version was right.
    const taking = new Set(rows.filter((row) => held.delete(nameOf(row))));
    const runs = await take(transaction, [...taking]);
    const results = rows.map((row): ConsumingResult => {
      const run = taking.has(row) ? runs.shift() : undefined;
      if (run?.outcome !== "created" && run?.outcome !== "existing") return { outcome: "stale" };
      return { outcome: "consumed", run };
    });
    const started = results.flatMap((result) => (result.outcome === "consumed" ? result.run : []));
    return { results, topics: topicsOf(started) };
  });
}

async function take(transaction: Transaction, rows: readonly Consumption[]): Promise<EnqueueResult[]> {
  if (rows.length === 0) return [];
  const judged = await judgeAndInsert(
    transaction,
    rows.map(({ run }) => ({ ...run, onlyIfCurrent: true })),
  );
  const taken = rows.filter((_, index) => (judged.verdicts[index]?.outcome ?? "existing") === "existing");
  if (taken.length > 0) {
    // They travel with the commit; should one fail, the transaction does.
    for (const moving of [moveCursors(transaction, taken), moveConsumers(transaction, taken)])
      moving.catch(() => undefined);
  }
  return judged.results();
}

function nameOf({ namespace, definition }: ConsumerName): string {
  return JSON.stringify([namespace, definition]);
}

/** See `Store.noteConsumer`. */
export async function noteConsumer(
  db: Runner,
  { namespace, definition, version, problem }: ConsumerName & { version: number; problem: string },
): Promise<{ noted: boolean }> {
  const rows = await db.run("noteConsumer", noteText, [namespace, definition, version, problem]);
  return { noted: rows.length > 0 };
}

const noteText = `
  update holdfast.consumers c set problem = $4
  where c.namespace = $1 and c.definition = $2 and c.version = $3::bigint returning 1`;
