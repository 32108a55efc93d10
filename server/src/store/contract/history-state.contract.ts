import type { Json, StateOp, StateScope } from "@holdfast/protocol";
import type { NewRun, RunRow, StateTransaction } from "../../core/index.ts";
import type { Consumption } from "../asset-verbs.ts";
import type { Store, StoreVerb } from "../store.ts";
import { declaring, manifestRow } from "./assets.fixture.ts";
import type { Chance } from "./chance.contract.ts";
import { opsIn, transaction, writerOf } from "./state.fixture.ts";
import { namespace } from "./world.contract.ts";

interface StateCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

const keys = ["a", "a/1", "a/2", "b", "\u{10000}", "\uffff"] as const;

interface Drawing {
  /** Claimed runs that have no children. */
  readonly bodies: readonly RunRow[];
  /** A run that is known, or was never there. */
  readonly id: string;
  /** How long values are kept: what lies between these is not passed by chance. */
  readonly retentionsMs: readonly [number, ...number[]];
}

/** A call that concerns state: of a body, of a person, of somebody who looks or sweeps. Few scopes and keys, so that they meet. */
export function stateCall(chance: Chance, drawing: Drawing): StateCall {
  const { bodies, id } = drawing;
  const body = bodies[chance.below(bodies.length)];
  const scope = () => scopeAmong(chance, body?.id ?? id);
  const limitRows = 1 + chance.below(4);
  switch (chance.below(8)) {
    case 0: {
      const rows = chance.some(3, () => ({
        namespace: chance.happens(0.95) ? namespace : "other",
        scope: scope(),
        keys: chance.some(3, () => chance.pick(keys)),
      }));
      return { verb: "readState", args: { rows } };
    }
    case 1: {
      const prefix = chance.happens(0.5) ? { prefix: chance.pick(["a", "a/", "\u{10000}", "z"]) } : {};
      const after = chance.happens(0.4) ? { after: chance.pick(keys) } : {};
      return { verb: "listState", args: { namespace, scope: scope(), limitRows, ...prefix, ...after } };
    }
    case 2:
      // All of them: which are the first is a matter of milliseconds.
      return { verb: "sweepState", args: { limitRows: 1_000, dryRun: chance.happens(0.3) } };
    case 3: {
      const hash = chance.pick(["h1", "h2"]);
      const request = { namespace, key: `state${chance.below(4)}`, part: "", hash, retentionMs: 60_000 };
      const rows = [transaction(opsAmong(chance, () => scopeAmong(chance, id), drawing))];
      return { verb: "carryOutOnce", args: { request, call: { verb: "transactState", args: { rows } } } };
    }
    default:
      return { verb: "transactState", args: { rows: chance.some(4, () => drawn(chance, drawing)) } };
  }
}

function drawn(chance: Chance, drawing: Drawing): StateTransaction {
  const { bodies, id } = drawing;
  const body = bodies[chance.below(bodies.length)];
  if (body === undefined || chance.happens(0.3))
    return transaction(opsAmong(chance, () => scopeAmong(chance, id), drawing));
  const ops = opsAmong(chance, () => scopeAmong(chance, body.id), drawing);
  const writer = writerOf(body, chance.pick(["w1", "w2", "w3", "w4", "step1"]));
  const epoch = writer.epoch + (chance.happens(0.05) ? 1 : 0);
  const generation = writer.generation + (chance.happens(0.05) ? 1 : 0);
  return transaction(ops, { writer: { ...writer, epoch, generation, ...(chance.happens(0.5) ? { hash: "4f" } : {}) } });
}

function scopeAmong(chance: Chance, runId: string): StateScope {
  return chance.pick<StateScope>([
    { kind: "run", id: runId },
    { kind: "run", id: runId },
    { kind: "task", id: "load" },
    { kind: "asset", id: "load" },
  ]);
}

/** What concerns assets beside values: a mark, an event, both. */
function assetOp(chance: Chance): StateOp {
  const id = chance.pick(assetIds);
  const key = chance.happens(0.5) ? { key: chance.pick(["k1", "k2", "k3"]) } : {};
  const event = { payload: chance.below(9), ...key };
  if (chance.happens(0.5)) return { op: "emit", scope: { kind: "asset", id }, ...event };
  const to = chance.pick<number | string | (number | string)[]>([chance.below(9), "m", ["eu", chance.below(4)]]);
  const more = {
    ...(chance.happens(0.5) ? { event } : {}),
    ...(chance.happens(0.2) ? { backwards: true as const } : {}),
  };
  return { op: "advance", scope: { kind: "watermark", id }, key: chance.pick(["a", "b"]), to, ...more };
}

const assetIds = ["orders", "customers", "none"] as const;

type Model = Pick<Store, "dueConsumers">;

