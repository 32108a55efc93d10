import type { NewRun, NewWait, RunRow } from "../../core/index.ts";
import type { StoreVerb } from "../store.ts";
import type { Chance } from "./chance.contract.ts";

interface WaitCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

const keys = ["a", "b", "c", "d"] as const;

interface Drawing {
  /** Claimed runs that have no children. */
  readonly bodies: readonly RunRow[];
  /** A run that is known, or was never there. */
  readonly id: string;
  readonly delaysMs: readonly [number, ...number[]];
  /** A run that this one calls under a key. */
  readonly called: (caller: RunRow, key: string) => NewRun;
}

/** A call by which a body waits, or somebody signals a run. Few keys and names, so that they meet. */
export function waitCall(chance: Chance, { bodies, id, delaysMs, called }: Drawing): WaitCall {
  const body = bodies[chance.below(bodies.length)];
  if (body === undefined || chance.happens(0.4)) {
    const hash = chance.pick(["h1", "h2"]);
    const request = chance.happens(0.3) ? { key: `r${chance.below(3)}`, hash, retentionMs: 1 } : null;
    const target = body === undefined || chance.happens(0.5) ? id : body.id;
    return {
      verb: "signalRun",
      args: { runId: target, name: chance.pick(["x", "y"]), payload: chance.below(9), request },
    };
  }
  const opens = chance.some(3, (): NewWait => {
    const key = chance.pick(keys);
    const wait = { key, hash: chance.pick(["h1", "h1", "h2"]), delayMs: null, signal: null, child: null };
    return chance.pick<NewWait>([
      { ...wait, kind: "sleep", delayMs: chance.pick(delaysMs) },
      {
        ...wait,
        kind: "signal",
        signal: chance.pick(["x", "y"]),
        delayMs: chance.happens(0.3) ? chance.pick(delaysMs) : null,
      },
      { ...wait, kind: "call", child: called(body, key) },
    ]);
  });
  const named = opens.map(({ key }) => key);
  const groups = chance.happens(0.5) ? [named] : named.map((key) => [key]);
  const drops = chance.happens(0.2) ? [chance.pick(keys)] : [];
  const settles = drops.length > 0 ? [{ key: `race-${chance.below(2)}`, value: { winner: "x" }, drops }] : [];
  const suspend = drops.length === 0 && chance.happens(0.6) ? { groups, ranMs: 2 } : null;
  const epoch = body.epoch + (chance.happens(0.05) ? 1 : 0);
  return {
    verb: "openWaits",
    args: { rows: [{ runId: body.id, epoch, generation: body.generation, opens, settles, suspend }] },
  };
}
