import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Json, RunStatus } from "@holdfast/protocol";
import {
  childId,
  childIdentity,
  type Expansion,
  type FinishResult,
  type Limit,
  type NewRun,
  type Next,
  type RunRow,
  rootId,
} from "../../core/index.ts";
import { newRun } from "../../core/run.fixture.ts";
import type { EnqueueResult, EnqueueRow, ScopeQuery, ScopeResult, Store } from "../store.ts";

/** A store that a case of the contract has for itself: nothing is in it, and nobody else uses it. */
export interface ContractHarness {
  readonly store: Store;
  /** Another way into the same store, as a second process has it. The harness closes it. */
  second?(): Promise<Store>;
  /** Moves the store's clock: where `clock` is held or leases are timed. */
  advance?(ms: number): void | Promise<void>;
  close(): Promise<void>;
}

export interface ContractSubject {
  /** `held`: time stands until `advance` moves it. `real`: it also passes by itself. */
  readonly clock: "held" | "real";
  /** False where members never expire by time. */
  readonly timedLeases: boolean;
  /** True where harnesses have a `second`. */
  readonly second: boolean;
  /** `seed`: of a history, for a subject that leaves something to chance. */
  open(seed?: number): Promise<ContractHarness>;
}

/** Registers a case: a sentence about what every store does. */
export type Contract = (sentence: string, body: (world: World) => Promise<void>) => void;

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const namespace = "shop";

/** A node of a graph under test. `after`: names of its upstreams. */
export type Node = Partial<NewRun> & { readonly name: string; readonly after?: readonly string[] };

let lastRoot = 0;

/** What cases are told in: a namespace with runs, members and time. */
export class World {
  readonly store: Store;
  readonly #harness: ContractHarness;
  #members = 0;

  constructor(harness: ContractHarness) {
    this.store = harness.store;
    this.#harness = harness;
  }

  /** The ways into the store: two where the harness knows a second. */
  async doors(): Promise<Store[]> {
    const second = await this.#harness.second?.();
    return second === undefined ? [this.store] : [this.store, second];
  }