/** A call that concerns assets: who declares them, who looks at them, who takes their events. `run`: one of this definition and manifest. */
export async function assetCall(
  chance: Chance,
  model: Model,
  run: (definition: string, manifestHash: string) => NewRun,
): Promise<StateCall> {
  const id = chance.pick(assetIds);
  const definition = chance.pick(["report", "zone"]);
  switch (chance.below(9)) {
    case 0:
    case 1: {
      const startOn = {
        mode: chance.pick(["all", "any"] as const),
        assets: chance.pick([["orders"], ["orders", "customers"]]),
      };
      const from = chance.happens(0.3) ? { from: "start" as const } : {};
      const uri = chance.happens(0.3) ? { assets: [{ id: "orders", uri: chance.pick(["u:1", "u:2"]) }] } : {};
      const manifests = chance.some(2, () =>
        manifestRow(
          declaring(definition, chance.happens(0.8) ? { startOn: { ...startOn, ...from }, ...uri } : { reads: [id] }),
        ),
      );
      return { verb: "applyManifests", args: { namespace, manifests } };
    }
    case 2:
      return { verb: "listAssets", args: { namespace, inactive: chance.happens(0.5), limitRows: 1 + chance.below(4) } };
    case 3:
      return {
        verb: "listAssetEvents",
        args: { namespace, id, after: chance.below(4), limitRows: 1 + chance.below(9) },
      };
    case 4:
      return { verb: "dueConsumers", args: { namespace, limitRows: 1 + chance.below(3) } };
    case 5:
      return { verb: "findConsumer", args: { namespace, definition } };
    case 6:
      return { verb: "pruneAssetEvents", args: { eventsMs: 0, limitRows: 1 + chance.below(5) } };
    case 7: {
      const due = await model.dueConsumers({ namespace, limitRows: 5 });
      const rows = due.map(({ consumer, places, manifestHash }): Consumption => {
        const taken = places.flatMap(({ asset, position, lastEvent }) =>
          lastEvent > position ? { asset, to: position + 1 + chance.below(lastEvent - position) } : [],
        );
        const version = consumer.version - (chance.happens(0.1) ? 1 : 0);
        const started = run(consumer.definition, chance.happens(0.9) ? (manifestHash ?? "") : "old");
        const row = { run: started, key: null, request: null, claimFor: null };
        return { namespace, definition: consumer.definition, version, taken, run: row };
      });
      return { verb: "consumeEvents", args: { rows: [...rows, ...(chance.happens(0.2) ? rows.slice(0, 1) : [])] } };
    }
    default:
      return chance.happens(0.8)
        ? { verb: "findAsset", args: { namespace, ...(chance.happens(0.7) ? { id } : { uri: "u:1" }) } }
        : { verb: "forgetAsset", args: { namespace, id, limitRows: 1 + chance.below(9) } };
  }
}

function opsAmong(chance: Chance, scope: () => StateScope, { retentionsMs }: Drawing): StateOp[] {
  return chance.some(4, () => {
    const op = opsIn(scope());
    const key = chance.pick(keys);
    const retention = chance.happens(0.3) ? { retentionMs: chance.pick([null, ...retentionsMs]) } : {};
    const version = chance.happens(0.3) ? { ifVersion: chance.below(4) } : {};
    const value = chance.pick<Json>([null, 0, 7, "x", [], [1], { a: [] }]);
    if (chance.happens(0.15)) return assetOp(chance);
    return chance.pick<StateOp>([
      op.set(key, value, { ...retention, ...version }),
      op.set(key, chance.below(9), { ...retention, ...version }),
      op.delete(key, version),
      op.clear(chance.pick(["", "a", "a/"])),
      op.increment(key, chance.pick([1, -0.5]), retention),
      op.append(key, value, retention),
      op.setIfMax(key, chance.pick([chance.below(9), "m", "z"]), retention),
    ]);
  });
}

/** Everything that is in the scopes that histories use. */
export async function stateOf(store: Store, runIds: readonly string[]): Promise<unknown[]> {
  const marks = assetIds.map((id) => ({ kind: "watermark" as const, id }));
  const scopes: StateScope[] = [
    { kind: "task", id: "load" },
    { kind: "asset", id: "load" },
    ...marks,
    ...runIds.map((id) => ({ kind: "run" as const, id })),
  ];
  const values = await Promise.all(scopes.map((scope) => store.listState({ namespace, scope, limitRows: 100 })));
  const assets = await Promise.all(
    assetIds.map(async (id) => [
      (await store.findAsset({ namespace, id }))?.asset ?? null,
      await store.listAssetEvents({ namespace, id, after: 0, limitRows: 1_000 }),
    ]),
  );
  const consumers = await Promise.all(
    ["report", "zone"].map(async (definition) => (await store.findConsumer({ namespace, definition })) ?? null),
  );
  return [...values, ...assets, ...consumers];
}
