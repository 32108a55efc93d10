import { createHash } from "node:crypto";
import {
  AppError,
  canonicalText,
  isAppError,
  type Json,
  limits,
  type RunError,
  type StepRecord,
  type Tracking,
  type WaitSpec,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { Clock } from "../clock.ts";
import { childId, childIdentity, type NewRun, type NewWait, type WaitsOrder, type WaitsResult } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { noObserver, type Observer } from "../telemetry/observer.ts";
import { checkDistinct } from "./bindings.ts";
import { type Completion, type HeldActivation, staleEpoch, tooLate } from "./completion.ts";
import type { Concurrency } from "./concurrency.ts";
import type { Definitions } from "./definitions.ts";
import { childOf, sooner } from "./expansion.ts";
import { type Callbacks, type ExternalSpec, ExternalWaits, recordOf } from "./external-waits.ts";
import { persist } from "./persistence.ts";
import { refusals } from "./refusals.ts";
import type { Runs } from "./runs.ts";

// What a body asks to wait for becomes rows of the store: a called run is made here, of its definition's manifest as it is now.
// What cannot be (an unknown definition, an input that does not fit) is told by key and harms nothing else.

/** What an activation asks for. */
export interface WaitsAsked {
  readonly waits: readonly WaitSpec[];
  readonly settles: WaitsOrder["settles"];
  /** What people know external jobs by, for messages; default their keys. */
  readonly called?: ReadonlyMap<string, string>;
}

export interface WaitsAnswered {
  readonly records: StepRecord[];
  readonly refused: { readonly key: string; readonly error: RunError }[];
}

export interface BodyWaitsOptions {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly concurrency: Concurrency;
  readonly completion: Completion;
  readonly runs: Runs;
  readonly clock: Clock;
  readonly observer?: Observer;
  /** Who knows services outside; absent: external jobs are refused. */
  readonly tracking?: Tracking;
  /** Where jobs call back; absent: nowhere. */
  readonly callbacks?: Callbacks;
}

export class BodyWaits {
  readonly #options: BodyWaitsOptions;
  readonly #observer: Observer;
  readonly #external: ExternalWaits;

  constructor(options: BodyWaitsOptions) {
    this.#options = options;
    this.#external = new ExternalWaits(options);
    this.#observer = options.observer ?? noObserver;
  }

  /** Opens waits. Throws `run_ended` and `stale_epoch` for an activation that is over, `limit_exceeded`. */
  async open(held: HeldActivation, asked: WaitsAsked): Promise<WaitsAnswered> {
    const { opens, refused } = await this.#prepare(held, asked);
    if (opens.length === 0 && asked.settles.length === 0) return { records: [], refused };
    const result = await this.#order(held, asked.waits, { opens, settles: asked.settles, suspend: null });
    if (result.outcome === "open") return { records: [...result.records], refused };
    // A body that is told to end may still end well: its next suspension ends it.
    if (result.outcome === "repeated" && result.status === "cancelling") return { records: [], refused };
    throw unopened(held, result);
  }

  /** Opens waits and lets the run wait. `whole`: where one of them is refused, nothing happens. Throws as `open`. */
  async suspend(
    held: HeldActivation,
    asked: WaitsAsked & { readonly groups: WaitsOrder["settles"][number]["drops"][]; readonly whole?: boolean },
  ): Promise<WaitsAnswered & { readonly suspended: boolean }> {
    const { opens, refused } = await this.#prepare(held, asked);
    if (refused.length > 0 && asked.whole === true) return { suspended: false, records: [], refused };
    if (refused.length > 0) {
      const opened = await this.open(held, { waits: [], settles: asked.settles });
      const rest =
        opens.length === 0 ? undefined : await this.#order(held, asked.waits, { opens, settles: [], suspend: null });
      const records = rest?.outcome === "open" ? [...opened.records, ...rest.records] : opened.records;
      return { suspended: false, records, refused };
    }
    const { ranMs } = held;
    const suspend = { groups: asked.groups, ranMs };
    const result = await this.#order(held, asked.waits, { opens, settles: asked.settles, suspend });
    if (result.outcome === "open") return { suspended: false, records: [...result.records], refused };
    if (result.outcome !== "suspended" && result.outcome !== "repeated") throw unopened(held, result);
    const outcome = result.status === "waiting" ? "suspended" : "cancelled";
    const { run } = held;
    if (result.outcome === "suspended") {
      this.#observer.activationEnded({
        run,
        outcome,
        status: result.status,
        error: null,
        ranMs,
        at: this.#options.clock.now(),
      });
    }
    return { suspended: true, records: [], refused };
  }

  /** What a run that this one called returned. While the store is away, the body waits. Throws `not_found`. */
  async output({ run, revoked }: HeldActivation, runId: string): Promise<Json> {
    const { store, clock } = this.#options;
    const child = await persist(clock, revoked, () => store.findRun({ id: runId }));
    if (child?.parentId !== run.id || child.status !== "succeeded") {
      throw new AppError("not_found", `Run ${run.id} has called no run ${runId} that succeeded.`);
    }
    return child.output ?? null;
  }

  /** Starts a run of its own, and records it: once under its key, whatever crashes between. Throws as starting a run. */
  async start(
    held: HeldActivation,
    { key, definition, input, runKey }: { key: string; definition: string; input: Json; runKey?: string | undefined },
  ): Promise<string> {
    const { id, generation } = held.run;
    const request = `run/${id}/${generation}/${createHash("sha256").update(key).digest("hex")}`;
    const asked = { definition, input, ...(runKey === undefined ? {} : { key: runKey }) };
    const { clock, runs, completion } = this.#options;
    // Said again under its name, it is the same run.
    const { run } = await persist(clock, held.revoked, () => runs.start(asked, request));
    const { value } = await completion.commitStep(held, { key, value: run.id });
    return String(value);
  }

  /** Opens a job that the body starts by itself, and tells it how. Throws as `open`, and why it is refused. */
  async submit(
    held: HeldActivation,
    asked: Omit<ExternalSpec, "kind" | "spec" | "ref" | "own" | "callback">,
  ): Promise<{ readonly token: string | null; readonly ref: Json; readonly record?: Json }> {
    const wait = { ...asked, kind: "external", own: true } as const;
    const { records, refused } = await this.open(held, { waits: [wait], settles: [] });
    const [refusal] = refused;
    if (refusal !== undefined) throw refusedAs(refusal.error);
    const record = recordOf(records, asked.key);
    const job = await this.#external.last(held, asked.key);
    if (record !== undefined) return { token: null, ref: job?.ref ?? null, record };
    // It was told to end before the job was there.
    if (job === undefined || job.endedAt !== null) throw tooLate(held, "cancelling");
    return { token: job.token, ref: job.status === "submitting" ? null : job.ref };
  }

  /** Says the name of a job that the body has started. Throws `not_found`, `stale_epoch`, `key_conflict`, and why it is refused. */
  async adopt(held: HeldActivation, { key, ref }: { key: string; ref: Json }): Promise<void> {
    const { store, clock } = this.#options;
    const last = await this.#external.last(held, key);
    if (last?.submission !== "own") {
      throw new AppError("not_found", `Run ${held.run.id} has opened no job of its own at "${key}".`, {
        hint: "Ask for its token first (external.submit).",
      });
    }
    const job = await this.#external.name(held, last, ref);
    const by = { epoch: last.epoch, activation: held.run.epoch };
    const rows = [{ jobId: last.id, by, news: { is: "submitted", job } }] as const;
    const [result] = await persist(clock, held.revoked, () => store.noteJobs({ rows }));
    if (result?.outcome === "noted") return;
    const now = await store.findJob({ id: last.id });
    // Somebody tracks it by this name already.
    if (now !== undefined && canonicalText(now.ref) === canonicalText(job.ref)) return;
    if (now?.ref == null || now.endedAt !== null) throw staleEpoch(held);
    throw new AppError("key_conflict", `The job at "${key}" is ${now.externalId} already.`);
  }

  /** What an external job of this run returned. Throws `not_found`. */
  result(held: HeldActivation, jobId: string): Promise<Json> {
    return this.#external.result(held, jobId);
  }

  async #prepare(
    held: HeldActivation,
    { waits, called }: Pick<WaitsAsked, "waits" | "called">,
    known?: ReadonlyMap<string, number>,
  ) {
    const opens: NewWait[] = [];
    const refused: WaitsAnswered["refused"] = [];
    const numbers = known ?? (await this.#external.numbers(held, waits));
    for (const wait of waits) {
      try {
        const number = numbers.get(wait.key) ?? 1;
        opens.push(await this.#newWait(held, wait, { number, called: called?.get(wait.key) }));
      } catch (error) {
        if (!isAppError(error) || !refusals.has(error.code)) throw error;
        const { code, message, hint } = error;
        refused.push({ key: wait.key, error: { code, message, ...(hint === undefined ? {} : { hint }) } });
      }
    }
    return { opens, refused };
  }

  async #newWait(
    held: HeldActivation,
    wait: WaitSpec,
    named: { readonly number: number; readonly called: string | undefined },
  ): Promise<NewWait> {
    const { key, ...asked } = wait;
    const facts = { key, hash: canonicalHash(asked), delayMs: null, signal: null, child: null };
    if (wait.kind === "sleep") return { ...facts, kind: "sleep", delayMs: wait.ms };
    if (wait.kind === "signal") return { ...facts, kind: "signal", signal: wait.name, delayMs: wait.timeoutMs ?? null };
    if (wait.kind === "external") {
      const job = await this.#external.newJob(held, wait, named);
      return { ...facts, kind: "external", delayMs: wait.timeoutMs ?? null, job };
    }
    return { ...facts, kind: "call", child: await this.#called(held, wait) };
  }

  async #called({ run }: HeldActivation, wait: Extract<WaitSpec, { kind: "call" | "map" }>): Promise<NewRun> {
    const { definitions, concurrency } = this.#options;
    const { key, definition, timeoutMs } = wait;
    const { manifestHash } = await definitions.get(definition);
    const spec = await definitions.spec(manifestHash, definition);
    // A try of its own: what an earlier one called has ended, or answers.
    const hash = createHash("sha256")
      .update(childIdentity(run.id, run.generation, `${run.attempt}/${key}`))
      .digest();
    const child = { ...childOf(run, spec, key), id: childId(run.id, hash), workflow: null, manifestHash };
    if (wait.kind === "map")
      return { ...child, kind: "map", expiresAfterMs: null, cleansUp: false, input: itemsInput(wait) };
    const input = await definitions.fitInput(spec, wait.input);
    const expiresAfterMs = sooner(child.expiresAfterMs, timeoutMs);
    return { ...child, expiresAfterMs, limits: await concurrency.limitsOfCalled(spec, run, input), input };
  }

  /** What `waits` asked for; a job under a key that had one is made anew with the number that the store says. */
  async #order(held: HeldActivation, waits: readonly WaitSpec[], order: Asked): Promise<WaitsResult> {
    const { store, clock } = this.#options;
    const { id: runId, epoch, generation } = held.run;
    const numbers = new Map<string, number>();
    let { opens } = order;
    for (;;) {
      const row = { runId, epoch, generation, ...order, opens };
      const [result] = await persist(clock, held.revoked, () => store.openWaits({ rows: [row] }));
      if (result === undefined) throw new Error("the store answered no row");
      if (result.outcome !== "other_number" || numbers.get(result.key) === result.number) return result;
      numbers.set(result.key, result.number);
      const again = await this.#prepare(held, { waits: waits.filter(({ key }) => numbers.has(key)) }, numbers);
      opens = opens.map((wait) => again.opens.find(({ key }) => key === wait.key) ?? wait);
    }
  }
}

