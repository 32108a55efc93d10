import type { Manifest, StartingEvent, TaskSpec } from "@holdfast/protocol";
import type { RunRow } from "../../server/src/core/index.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { Store } from "../../server/src/store/store.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";

// Events of assets, and who is started by them: somebody tells events through bad weather, again under the same key when the answer was
// lost, and in the end each of them must be in the input of one run of the consumer, in order.

const assets = ["orders", "customers"] as const;

/** What tells events, and what they start. `consumer`: it waits for all of the assets or for any. */
export function tidingsManifests(chance: Chance, unit: TaskSpec): Manifest[] {
  const mode = chance.pick(["all", "any"] as const);
  const startOn = { mode, assets: [...assets], ...(chance.happens(0.5) ? { maxEvents: chance.between(1, 3) } : {}) };
  const report: TaskSpec = { ...unit, id: "report", startOn };
  return [{ format: 1, root: "report", definitions: { report }, assets: {} }];
}

export interface TidingsOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly chance: Chance;
  readonly clock: VirtualClock;
  readonly insist: <T>(ask: () => Promise<T>) => Promise<T>;
  readonly untilMs: number;
}

/** Tells events, with marks that go on beside them; answers when it is over. */
export async function tellTidings({ store, namespace, chance, clock, insist, untilMs }: TidingsOptions): Promise<void> {
  const count = chance.between(3, 14);
  for (let n = 1; n <= count; n++) {
    await clock.sleep(chance.between(0, Math.floor((2 * untilMs) / count)));
    if (clock.monotonicMs() >= untilMs) return;
    const id = chance.pick(assets);
    const event = { payload: { n }, key: `k${n}` };
    const advance = { op: "advance", scope: { kind: "watermark", id }, key: "m", to: n, event } as const;
    const emit = { op: "emit", scope: { kind: "asset", id }, ...event } as const;
    const op = chance.happens(0.5) ? advance : emit;
    await insist(() => store.transactState({ rows: [{ namespace, ops: [op], writer: null }] }));
  }
}

/** Whether somebody still waits for events that are there. */
export async function isWaitedFor(store: Store, namespace: string): Promise<boolean> {
  return (await store.dueConsumers({ namespace, limitRows: 10 })).length > 0;
}

/** Each event that was taken is in one run, in order, and those that are left are too few to start another. */
export async function tidingsVerdict(
  store: Store,
  namespace: string,
  rows: readonly RunRow[],
): Promise<string | undefined> {
  const found = await store.findConsumer({ namespace, definition: "report" });
  if (found === undefined) return "nobody waits for events";
  const own = rows.filter(({ definition, parentId }) => definition === "report" && parentId === null);
  if (found.consumer.started !== own.length)
    return `P3 the consumer says ${found.consumer.started} runs, where there are ${own.length}`;
  for (const { asset, position } of found.places) {
    const events = await store.listAssetEvents({ namespace, id: asset, after: 0, limitRows: 1_000 });
    const numbers = events.map(({ number }) => number);
    if (numbers.some((number, index) => number !== index + 1)) return `P10 ${asset} has events ${numbers}`;
    const keys = events.flatMap(({ key }) => key ?? []);
    if (new Set(keys).size < keys.length) return `${asset} has an event twice under one key`;
    const had = own.flatMap(({ input }) => {
      const { events: of } = (input ?? {}) as { events?: Record<string, StartingEvent[]> };
      return (of?.[asset] ?? []).map(({ number }) => number);
    });
    const due = numbers.slice(0, position);
    if (String(had.toSorted((a, b) => a - b)) !== String(due))
      return `P1 of ${asset} runs had the events ${had.toSorted((a, b) => a - b)}, where ${due} are due`;
  }
  return undefined;
}