  /** Resolves once the store's clock has moved on by `ms`. */
  async pass(ms: number): Promise<void> {
    if (this.#harness.advance !== undefined) return this.#harness.advance(ms);
    const { now } = await this.store.describe();
    await until(async () => (await this.store.describe()).now >= now + ms);
  }

  root(fields: Partial<NewRun> = {}): NewRun {
    lastRoot += 1;
    const tail = new Uint8Array(9);
    new DataView(tail.buffer).setUint32(2, lastRoot);
    const id = fields.id ?? rootId(1_800_000_000_000, tail);
    return newRun({ namespace, name: "ship", input: { order: 17 }, ...fields, id });
  }

  /** The child of that name, as the graph of a workflow would make it. */
  child(parent: RunRow, { after = [], ...fields }: Node): NewRun {
    const hash = createHash("sha256")
      .update(childIdentity(parent.id, parent.generation, fields.name))
      .digest();
    return {
      ...this.root({ id: childId(parent.id, hash) }),
      rootId: parent.rootId,
      parentId: parent.id,
      workflow: parent.definition,
      depth: parent.depth + 1,
      blockedBy: after.length,
      ...fields,
    };
  }

  row(fields: Partial<NewRun> = {}, row: Partial<EnqueueRow> = {}): EnqueueRow {
    return { run: this.root(fields), key: null, request: null, claimFor: null, ...row };
  }

  async enqueue(fields: Partial<NewRun> = {}, row: Partial<EnqueueRow> = {}): Promise<RunRow> {
    const [result] = await this.store.enqueueRuns({ rows: [this.row(fields, row)] });
    return created(result);
  }

  /** A member that will not be judged while the test lasts, unless time passes that it does not renew in. */
  async member(leaseMs = dayMs): Promise<string> {
    this.#members += 1;
    const id = `node-${this.#members}`;
    await this.store.joinMember({ id, kind: "node", name: `Node ${this.#members}`, namespace, serves: null, leaseMs });
    return id;
  }

  /** Lets so much time pass that every lease runs out, but for those who renew without a gap. */
  async outlive(...renewing: readonly string[]): Promise<void> {
    for (let passed = 0; passed <= dayMs; passed += dayMs / 4) {
      await this.pass(dayMs / 4);
      for (const id of renewing) await this.store.renewMember({ id, leaseMs: dayMs });
    }
  }

  async claim(memberId: string, limitRows = 100): Promise<RunRow[]> {
    return this.store.claimRuns({ memberId, namespace, queues: null, limitRows });
  }

  /** A run with a live activation, held by a member of its own or by `memberId`. */
  async running(fields: Partial<NewRun> = {}, memberId?: string): Promise<RunRow> {
    const run = await this.enqueue(fields, { claimFor: memberId ?? (await this.member()) });
    assert.equal(run.status, "running");
    return run;
  }

  /** Claims this run, which must be the one that is claimed next. */
  async activate(id: string, memberId?: string): Promise<RunRow> {
    const [run] = await this.claim(memberId ?? (await this.member()), 1);
    assert.equal(run?.id, id, "the run is the next to be claimed");
    return run;
  }

  async finish(run: Pick<RunRow, "id" | "epoch">, next: Next, ranMs = 5): Promise<FinishResult> {
    const [result] = await this.store.finishActivations({ rows: [{ runId: run.id, epoch: run.epoch, ranMs, next }] });
    assert.ok(result);
    return result;
  }

  expansion(parent: RunRow, nodes: readonly Node[], ranMs = 5): Expansion {
    const children = nodes.map((node) => this.child(parent, node));
    const ids = new Map(children.map((child) => [child.name, child.id]));
    const edges = nodes.flatMap(({ name, after = [] }) =>
      after.map((upstream) => ({ upstream: ids.get(upstream) ?? "", downstream: ids.get(name) ?? "" })),
    );
    return { runId: parent.id, epoch: parent.epoch, ranMs, input: parent.input ?? null, children, edges };
  }

  /** Puts a graph below a running parent. Answers the ids of its nodes by name. */
  async expand(parent: RunRow, nodes: readonly Node[]): Promise<Record<string, string>> {
    const expansion = this.expansion(parent, nodes);
    const [result] = await this.store.expandRuns({ rows: [expansion] });
    assert.equal(result?.outcome, "finished");
    return Object.fromEntries(expansion.children.map(({ name, id }) => [name, id]));
  }

  /** A workflow that waits for the graph below it. */
  async workflow(nodes: readonly Node[]): Promise<{ parent: RunRow; ids: Record<string, string> }> {
    const parent = await this.running({ kind: "workflow", definition: "nightly", name: "nightly" });
    return { parent, ids: await this.expand(parent, nodes) };
  }

  async get(id: string | undefined): Promise<RunRow> {
    const run = await this.store.findRun({ id: id ?? "" });
    assert.ok(run, `run ${id} is there`);
    return run;
  }

  async status(id: string | undefined): Promise<RunStatus> {
    return (await this.get(id)).status;
  }

  /** The types of a run's events, which must be numbered 1, 2, 3… */
  async events(id: string | undefined): Promise<string[]> {
    const events = await this.store.listEvents({ runId: id ?? "", after: 0, limitRows: 1_000 });
    assert.deepEqual(
      events.map(({ number }) => number),
      events.map((_, index) => index + 1),
      "a run's events have no holes",
    );
    assert.equal((await this.get(id)).lastEvent, events.length, "the row counts its events");
    return events.map(({ type }) => type);
  }

  /** Data of a run's last event. */
  async lastData(id: string | undefined): Promise<Json | undefined> {
    const events = await this.store.listEvents({ runId: id ?? "", after: 0, limitRows: 1_000 });
    return events.at(-1)?.data as Json | undefined;
  }

  /** Scopes that fit one answer. */
  async scopes(...rows: ScopeQuery[]): Promise<Extract<ScopeResult, { outcome: "read" }>[]> {
    return (await this.store.findScopes({ rows })).map((result) => {
      assert.ok(result.outcome === "read");
      return result;
    });
  }

  async cancel(id: string | undefined): Promise<{ requested: number; status: RunStatus } | undefined> {
    return this.order(id, 100);
  }

  /** A cancel that reaches no more than `limitRows` runs below in its own step. */
  async order(
    id: string | undefined,
    limitRows: number,
  ): Promise<{ requested: number; status: RunStatus } | undefined> {
    return this.store.orderEnd({ runId: id ?? "", ending: cancelled, data: { reason: "not needed" }, limitRows });
  }
}

export const cancelled = {
  status: "cancelled",
  error: { code: "cancelled", message: "It was cancelled: not needed." },
} as const;

export const broken = { code: "task_failed", message: "The disk is full.", name: "Error" };

/** What can follow an activation, in short. */
export const next = {
  success: (output: Json = { done: true }): Next => ({
    to: "ended",
    status: "succeeded",
    outcome: "succeeded",
    output,
  }),
  failure: (): Next => ({ to: "ended", status: "failed", outcome: "failed", error: broken }),
  skip: (): Next => ({
    to: "ended",
    status: "skipped",
    outcome: "skipped",
    error: { code: "skipped_by_task", message: "Nothing to do." },
  }),
  retry: (delayMs = 0, outcome: "failed" | "timed_out" = "failed"): Next => ({
    to: "ready",
    outcome,
    error: broken,
    delayMs,
  }),
  lost: (): Next => ({ to: "ready", outcome: "lost", error: { code: "task_exited", message: "Killed." }, delayMs: 0 }),
  release: (): Next => ({ to: "ready", outcome: "released", error: null, delayMs: 0 }),
  line: (limits: readonly Limit[] = []): Next => ({ to: "line", outcome: "released", limits }),
} as const;

export function created(result: EnqueueResult | undefined): RunRow {
  assert.equal(result?.outcome, "created");
  return result.run;
}

/** As a message would carry it: what is undefined is absent. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Asks until it is so. The bound is for a store that never says so. */
export async function until(isSo: () => Promise<boolean>, boundMs = 60_000): Promise<void> {
  for (const start = performance.now(); !(await isSo()); ) {
    assert.ok(performance.now() - start < boundMs, `not so after ${boundMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Asserts that a call is refused with one of these codes. */
export async function refused(call: Promise<unknown>, ...codes: readonly string[]): Promise<void> {
  await assert.rejects(call, (error: { code?: string }) => {
    assert.ok(codes.includes(error.code ?? ""), `refused with ${error.code}, expected ${codes.join(" or ")}: ${error}`);
    return true;
  });
}
