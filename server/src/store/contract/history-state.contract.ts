import type { Json, StateOp, StateScope } from "@holdfast/protocol";
import type { RunRow, StateTransaction } from "../../core/index.ts";
import type { Store, StoreVerb } from "../store.ts";
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

function opsAmong(chance: Chance, scope: () => StateScope, { retentionsMs }: Drawing): StateOp[] {
  return chance.some(4, () => {
    const op = opsIn(scope());
    const key = chance.pick(keys);
    const retention = chance.happens(0.3) ? { retentionMs: chance.pick([null, ...retentionsMs]) } : {};
    const version = chance.happens(0.3) ? { ifVersion: chance.below(4) } : {};
    const value = chance.pick<Json>([null, 0, 7, "x", [], [1], { a: [] }]);
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
  const scopes: StateScope[] = [
    { kind: "task", id: "load" },
    { kind: "asset", id: "load" },
    ...runIds.map((id) => ({ kind: "run" as const, id })),
  ];
  return Promise.all(scopes.map((scope) => store.listState({ namespace, scope, limitRows: 100 })));
}
