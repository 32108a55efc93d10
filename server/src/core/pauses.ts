import { firstGate, type RunRow } from "./run.ts";

// What is paused. A pause is one row, whatever it holds: nothing goes down a tree, and who comes later finds it. Claims look
// at it: a ready run over which a pause stands is not started but put at the pause's gate, out of the ready index, once. What
// is under way goes on to its end; expiry and cancel reach what is paused.
//
// U1  A claim sees every pause that was acknowledged before it.
// U2  A run over which several pauses stand is at the gate of one; let go there, it is claimable and meets the next.
// U3  A run at a pause's gate holds no slot that it would wait for.

export const pauseKinds = ["run", "definition", "queue"] as const;
export type PauseKind = (typeof pauseKinds)[number];

/** What is paused: a run with all that is below it, the runs of a definition with all below them, or a queue. */
export interface PauseTarget {
  readonly namespace: string;
  readonly kind: PauseKind;
  /** The run's id, the definition's, or the queue's name. */
  readonly name: string;
}

export interface PauseRow extends PauseTarget {
  /** When it was paused, on the store's clock. */
  readonly since: number;
  readonly reason: string | null;
}

/** Gates of pauses stand behind those of all limits in the order of ids. */
const mark = "~";

/** The id of a pause, which is that of its gate. */
export function pauseId({ namespace, kind, name }: PauseTarget): string {
  return `${mark}${namespace}/${kind}/${name}`;
}

/** Where the gates of pauses begin in the order of ids. */
export const firstPauseGate = mark;

/** Whether a gate is a pause's, not a limit's. */
export function isPauseGate(gate: string): boolean {
  return gate.startsWith(mark);
}

type Held = Pick<RunRow, "id" | "namespace" | "definition" | "queue">;

/** The ids of all pauses that could stand over the first of these runs; the others are those above it, its parent first. */
export function pausesOver(chain: readonly Held[]): string[] {
  const [run] = chain;
  if (run === undefined) return [];
  const { namespace } = run;
  const above = chain.flatMap(({ id, definition }) => [
    pauseId({ namespace, kind: "run", name: id }),
    pauseId({ namespace, kind: "definition", name: definition }),
  ]);
  return [pauseId({ namespace, kind: "queue", name: run.queue }), ...above];
}

/** The run once it may pass a pause's gate. */
export function letGo(run: RunRow): RunRow {
  return { ...run, gate: firstGate(run) };
}

/** How a claim goes on when it has met paused runs. */
export const claimRounds = {
  /** It looks so often and no more: others are not kept waiting by a long line of paused runs. */
  most: 10,
  /** From the second on so many runs more than it can take. */
  moreRows: 100,
} as const;
