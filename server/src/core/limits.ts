import { isEnded, limits } from "@holdfast/protocol";
import { isFairLine, type Limit, limitsAside, type RunRow, rankLetIn, startId } from "./run.ts";

// How many may be under way at a time. A limit has slots; a slot is held by a run, by name, so that giving it back twice, or
// by somebody who lost it, changes nothing. A run that needs slots stands at a gate, out of the ready index, until it holds
// all of them: then it is claimable like any other, and claims know nothing of limits.
//
// L1  A run in the ready index holds every slot that it needs; a run at a gate holds no slot for which it would wait. Who has
//     come out of a fair line and stands at a gate behind it keeps what it asked for up to there: so few of each key stand at
//     the limits that all keys share, whatever is full.
// L2  A slot is freed by the end of what it is held for, in that transaction, and never by time; but a rate's slot is held by a
//     start, which is over so long after the claim as the rate says, on the store's clock: never more starts than slots lie within
//     that time, whoever makes them. A fair line is a rate without time: its slots are held by who may start next, and a key
//     has so many of them, however many of its runs stand in line.
//     The number of a limit that nobody declared, as a key's, is what the run says that came to it last.
// L3  Who frees slots hands them on: to who stands first by rank at any of their gates. So many
//     moves a transaction and no more; what is left is looked at again soon.

/** What a change of a run means for slots. `frees`: ids of limits whose slots it gives back. `arrives`: it came to a gate. */
export interface GateChange {
  readonly run: RunRow;
  readonly frees: readonly string[];
  readonly arrives: boolean;
  /** A start that was none, whose slots of rates it gives back as well. */
  readonly start?: string;
}

/** Undefined where a change has nothing to do with limits. `before`: undefined for a new run. */
export function gateChange(before: RunRow | undefined, run: RunRow): GateChange | undefined {
  if (run.limits.length === 0 && (before === undefined || before.limits.length === 0)) return undefined;
  const frees = freedLimits(before, run).map(({ id }) => id);
  const arrives = run.gate !== null && run.gate !== before?.gate;
  if (frees.length === 0 && !arrives) return undefined;
  const isNoStart = before !== undefined && isPutInLine(before, run);
  return isNoStart ? { run, frees, arrives, start: startId(before) } : { run, frees, arrives };
}

/** It was claimed, and its input says that it has to stand in line first. */
function isPutInLine(before: RunRow, run: RunRow): boolean {
  return !isEnded(before.status) && before.claimedBy !== null && before.startedAt !== null && run.startedAt === null;
}

function freedLimits(before: RunRow | undefined, run: RunRow): readonly Limit[] {
  if (before === undefined) return [];
  if (isEnded(run.status)) return isEnded(before.status) ? [] : run.limits;
  // It was claimed, and begins anew or stands in line first, as its input says: it takes all of its slots again, and keeps none meanwhile.
  if (before.startedAt !== null && run.startedAt === null) return before.limits;
  // It was let in and goes back before it began: it will stand in line again.
  if (before.status === "ready" && (run.status === "pending" || run.status === "waiting")) return limitsAside(before);
  // It was let in, or had come to a later gate, and starts again from the first.
  if (!isEnded(before.status) && run.status === "ready" && run.generation !== before.generation)
    return limitsAside(before);
  const isOver = before.claimedBy !== null && run.claimedBy === null;
  return isOver ? run.limits.filter(({ hold }) => hold === "activation") : [];
}

/** A run at a gate and where it stands in the order of insertion. */
export interface Standing {
  readonly run: RunRow;
  readonly place: number;
}

/** The slots and gates of a store, inside of one transaction. */
export interface Gates {
  /** Makes the limit's slots where the limit is new. */
  open(limit: Limit): void;
  /** As `open`; where the limit came with runs, it has as many slots from now on as this one says, for as long. */
  renew(limit: Limit): void;
  /** Gives back the slot of a run, or of a start, if it holds one. */
  free(limitId: string, holder: string): void;
  holds(limitId: string, runId: string): boolean;
  hasFree(limitId: string): boolean;
  take(limitId: string, runId: string): void;
  /** Who stands first at the gate. */
  first(limitId: string): Standing | undefined;
  /** Moves a run to another gate; null: into the ready index, at this rank. */
  move(runId: string, gate: string | null, rank: number): void;
}

