import {
  asWaitRecord,
  durationText,
  isEnded,
  isStanding,
  type Json,
  limits,
  reservedBytes,
  type StepRecord,
  waitRecord,
} from "@holdfast/protocol";
import { droppedEnding } from "./causes.ts";
import type { JobRow } from "./job-rows.ts";
import type { Jobs } from "./jobs.ts";
import type { LedgerRows } from "./ledger-rows.ts";
import type { RunRow } from "./run.ts";
import { endOfCall, endOfJob, type WaitEnd } from "./wait-ends.ts";
import type { WaitName } from "./wait-name.ts";
import {
  type NewWait,
  noWaitChanges,
  type SignalOrder,
  type SignalResult,
  type SignalRow,
  type WaitChanges,
  type WaitLoad,
  type WaitRow,
  type WaitsOrder,
  type WaitsResult,
} from "./wait-rows.ts";
import { closed, opened, unawaited } from "./waiting.ts";

// What bodies wait for, as a part of the ledger. A wait is open, and then it is recorded, never both and never neither:
//
// W1  What ends a wait deletes its row, inserts its record and wakes the run that waits for it, in one transaction (P3).
// W2  A suspension looks for records under the run's lock: where one of its groups is answered already, nothing is suspended.
// W3  A signal is handed to the oldest wait of its name, or kept for the next one: never both, never to two.
// W4  A key is opened once. What failed or timed out in an earlier try is opened again; everything else that is recorded answers.

export class Waits {
  readonly #rows: LedgerRows;
  readonly #jobs: Jobs;
  readonly #open = new Map<string, WaitRow>();
  readonly #before = new Map<string, WaitRow>();
  readonly #known = new Map<string, Json>();
  readonly #used = new Map<string, { readonly count: number; readonly bytes: number }>();
  readonly #kept = new Map<string, SignalRow[]>();
  readonly #changes = noWaitChanges();

  constructor(rows: LedgerRows, jobs: Jobs) {
    this.#rows = rows;
    this.#jobs = jobs;
  }

