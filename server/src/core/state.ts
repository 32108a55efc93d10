import {
  type Json,
  limits,
  type StateOp,
  type StateOpResult,
  type StateScope,
  stateKinds,
  stateRecord,
} from "@holdfast/protocol";
import { EventBook, EventDraft, type KeyedEvent, type TellingAsset } from "./asset-events.ts";
import { StateDraft } from "./state-draft.ts";
import { applyOp, type Refusal } from "./state-ops.ts";
import {
  type OffloadedValue,
  placeName,
  rowName,
  type StateChanges,
  type StatePlace,
  type StateResult,
  type StateRow,
  type StateRun,
  type StateStep,
  type StateTransaction,
  type StateUse,
  type StateWriter,
  stateBytes,
  statePlace,
  unused,
} from "./state-rows.ts";
import { mayBeActive } from "./transitions.ts";

// State: what transactions do to values, on rows that a store has locked and loaded.
//
// V1  A transaction does all its ops or nothing. A later one of the same book sees what an earlier one did.
// V2  A writer is fenced as its steps are (P2), and its transaction is one of them: what it did and its record come out of one book (P12).
// V3  A version is never used again under a key: it rises while the row is there, and a new row begins above the scope's floor.
// V4  What has expired is not there, for whoever reads and for every op; only its version goes on.
// V5  A scope's use is exact: it is counted with the rows, and they with it.
// V6  A row names no object but one that is announced, whose announcement the store has locked: what is swept is condemned first (0034).

/** What a store has found for the transactions that are to come, under its locks. */
export interface StateLoad {
  readonly runs?: readonly StateRun[];
  /** Steps that stand under the keys of writers. */
  readonly steps?: readonly Omit<StateStep, "epoch">[];
  /** Of the scopes that are named, those that have ever been written to, or whose runs have earlier generations that were. */
  readonly uses?: readonly StateUse[];
  /** What lies under the keys that are named, and what is to be cleared. */
  readonly rows?: readonly StateRow[];
  /** The assets whose marks are moved or of which events are told, and their events that stand under the keys of those. */
  readonly assets?: readonly TellingAsset[];
  readonly events?: readonly KeyedEvent[];
  /** Of the objects that are brought, those that are announced and not condemned (V6). */
  readonly objects?: readonly string[];
}

export class StateBook {
  readonly #now: number;
  readonly #runs = new Map<string, StateRun>();
  readonly #steps = new Map<string, Json>();
  readonly #uses = new Map<string, StateUse>();
  readonly #rows = new Map<string, Map<string, StateRow>>();
  readonly #loadedUses = new Map<string, StateUse>();
  readonly #loadedRows = new Map<string, StateRow>();
  readonly #objects = new Set<string>();
  readonly #touched = new Map<string, Pick<StateRow, "place" | "key">>();
  readonly #newSteps: StateStep[] = [];
  readonly #progress = new Map<string, { readonly runId: string; readonly steps: number; readonly bytes: number }>();
  readonly #events = new EventBook();

  /** `now`: the moment of the transactions, read after the locks were taken (P9). */
  constructor(now: number) {
    this.#now = now;
  }