type Asked = Pick<WaitsOrder, "opens" | "settles" | "suspend">;

/** What was refused by key, for whoever asked for it alone. */
function refusedAs({ code, message, hint }: RunError): AppError {
  const known = [...refusals].find((refusal) => refusal === code) ?? "invalid_request";
  return new AppError(known, message, hint === undefined ? {} : { hint });
}

/** Why waits could not be opened. */
function unopened(held: HeldActivation, result: WaitsResult): AppError {
  if (result.outcome === "repeated") return tooLate(held, result.status);
  if (result.outcome === "not_open") {
    return new AppError("invalid_request", `It waits for "${result.key}", which is neither open nor recorded.`);
  }
  if (result.outcome === "other_number") {
    return new AppError("internal", `The store has no number for the job at "${result.key}".`);
  }
  if (result.outcome !== "limit_exceeded") return staleEpoch(held);
  const hint = "Map a task over many items instead of calling it for each, and split long bodies into tasks.";
  return new AppError("limit_exceeded", `The run has reached its limit of ${limits[result.limit]} ${result.limit}.`, {
    hint,
  });
}

/** The input of a map's run: what its children begin with. What does not fit the task fails the map, not its caller. */
function itemsInput({ key, items, concurrency, timeoutMs }: Extract<WaitSpec, { kind: "map" }>): Json {
  checkDistinct(
    items.map((item) => item.key),
    `"${key}"`,
  );
  const bound = concurrency === undefined ? {} : { concurrency };
  return { items, ...bound, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}