  /** Takes in what the store has found, under the locks of the runs. What is known already keeps its image here. */
  load({ waits = [], records = [], signals = [], used = [] }: WaitLoad): void {
    for (const wait of waits) {
      const name = nameOf(wait);
      if (this.#before.has(name)) continue;
      this.#before.set(name, wait);
      this.#open.set(name, wait);
    }
    for (const record of records) if (!this.#known.has(nameOf(record))) this.#known.set(nameOf(record), record.value);
    for (const { runId, count, bytes } of used) this.#used.set(runId, { count, bytes });
    for (const signal of signals) {
      const kept = this.#kept.get(signal.runId) ?? [];
      this.#kept.set(signal.runId, kept);
      if (!kept.some(({ number }) => number === signal.number)) kept.push(signal);
    }
  }

  /** Opens waits for a live activation and lets its run wait, if that was asked for. `abandoned`: runs whose end is to be ordered. */
  open(runId: string, order: WaitsOrder): { readonly result: WaitsResult; readonly abandoned: readonly string[] } {
    const fresh = this.#fresh(runId, order);
    const refusal = this.#refusal(runId, order, fresh);
    if (refusal !== undefined) return { result: refusal, abandoned: [] };
    this.#tellOfChanges(runId, order);
    for (const wait of fresh.values()) this.#begin(runId, order, wait);
    const abandoned = order.settles.flatMap((settled) => this.#settle(runId, order, settled));
    const answer = this.#suspend(runId, order, [...fresh.values()]);
    if (answer !== undefined) return { result: answer, abandoned };
    const keys = new Set([...order.opens.map(({ key }) => key), ...(order.suspend?.groups.flat() ?? [])]);
    const records = [...keys].flatMap((key): StepRecord[] => {
      const value = this.#answer(runId, key);
      return value === undefined ? [] : [{ key, value }];
    });
    return { result: { outcome: "open", records }, abandoned };
  }

  /** Ends a wait whose moment has come. False when it is not there, or later. */
  endDue(name: WaitName): boolean {
    const wait = this.#open.get(nameOf(name));
    if (wait === undefined || wait.dueAt === null || wait.dueAt > this.#rows.now) return false;
    if (wait.kind === "external") return this.#timeOut(wait);
    this.#end(wait, { end: wait.kind === "sleep" ? "done" : "timed_out" });
    return true;
  }

  /** Hands a signal to whoever waits for it, or keeps it. */
  signal({ runId, name, payload }: SignalOrder): SignalResult {
    const run = this.#rows.get(runId);
    if (run === undefined) return { outcome: "not_found" };
    if (isEnded(run.status)) return { outcome: "ended", status: run.status };
    const wait = this.#of(run).find(({ signal }) => signal === name);
    const kept = this.#kept.get(runId) ?? [];
    if (wait === undefined && kept.length >= limits.signalsPerRun) return { outcome: "limit_exceeded" };
    this.#rows.write(run, "run.signalled", { name, delivered: wait !== undefined });
    if (wait !== undefined) {
      this.#end(wait, { end: "done", value: payload });
      return { outcome: "delivered" };
    }
    const signal = { runId, number: run.lastEvent + 1, name, payload, at: this.#rows.now };
    this.#kept.set(runId, [...kept, signal]);
    this.#changes.keptSignals.push(signal);
    return { outcome: "kept" };
  }

  /** Ends the wait for a run that has ended. Answers its parent as that leaves it. */
  childEnded(parent: RunRow, child: RunRow): RunRow {
    const wait = this.#open.get(nameOf({ runId: parent.id, generation: parent.generation, key: child.name }));
    if (wait?.childId === child.id) this.#end(wait, endOfCall(child));
    return this.#row(parent.id);
  }

  /** Whether a run waits for this very submission. */
  isFor(job: JobRow): boolean {
    return this.#open.get(nameOf(job))?.jobId === job.id;
  }

  /** Ends the wait for a job that has ended, or for which nobody is to wait any longer. */
  jobEnded(job: JobRow): void {
    const wait = this.#open.get(nameOf(job));
    if (wait?.jobId === job.id) this.#end(wait, endOfJob(job));
  }

  /** Waits for another submission instead. */
  turnTo(next: JobRow, before: JobRow): void {
    const wait = this.#open.get(nameOf(before));
    if (wait?.jobId === before.id) this.#open.set(nameOf(before), { ...wait, jobId: next.id });
  }

  /** Nobody waits any more: the run has ended, or begins afresh. */
  clear(runId: string): void {
    this.#changes.cleared.push(runId);
    for (const [name, wait] of this.#open) if (wait.runId === runId) this.#open.delete(name);
  }

  /** Opens waits again for runs that start again. */
  reopen(waits: readonly WaitRow[]): void {
    for (const wait of waits) this.#open.set(nameOf(wait), wait);
  }

  changes(): WaitChanges {
    const changes = noWaitChanges();
    for (const [name, wait] of this.#open) {
      const before = this.#before.get(name);
      if (before === undefined) changes.opened.push(wait);
      else if (before !== wait) changes.regrouped.push(wait);
    }
    for (const [name, wait] of this.#before) if (!this.#open.has(name)) changes.ended.push(wait);
    const { records, cleared, keptSignals, takenSignals } = this.#changes;
    return { ...changes, records, cleared, keptSignals, takenSignals };
  }

  /** What is to be opened, once each. */
  #fresh(runId: string, { opens }: WaitsOrder): Map<string, NewWait> {
    const fresh = new Map<string, NewWait>();
    for (const wait of opens) {
      if (this.#find(runId, wait.key) === undefined && this.#answer(runId, wait.key) === undefined)
        if (!fresh.has(wait.key)) fresh.set(wait.key, wait);
    }
    return fresh;
  }

  #refusal(runId: string, { suspend }: WaitsOrder, fresh: ReadonlyMap<string, NewWait>): WaitsResult | undefined {
    const { generation } = this.#row(runId);
    for (const { key, job } of fresh.values()) {
      const number = this.#jobs.nextNumber({ runId, generation, key });
      if (job !== undefined && job.number !== number) return { outcome: "other_number", key, number };
    }
    for (const key of suspend?.groups.flat() ?? []) {
      if (fresh.has(key) || this.#find(runId, key) !== undefined || this.#answer(runId, key) !== undefined) continue;
      return { outcome: "not_open", key };
    }
    const { count = 0, bytes = 0 } = this.#used.get(runId) ?? {};
    const { open = 0, bytes: reserved = 0 } = this.#rows.get(runId)?.waiting ?? {};
    const more = [...fresh.values()].reduce((sum, { kind }) => sum + reservedBytes[kind], 0);
    if (fresh.size === 0) return undefined;
    if (open + fresh.size > limits.openWaitsPerRun) return { outcome: "limit_exceeded", limit: "openWaitsPerRun" };
    if (count + open + fresh.size > limits.stepsPerRun) return { outcome: "limit_exceeded", limit: "stepsPerRun" };
    if (bytes + reserved + more > limits.stepBytesPerRun) {
      return { outcome: "limit_exceeded", limit: "stepBytesPerRun" };
    }
    return undefined;
  }

  /** The same key with other arguments: what stands answers, and that is told. */
  #tellOfChanges(runId: string, { opens }: WaitsOrder): void {
    for (const { key, hash } of opens) {
      const recorded = this.#answer(runId, key);
      const record = recorded === undefined ? undefined : asWaitRecord(recorded);
      const known = this.#find(runId, key)?.hash ?? record?.hash ?? hash;
      const run = this.#rows.get(runId);
      if (known !== hash && run !== undefined) this.#rows.write(run, "step.arguments_changed", { key });
    }
  }

  #begin(runId: string, order: WaitsOrder, { key, kind, hash, delayMs, signal, child, job }: NewWait): void {
    const run = this.#row(runId);
    const { now } = this.#rows;
    const dueAt = delayMs === null ? null : now + delayMs;
    const wait: WaitRow = {
      ...{ runId, generation: run.generation, key, kind, hash, dueAt, signal },
      ...{ childId: child?.id ?? null, jobId: job?.id ?? null, groups: [], epoch: order.epoch, openedAt: now },
    };
    this.#rows.put({
      ...run,
      waiting: opened(run.waiting, kind),
      openChildren: run.openChildren + (child === null ? 0 : 1),
    });
    this.#open.set(nameOf(wait), wait);
    if (child !== null) this.#rows.insert(child, run.generation);
    if (job !== undefined) this.#jobs.open(job, { runId, generation: run.generation, key });
    const arrived = signal === null ? undefined : this.#takeSignal(runId, signal);
    if (arrived !== undefined) this.#end(wait, { end: "done", value: arrived });
  }

  #takeSignal(runId: string, name: string): Json | undefined {
    const kept = this.#kept.get(runId) ?? [];
    const signal = kept.find((one) => one.name === name);
    if (signal === undefined) return undefined;
    this.#kept.set(
      runId,
      kept.filter((one) => one !== signal),
    );
    this.#changes.takenSignals.push(signal);
    return signal.payload;
  }

  /** A race is decided: its step, and the waits that nobody wants any more. Answers the runs that were called by these. */
  #settle(runId: string, { epoch }: WaitsOrder, { key, value, drops }: WaitsOrder["settles"][number]): string[] {
    const { generation, rootId, namespace } = this.#row(runId);
    if (this.#known.get(nameOf({ runId, generation, key })) === undefined) {
      this.#known.set(nameOf({ runId, generation, key }), value);
      this.#changes.records.push({ runId, generation, key, value, epoch });
    }
    return drops.flatMap((dropped) => {
      const wait = this.#find(runId, dropped);
      if (wait !== undefined) this.#end(wait, { end: "dropped" });
      if (wait?.jobId != null) {
        const reason = droppedEnding.error.message;
        this.#jobs.order({ runId, rootId, namespace, jobId: wait.jobId, reason, timedOut: false, forced: true });
      }
      return wait?.childId ?? [];
    });
  }