/** Runs that one transaction lets in or sends to another gate: a long line must make nobody wait. */
const mostMoves = 100;

/** `admitted`: how many runs became claimable. `more`: gates that may still have to be looked at, in another transaction. */
export interface Passed {
  readonly admitted: number;
  readonly more: readonly string[];
}

/** Frees slots and hands on what is free. */
export function passGates(gates: Gates, changes: readonly GateChange[], now: number): Passed {
  const touched = new Set<string>();
  for (const { run, frees, arrives, start } of changes) {
    for (const id of frees) {
      gates.free(id, run.id);
      if (start !== undefined) gates.free(id, start);
      touched.add(id);
    }
    if (!arrives || run.gate === null) continue;
    for (const limit of run.limits) gates.renew(limit);
    touched.add(run.gate);
  }
  return handOut(gates, touched, now);
}

/** Lets in who stands at these gates, as long as there are slots: by their ranks, at any of them. */
export function handOut(gates: Gates, limitIds: Iterable<string>, now: number): Passed {
  // A gate is looked at again when somebody has left it, not at each move: there may be one for each of very many keys.
  const firsts = new Map<string, Standing>();
  const look = (id: string) => {
    const standing = gates.hasFree(id) ? gates.first(id) : undefined;
    if (standing === undefined) firsts.delete(id);
    else firsts.set(id, standing);
  };
  for (const id of new Set(limitIds)) look(id);
  let admitted = 0;
  for (let moves = 0; firsts.size > 0; moves++) {
    if (moves === mostMoves) return { admitted, more: [...firsts.keys()] };
    const [gate, { run }] = firstOf(firsts);
    const needs = limitsAside(run).filter((limit) => !gates.holds(limit.id, run.id));
    // While it stood at one gate, nobody may have needed another limit, which was forgotten.
    for (const limit of needs) gates.open(limit);
    const full = needs.find((limit, nth) => !gates.hasFree(limit.id) || isPassing(gates, needs, nth));
    if (full?.id === gate) {
      firsts.delete(gate);
      continue;
    }
    const taken = full === undefined ? needs : upToLine(needs.slice(0, needs.indexOf(full)));
    for (const limit of taken) gates.take(limit.id, run.id);
    if (full === undefined) admitted += 1;
    gates.move(run.id, full?.id ?? null, taken.some(isFairLine) ? rankLetIn(run, now) : run.rank);
    look(gate);
    if (full !== undefined && taken.length > 0) look(full.id);
  }
  return { admitted, more: [] };
}

/** What a run takes that is let out of its fair line and comes no further than to the next gate: nothing where it has none. */
function upToLine(free: readonly Limit[]): readonly Limit[] {
  return free.slice(0, free.findIndex(isFairLine) + 1);
}

/** Whether a run that comes out of its fair line would go past others, who stand behind theirs already: it goes to stand with them. */
function isPassing(gates: Gates, needs: readonly Limit[], nth: number): boolean {
  const { id } = needs[nth] ?? {};
  return id !== undefined && needs.slice(0, nth).some(isFairLine) && gates.first(id) !== undefined;
}

function firstOf(firsts: ReadonlyMap<string, Standing>): [string, Standing] {
  const [start, ...others] = firsts;
  if (start === undefined) throw new Error("nobody stands at these gates");
  return others.reduce((first, other) => (standsBefore(other[1], first[1]) ? other : first), start);
}

function standsBefore(a: Standing, b: Standing): boolean {
  return a.run.rank < b.run.rank || (a.run.rank === b.run.rank && a.place < b.place);
}

/** Starts that become due soon after each other are looked at together. */
export const leastDueMs = 20;

/** When a start of a rate is over that was made while the rate was another. Null: it is no rate any more, and the slot is free. */
export function movedEnd(freeAt: number, perMs: number | undefined, newPerMs: number | undefined): number | null {
  return newPerMs === undefined ? null : freeAt - (perMs ?? 0) + newPerMs;
}

/** The slots of a limit that was taken back: more than any can be given, so that it lets everybody in and is known by it. */
export const withdrawnSlots = limits.slots + 1;