  load({ runs = [], steps = [], uses = [], rows = [], assets = [], events = [], objects = [] }: StateLoad): void {
    this.#events.load(assets, events);
    for (const name of objects) this.#objects.add(name);
    for (const run of runs) this.#runs.set(run.id, run);
    for (const step of steps) this.#steps.set(stepName(step), step.value);
    for (const use of uses) {
      this.#uses.set(placeName(use.place), use);
      this.#loadedUses.set(placeName(use.place), use);
    }
    for (const row of rows) {
      // One that was loaded whole is not forgotten for one that was loaded to be cleared.
      if (row.value === undefined && row.object === undefined && this.#loadedRows.has(rowName(row))) continue;
      this.#loadedRows.set(rowName(row), row);
      this.#rowsOf(row.place).set(row.key, row);
    }
  }

  transact(transaction: StateTransaction): StateResult {
    const { ops, writer, offloaded } = transaction;
    if (writer !== null) {
      const known = this.#fence(writer);
      if (known !== undefined) return known;
    }
    const draft = new StateDraft(
      (place) => this.#uses.get(placeName(place)) ?? unused(place),
      (place) => this.#rowsOf(place),
    );
    const events = new EventDraft(this.#events);
    const results: StateOpResult[] = [];
    for (const [index, op] of ops.entries()) {
      const object = offloaded?.objects.find((given) => given.index === index);
      if (object !== undefined && !this.#objects.has(object.name)) return { outcome: "object_gone", index };
      const done = this.#apply({ draft, events }, op, transaction, object);
      if ("outcome" in done) return { ...done, index };
      results.push(done);
    }
    const refusal = writer === null ? undefined : this.#record(writer, results);
    if (refusal !== undefined) return refusal;
    this.#keep(draft);
    this.#events.keep(events);
    return { outcome: "applied", results };
  }

  changes(): StateChanges {
    const written: StateRow[] = [];
    const [named, loosened] = [new Set<string>(), new Set<string>()];
    const deleted: Pick<StateRow, "place" | "key">[] = [];
    for (const [name, { place, key }] of this.#touched) {
      const row = this.#rowsOf(place).get(key);
      const before = this.#loadedRows.get(name)?.object?.name;
      if (row?.object !== undefined) named.add(row.object.name);
      if (before !== undefined && before !== row?.object?.name) loosened.add(before);
      if (row !== undefined) written.push(row);
      else if (this.#loadedRows.has(name)) deleted.push({ place, key });
    }
    const uses = [...this.#uses].flatMap(([name, use]) => (this.#loadedUses.get(name) === use ? [] : use));
    // In another generation the same text may stand under the same key.
    for (const name of named) loosened.delete(name);
    const rows = { written, deleted, uses, named: [...named], loosened: [...loosened] };
    return { ...rows, steps: this.#newSteps, progress: [...this.#progress.values()], events: this.#events.told };
  }

  #apply(
    { draft, events }: { readonly draft: StateDraft; readonly events: EventDraft },
    op: StateOp,
    { namespace, writer, retentionMs, offloaded }: StateTransaction,
    object: OffloadedValue | undefined,
  ): StateOpResult | Refusal | { readonly outcome: "not_found" } {
    const asset = { namespace, id: op.scope.id };
    if ((op.op === "emit" || op.op === "advance") && !events.isActive(asset)) return { outcome: "not_found" };
    const telling = { ...asset, now: this.#now, writer };
    if (op.op === "emit") return { version: 0, ...events.tell({ ...telling, key: op.key, payload: op.payload }) };
    const place = this.#place(op.scope, namespace, writer);
    if (place === undefined) return { outcome: "not_found" };
    const done = applyOp(draft, place, op, { now: this.#now, writer, retentionMs, offloaded, object });
    if (op.op !== "advance" || op.event === undefined || "outcome" in done || done.changed !== true) return done;
    return { ...done, ...events.tell({ ...telling, key: op.event.key, payload: op.event.payload }) };
  }

  /** Why a writer's transaction is not carried out. */
  #fence(writer: StateWriter): StateResult | undefined {
    const run = this.#runs.get(writer.runId);
    const isLive = run !== undefined && run.epoch === writer.epoch && run.claimedBy !== null && mayBeActive(run.status);
    if (!isLive || run.generation !== writer.generation) return { outcome: "stale_epoch" };
    const value = this.#steps.get(stepName(writer));
    return value === undefined ? undefined : { outcome: "existing", value };
  }

  /** Where a scope's values lie; undefined: it is of a run that is not there. */
  #place(scope: StateScope, namespace: string, writer: StateWriter | null): StatePlace | undefined {
    if (stateKinds[scope.kind].owner === "namespace") return statePlace(scope, namespace, 0);
    if (writer !== null) return statePlace(scope, namespace, writer.generation);
    const run = this.#runs.get(scope.id);
    return run?.namespace === namespace ? statePlace(scope, namespace, run.generation) : undefined;
  }

  #record(writer: StateWriter, results: readonly StateOpResult[]): StateResult | undefined {
    const run = this.#runs.get(writer.runId);
    if (run === undefined) throw new Error(`run ${writer.runId} writes state and is not in the book`);
    const { runId, generation, epoch, key, hash, value: own } = writer;
    const value = stateRecord({ results, hash, value: own });
    const bytes = stateBytes(value);
    if (run.stepCount >= limits.stepsPerRun) return { outcome: "limit_exceeded", limit: "stepsPerRun" };
    if (run.stepBytes + bytes > limits.stepBytesPerRun) return { outcome: "limit_exceeded", limit: "stepBytesPerRun" };
    this.#runs.set(runId, { ...run, stepCount: run.stepCount + 1, stepBytes: run.stepBytes + bytes });
    this.#steps.set(stepName(writer), value);
    this.#newSteps.push({ runId, generation, epoch, key, value });
    const { steps, bytes: before } = this.#progress.get(runId) ?? { steps: 0, bytes: 0 };
    this.#progress.set(runId, { runId, steps: steps + 1, bytes: before + bytes });
    return undefined;
  }

  #keep(draft: StateDraft): void {
    for (const use of draft.uses.values()) this.#uses.set(placeName(use.place), use);
    for (const [name, { place, key, row }] of draft.rows) {
      this.#touched.set(name, { place, key });
      if (row === undefined) this.#rowsOf(place).delete(key);
      else this.#rowsOf(place).set(key, row);
    }
  }

  #rowsOf(place: StatePlace): Map<string, StateRow> {
    const name = placeName(place);
    const known = this.#rows.get(name) ?? new Map<string, StateRow>();
    this.#rows.set(name, known);
    return known;
  }
}

function stepName({ runId, generation, key }: Pick<StateWriter, "runId" | "generation" | "key">): string {
  return JSON.stringify([runId, generation, key]);
}