  #suspend(runId: string, { suspend, epoch }: WaitsOrder, fresh: WaitsOrder["opens"]): WaitsResult | undefined {
    const run = this.#row(runId);
    const told = fresh.filter(({ key }) => this.#find(runId, key) !== undefined);
    const open = (suspend?.groups ?? []).map((keys) => keys.filter((key) => this.#answer(runId, key) === undefined));
    if (suspend === null || open.some((keys) => keys.length === 0)) {
      if (told.length > 0)
        this.#rows.write(
          run,
          "wait.opened",
          this.#told(
            runId,
            told.map(({ key }) => key),
          ),
        );
      return undefined;
    }
    const groups = new Map<string, number[]>();
    for (const [group, keys] of open.entries()) {
      for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), group]);
    }
    for (const [key, places] of groups) {
      const wait = this.#find(runId, key);
      if (wait !== undefined) this.#open.set(nameOf(wait), { ...wait, groups: places, epoch });
    }
    const waiting = run.waiting === null ? null : { ...run.waiting, awaits: open.map(({ length }) => length) };
    const released = { claimedBy: null, claimedAt: null, ranMs: run.ranMs + suspend.ranMs, losses: 0, takeovers: 0 };
    const status = this.#rows.arrive(run, "suspend");
    this.#rows.write({ ...run, ...released, status, waiting }, "run.waiting", this.#told(runId, [...groups.keys()]));
    return { outcome: "suspended", status };
  }

  /** Waits as events name them: the first few. */
  #told(runId: string, keys: readonly string[]): Json {
    const waits = keys.slice(0, 10).flatMap((key) => {
      const wait = this.#find(runId, key);
      return wait === undefined ? [] : [{ key, kind: wait.kind, until: wait.dueAt }];
    });
    return { waits, count: keys.length };
  }

  #end(wait: WaitRow, facts: WaitEnd): void {
    this.#open.delete(nameOf(wait));
    const run = this.#row(wait.runId);
    // What ended a job before its run started again is of the try before: only what it brought answers.
    const attempt = run.attempt - (wait.kind === "external" && wait.hash === null ? 1 : 0);
    const value = waitRecord(wait.kind, { ...facts, hash: wait.hash, attempt });
    const { runId, generation, key } = wait;
    this.#known.set(nameOf(wait), value);
    this.#changes.records.push({ runId, generation, key, value, epoch: wait.epoch });
    const counted = closed(run.waiting, wait);
    const isAwaited =
      run.status === "waiting" && run.epoch === wait.epoch && counted !== null && counted.awaits !== null;
    const awaits = isAwaited ? counted.awaits.map((n, group) => (wait.groups.includes(group) ? n - 1 : n)) : [];
    if (!awaits.includes(0)) {
      this.#rows.put({ ...run, waiting: isAwaited ? { ...counted, awaits } : counted });
      return;
    }
    const waiting = counted === null ? null : unawaited(counted);
    const data = { key, kind: wait.kind, end: facts.end };
    this.#rows.becomeReady({ ...run, waiting }, this.#rows.arrive(run, "wake"), "run.woken", data);
  }

  /** A job's time is over: its end is ordered, and ends the wait. */
  #timeOut(wait: WaitRow): boolean {
    const run = this.#row(wait.runId);
    const { id: runId, rootId, namespace } = run;
    const reason = `It did not end within ${durationText((wait.dueAt ?? 0) - wait.openedAt)}.`;
    this.#open.set(nameOf(wait), { ...wait, dueAt: null });
    this.#rows.write(run, "external.timed_out", { key: wait.key, job: wait.jobId });
    this.#jobs.order({ runId, rootId, namespace, jobId: wait.jobId, reason, timedOut: true, forced: false });
    return true;
  }

  /** What is recorded under a key and answers in this try; a key that is open is not answered. */
  #answer(runId: string, key: string): Json | undefined {
    const { generation, attempt } = this.#row(runId);
    const name = nameOf({ runId, generation, key });
    const value = this.#open.has(name) ? undefined : this.#known.get(name);
    return value !== undefined && isStanding(value, attempt) ? value : undefined;
  }

  #find(runId: string, key: string): WaitRow | undefined {
    return this.#open.get(nameOf({ runId, generation: this.#row(runId).generation, key }));
  }

  /** The open waits of a run that are known here, the oldest first. */
  #of({ id, generation }: RunRow): WaitRow[] {
    return [...this.#open.values()].filter((wait) => wait.runId === id && wait.generation === generation);
  }

  #row(runId: string): RunRow {
    const run = this.#rows.get(runId);
    if (run === undefined) throw new Error(`run ${runId} waits and is not in the ledger`);
    return run;
  }
}

function nameOf({ runId, generation, key }: WaitName): string {
  return JSON.stringify([runId, generation, key]);
}
