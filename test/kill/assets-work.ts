import type { Manifest, StartingEvent } from "@holdfast/protocol";
import type { RunRow } from "../../server/src/core/index.ts";
import { declaring } from "../../server/src/store/contract/assets.fixture.ts";
import type { Store } from "../../server/src/store/store.ts";

// What nodes do that are killed while they advance marks, tell events and take them.

export const namespace = "default";
export const consumers = ["each", "both"] as const;

/** One consumer of the orders alone, one that waits for orders and customers. */
export const assetManifests: readonly Manifest[] = [
  declaring("each", { startOn: { mode: "any", assets: ["orders"], maxEvents: 3 } }),
  declaring("both", { startOn: { mode: "all", assets: ["orders", "customers"] } }),
].map((manifest) => ({ ...manifest, definitions: inline(manifest.definitions) }));

function inline(definitions: Manifest["definitions"]): Manifest["definitions"] {
  const specs = Object.entries(definitions).map(([id, spec]) => [id, { ...spec, placement: "inline" }] as const);
  return Object.fromEntries(specs) as Manifest["definitions"];
}

/** Around verbs. */
const verbPoints = ["tell", "told", "look", "take", "taken"] as const;
/** Before statements of PostgreSQL; `commit` of what tells and of what takes. */
const statementPoints = [
  ...["lockScopes", "lockAssets", "writeValues", "writeUses", "insertAssetEvents", "commit.telling"],
  ...["lockConsumers", "insertRoots", "moveCursors", "moveConsumers", "commit.taking"],
] as const;
export const pointsOn = { owned: verbPoints, postgres: [...verbPoints, ...statementPoints] } as const;

/** A writer goes on from its mark: to its next number, and an event that says it, in one step. Answers the number; undefined: nothing is declared yet. */
export async function tellNext(store: Store, writer: string): Promise<number | undefined> {
  const scope = { kind: "watermark", id: "orders" } as const;
  const [found] = await store.readState({ rows: [{ namespace, scope, keys: [writer] }] });
  const at = found?.outcome === "read" ? Number(found.values[0]?.value ?? 0) : 0;
  const payload = { writer, n: at + 1 };
  const ops = [
    { op: "advance", scope, key: writer, to: at + 1, event: { payload } } as const,
    { op: "emit", scope: { kind: "asset", id: "customers" }, payload } as const,
  ];
  const [result] = await store.transactState({ rows: [{ namespace, ops, writer: null }] });
  return result?.outcome === "applied" ? at + 1 : undefined;
}

/** What is wrong with what was told and taken; nothing is under way any more. */
export async function faultsOf(store: Store, writers: ReadonlyMap<string, number>): Promise<string[]> {
  const faults: string[] = [];
  const { runs } = await store.listRuns({ namespace, rootsOnly: true, limitRows: 1_000 });
  for (const run of runs) if (run.status !== "succeeded") faults.push(`${run.id} is ${run.status}`);
  for (const id of ["orders", "customers"]) {
    const events = await store.listAssetEvents({ namespace, id, after: 0, limitRows: 1_000 });
    const numbers = events.map(({ number }) => number);
    if (numbers.some((number, index) => number !== index + 1)) faults.push(`${id} has the numbers ${numbers}`);
    const told = Map.groupBy(
      events.map(({ payload }) => payload as { writer: string; n: number }),
      ({ writer }) => writer,
    );
    for (const [writer, least] of writers) {
      const own = (told.get(writer) ?? []).map(({ n }) => n);
      if (own.some((n, index) => n !== index + 1) || own.length < least)
        faults.push(`${writer} told ${own} of ${id}, at least ${least} are due`);
    }
    for (const definition of consumers) {
      const found = await store.findConsumer({ namespace, definition });
      const place = found?.places.find(({ asset }) => asset === id);
      if (place === undefined) continue;
      const had = runs.filter((run) => run.definition === definition).flatMap((run) => numbersIn(run, id));
      const due = numbers.slice(0, place.position);
      if (String(had.toSorted((a, b) => a - b)) !== String(due))
        faults.push(`${definition} had ${had} of ${id}, due are ${due}`);
      if (definition === "each" && place.position < numbers.length)
        faults.push(`${definition} has had ${place.position} of ${id}`);
    }
  }
  return faults;
}

function numbersIn({ input }: RunRow, asset: string): number[] {
  const { events } = (input ?? {}) as { events?: Record<string, StartingEvent[]> };
  return (events?.[asset] ?? []).map(({ number }) => number);
}
