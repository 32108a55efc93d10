import type { EventType, Json } from "@holdfast/protocol";
import { type JobChanges, noJobChanges } from "./job-rows.ts";
import { type GateChange, gateChange } from "./limits.ts";
import type { Edge } from "./next.ts";
import { type ObligationChange, obligationChanges } from "./obligations.ts";
import type { RestartChange } from "./restart.ts";
import type { RunRow } from "./run.ts";
import { noWaitChanges, type WaitChanges, type WaitRow } from "./wait-rows.ts";

/** An event to be stored with the changes. */
export interface LedgerEvent {
  readonly run: RunRow;
  readonly number: number;
  readonly type: EventType;
  readonly at: number;
  readonly data: Json;
}

/** What hangs on runs that ended: unflipped edges that begin in them, and the rows of their parents and dependents. */
export interface Links {
  readonly edges: readonly Edge[];
  readonly rows: readonly RunRow[];
  /** What parents wait for, by the names of the runs that ended. */
  readonly waits?: readonly WaitRow[];
}

/** What a ledger asks the store to write, all of it or nothing. */
export interface LedgerChanges {
  readonly inserted: readonly RunRow[];
  readonly updated: readonly RunRow[];
  readonly newEdges: readonly Edge[];
  /** To be written before `flippedEdges`: one may be flipped anew. */
  readonly unflippedEdges: readonly Edge[];
  readonly flippedEdges: readonly Edge[];
  /** Of the updated runs those that start again, also with what an update leaves alone: write them first. */
  readonly restarted: readonly RestartChange[];
  /** Of the updated runs those that are subject to other limits from now on. */
  readonly relimited: readonly RunRow[];
  readonly events: readonly LedgerEvent[];
  /** What the changes mean for slots of limits: `passGates` carries it out once they are written. */
  readonly gates: readonly GateChange[];
  readonly waits: WaitChanges;
  readonly jobs: JobChanges;
  /** What the changes mean for activations that orders have to end, for clean-ups, and for jobs that have ended. */
  readonly obligations: readonly ObligationChange[];
}

/** Changes that are no more than these. */
export function changesOf(some: Partial<LedgerChanges>): LedgerChanges {
  const edges = { newEdges: [], unflippedEdges: [], flippedEdges: [] };
  const nothing = { restarted: [], relimited: [], events: [], gates: [], obligations: [], waits: noWaitChanges() };
  const jobs = noJobChanges();
  return { inserted: [], updated: [], ...edges, ...nothing, jobs, ...some };
}

/** What became of the rows: those that were not there before, those that are others now, and what that means besides. */
export function rowChanges(
  rows: ReadonlyMap<string, RunRow>,
  before: ReadonlyMap<string, RunRow>,
  { now, events }: { now: number; events: readonly LedgerEvent[] },
): Pick<LedgerChanges, "inserted" | "updated" | "relimited" | "gates" | "obligations"> {
  const updated: RunRow[] = [];
  const inserted: RunRow[] = [];
  const relimited: RunRow[] = [];
  const gates: GateChange[] = [];
  const obligations: ObligationChange[] = [];
  const forced = new Set(events.filter(endsOverOthers).map(({ run }) => run.id));
  for (const [id, row] of rows) {
    const old = before.get(id);
    if (row === old) continue;
    if (old === undefined) inserted.push(row);
    else updated.push(row);
    if (old !== undefined && old.limits !== row.limits) relimited.push(row);
    const change = gateChange(old, row);
    if (change !== undefined) gates.push(change);
    if (old !== undefined) obligations.push(...obligationChanges(old, row, { now, forced: forced.has(id) }));
  }
  return { inserted, updated, relimited, gates, obligations };
}

/** Whether somebody ends a run here without waiting for who is at work on it. */
function endsOverOthers({ type }: LedgerEvent): boolean {
  return type === "run.forced" || type === "run.marked";
}
