// Step 2 of 6: a run is put into the store, with its key, its first event and, where this node has a free slot, its first
// claim, in one commit (P1, P3). The dispatcher (step 3, engine/dispatcher.ts) takes it from there.

import { createHash } from "node:crypto";
import {
  AppError,
  type CancelledRun,
  canonicalText,
  type DefinitionSpec,
  defaultQueue,
  isAppError,
  isEnded,
  type Json,
  limits,
  parseTraceparent,
  type RunPage,
  type RunView,
  type StartedRun,
  type StartRun,
  textDefect,
  traceparentText,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { Clock } from "../clock.ts";
import { isRunId, keyIdentity, type Limit, type NewRun, type RunRow, rootId } from "../core/index.ts";
import type { Random } from "../random.ts";
import { admitTexts } from "../store/admission.ts";
import { mayHaveMore } from "../store/page-bytes.ts";
import type { EnqueueResult, EnqueueRow, Store, Uniqueness } from "../store/store.ts";
import { noObserver, type Observer } from "../telemetry/observer.ts";
import type { Concurrency } from "./concurrency.ts";
import { conflict } from "./conflicts.ts";
import type { Definitions } from "./definitions.ts";
import { cleansUp } from "./expansion.ts";
import { checkInput } from "./input-bounds.ts";
import { refusals } from "./refusals.ts";
import { type Control, plainControl } from "./requests.ts";
import { listedRuns, type RunListing } from "./run-lists.ts";
import { pauseView, runView, shownWaits, signalView, waitView } from "./run-views.ts";

const dayMs = 86_400_000;
/** Of runs whose ids begin alike so many are looked at. */
const likeRuns = 20;
const shortestPrefix = 4;
/** How often a definition may be replaced while a run of it is being started. */
const rounds = 10;

/** The node's own dispatcher, as far as starting a run is concerned: a slot may be kept for a run that is about to be. */
export interface LocalSlots {
  /** The member to claim for, with a slot kept for the run; undefined when none is free. */
  reserve(runId: string): string | undefined;
  /** The run was created and claimed for the member: carry it out. */
  adopt(run: RunRow): void;
  /** The slot is not needed after all. `unsure`: the store's answer was lost, so the claim may stand. */
  release(runId: string, unsure: boolean): void;
}

export interface RunsOptions {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly concurrency: Concurrency;
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a key is remembered when the caller does not say. */
  readonly keyRetentionMs: number;
  /** Who is told of runs that end with the order to. */
  readonly observer?: Observer;
}

/** A row that can be enqueued, or why none can. */
export type PreparedRun = { readonly row: EnqueueRow } | { readonly refused: AppError; readonly judgedBy: string };

/** What people and programs ask of runs. */
export class Runs {
  readonly #store: Store;
  readonly #definitions: Definitions;
  readonly #concurrency: Concurrency;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keyRetentionMs: number;
  readonly #observer: Observer;
  #slots: LocalSlots | undefined;
  #redeem: (runId: string) => Promise<string | undefined> = async () => undefined;

  constructor(options: RunsOptions) {
    const { store, definitions, concurrency, namespace, clock, random, keyRetentionMs, observer } = options;
    this.#observer = observer ?? noObserver;
    this.#concurrency = concurrency;
    this.#keyRetentionMs = keyRetentionMs;
    this.#store = store;
    this.#definitions = definitions;
    this.#namespace = namespace;
    this.#clock = clock;
    this.#random = random;
  }

  /** From now on runs may start claimed for this node; undefined: no more. */
  useSlots(slots: LocalSlots | undefined): void {
    this.#slots = slots;
  }

  /** Runs that are not there may have been promised: `redeem` sees to that, and answers the id of the run that it came to. */
  useIntents(redeem: (runId: string) => Promise<string | undefined>): void {
    this.#redeem = redeem;
  }

  /** Starts a run, or answers the one that its key or request began before. `requestKey`: the caller's Idempotency-Key. */
  async start(request: StartRun, requestKey?: string): Promise<StartedRun> {
    const { definition } = request;
    checkInput(request.input ?? {}, definition);
    const id = this.#newId(request);
    const uniqueRequest = requestKey === undefined ? null : requestUniqueness(requestKey, request);
    for (let round = 0; round < rounds; round++) {
      const prepared = await this.prepare(request, id, { mayRefuse: true });
      if ("refused" in prepared) throw prepared.refused;
      const row = { ...prepared.row, request: uniqueRequest };
      const mayStartNow = row.run.startAfter === null && row.run.limits.length === 0;
      const started = await this.#enqueue(row, mayStartNow);
      if (started !== undefined) return started;
      this.#definitions.forget(definition);
    }
    throw restless(definition);
  }

  /**
   * The row of a run that is asked for, with its input as it is kept; or why there can be none, and the manifest that says so
   * (empty: its definition has none). A store that answers `outdated` to the row has forgotten nothing: `forget` and ask again.
   */
  async prepare(request: StartRun, id: string, { mayRefuse = false } = {}): Promise<PreparedRun> {
    const { definition, input: given = {} } = request;
    for (let round = 0; round < rounds; round++) {
      let judgedBy = "";
      let isCurrent = true;
      try {
        const { manifestHash, isFresh } = await this.#definitions.current(definition);
        judgedBy = manifestHash;
        isCurrent = isFresh;
        checkInput(given, definition);
        const spec = await this.#definitions.spec(manifestHash, definition);
        const key = request.key === undefined ? null : this.#runKey(request, request.key, given);
        admitTexts(given, "input");
        const input = await this.#definitions.fitGiven(spec, given, { mayRefuse });
        const limited = await this.#concurrency.limitsOfRoot(spec, input);
        const run = newRun({ id, namespace: this.#namespace, request, spec, manifestHash, limits: limited });
        const row = { key, request: null, claimFor: null, onlyIfCurrent: true };
        return { row: { run: { ...run, ...this.#concurrency.ageing, input }, ...row } };
      } catch (error) {
        if (!isAppError(error) || !refusals.has(error.code)) throw error;
        // What does not fit a manifest from memory may fit the one that has replaced it.
        const ofManifest = error.code === "invalid_input" || error.code === "invalid_definition";
        if (isCurrent || !ofManifest) return { refused: error, judgedBy };
      }
      this.#definitions.forget(definition);
    }
    throw restless(definition);
  }

  /** The run of this id, or of the only id that begins with it. Throws `not_found`, `ambiguous_id`. */
  async get(id: string): Promise<RunView> {
    const row = await this.row(id);
    const { id: runId } = row;
    const shown = { runId, limitRows: shownWaits };
    const [pauses, signals, waits] = await Promise.all([
      isEnded(row.status) ? [] : this.#store.findPauses({ runId }),
      isEnded(row.status) ? [] : this.#store.listSignals(shown),
      row.waiting === null ? [] : this.#store.listWaits(shown),
    ]);
    return {
      ...runView(row),
      ...(pauses.length === 0 ? {} : { pauses: pauses.map(pauseView) }),
      ...(waits.length === 0 ? {} : { waits: waits.map(waitView) }),
      ...(signals.length === 0 ? {} : { signals: signals.map(signalView) }),
    };
  }

  /** As `get`, as the store keeps it. */
  async row(id: string): Promise<RunRow> {
    const whole = await this.resolve(id);
    let row = await this.#store.findRun({ id: whole });
    if (row === undefined) {
      const redeemed = await this.#redeem(whole);
      if (redeemed !== undefined) row = await this.#store.findRun({ id: redeemed });
    }
    if (row === undefined || row.namespace !== this.#namespace) throw unknownRun(id);
    return row;
  }

  /** Newest first. Throws `not_found` and `ambiguous_id` for the parent. */
  async list({ parent, ...filter }: Omit<RunListing, "parentId"> & { readonly parent?: string }): Promise<RunPage> {
    const below = parent === undefined ? {} : { parentId: await this.resolve(parent) };
    return listedRuns({ store: this.#store, namespace: this.#namespace }, { ...filter, ...below });
  }

  /** A whole tree in the order of creation, at most `limit` runs, fewer where their errors are large, from after the run `after`. */
  async tree(id: string, { after, limit }: { after?: string; limit: number }): Promise<RunPage> {
    const { rootId: root } = await this.row(id);
    const rows = await this.#store.listTree({
      rootId: root,
      limitRows: limit,
      ...(after === undefined ? {} : { after }),
    });
    const cursor = mayHaveMore(rows, limit) ? (rows.at(-1)?.id ?? null) : null;
    return { runs: rows.map(runView), cursor };
  }

  /** Orders a run and everything below it to end (P6). Answers at once; the processes end when they have been told. */
  async cancel(
    id: string,
    { reason, force = false }: { reason?: string | undefined; force?: boolean | undefined } = {},
    control: Control = plainControl(this.#store),
  ): Promise<CancelledRun> {
    // A whole id is not looked up by `resolve`, and may be another namespace's.
    const { id: runId } = await this.row(id);
    const message = reason === undefined || reason === "" ? "It was cancelled." : `It was cancelled: ${reason}`;
    const ordered = await control.orderEnd({
      runId,
      ending: { status: "cancelled", error: { code: "cancelled", message } },
      data: { reason: reason ?? null },
      limitRows: limits.pageRows,
    });
    if (ordered === undefined) throw unknownRun(id);
    const forced = force ? await this.#force(runId, control) : 0;
    const run = await this.row(runId);
    // One that no activation was at work on has ended with the order: nobody else tells of it.
    if (ordered.requested > 0 && isEnded(run.status) && ordered.status === run.status) this.#observer.runsEnded([run]);
    return { run: runView(run), requested: ordered.requested, forced };
  }

  /** Once the order has reached everything below, ends what is still at work. Answers how many runs. */
  async #force(runId: string, control: Control): Promise<number> {
    const limitRows = limits.pageRows;
    while ((await this.#store.spreadOrders({ limitRows })).more);
    for (let forced = 0; ; ) {
      const { forced: ids, more } = await control.forceEnds({ runId, limitRows });
      forced += ids.length;
      if (!more) return forced;
    }
  }

  /** The whole id. Throws `not_found` and `ambiguous_id`. */
  async resolve(id: string): Promise<string> {
    const lower = id.toLowerCase();
    if (isRunId(lower)) return lower;
    if (!/^[0-9a-z]+$/.test(lower)) throw unknownRun(id);
    if (lower.length < shortestPrefix) throw tooShort(id);
    const ids = await this.#store.findRunIds({ namespace: this.#namespace, prefix: lower, limitRows: likeRuns });
    const [first, ...others] = ids;
    if (first === undefined) throw unknownRun(id);
    if (others.length === 0) return first;
    const found = await Promise.all(ids.map((like) => this.#store.findRun({ id: like })));
    const rows = found.filter((row) => row !== undefined);
    // The runs of a tree begin alike: whoever shortens one's id means the tree.
    const [root, ...more] = rows.filter(({ parentId }) => parentId === null);
    if (root !== undefined && more.length === 0 && rows.every(({ rootId: tree }) => tree === root.id)) return root.id;
    const names = rows.slice(0, 5).map((row) => `${row.id} (${row.name})`);
    throw new AppError("ambiguous_id", `More than one run's id begins with "${id}".`, {
      hint: `Give more of it: ${names.join(", ")}${rows.length > names.length ? ", …" : ""}.`,
      details: { runIds: rows.map((row) => row.id) },
    });
  }

  /** Undefined when the row's manifest has been replaced. */
  async #enqueue(row: EnqueueRow, mayStartNow: boolean): Promise<StartedRun | undefined> {
    const slots = mayStartNow ? this.#slots : undefined;
    const claimFor = slots?.reserve(row.run.id) ?? null;
    let result: EnqueueResult | undefined;
    try {
      [result] = await this.#store.enqueueRuns({ rows: [{ ...row, claimFor }] });
    } catch (error) {
      if (claimFor !== null) slots?.release(row.run.id, true);
      throw error;
    }
    if (result === undefined) throw new Error("the store answered no result for a row");
    if (result.outcome === "created" && result.run.claimedBy !== null) slots?.adopt(result.run);
    // An insert that is there already may be our own, repeated because its answer was lost, and its claim stands.
    else if (claimFor !== null) slots?.release(row.run.id, result.outcome === "existing");
    if (result.outcome === "outdated") return undefined;
    if (result.outcome === "created") return { run: runView(result.run), existing: false };
    if (result.outcome === "existing") return { run: await this.#began(row, result.runId), existing: true };
    throw conflict(result.outcome, row, result.runId);
  }

  /** The run that a key or request began before. */
  async #began({ key }: EnqueueRow, runId: string): Promise<RunView> {
    const run = await this.#store.findRun({ id: runId });
    if (run !== undefined) return runView(run);
    const what = key === null ? "This request" : `The key "${key.key}"`;
    throw new AppError("run_ended", `${what} began the run ${runId}, which has ended and is past its retention.`, {
      hint: "A key outlives its run, so that nothing is done twice. Use another key to do it again.",
      details: { runId },
    });
  }

  #runKey({ keyRetentionMs, definition }: StartRun, key: string, input: Json): Uniqueness {
    return { key, hash: canonicalHash([definition, input]), retentionMs: keyRetentionMs ?? this.#keyRetentionMs };
  }

  #newId({ definition, key }: StartRun): string {
    const now = this.#clock.now();
    if (key === undefined) return rootId(now, this.#random.bytes(9));
    const defect = textDefect(key);
    if (defect !== undefined) throw new AppError("invalid_request", `The key contains a ${defect}.`);
    const hash = createHash("sha256")
      .update(keyIdentity(this.#namespace, definition, key))
      .digest();
    return rootId(now, hash);
  }
}

/** The root that a request asks for, without its input. */
export function newRun(args: {
  id: string;
  namespace: string;
  request: StartRun;
  spec: DefinitionSpec;
  manifestHash: string;
  limits: readonly Limit[];
}): Omit<NewRun, "input"> {
  const { id, namespace, request, spec, manifestHash, limits: limited } = args;
  return {
    id,
    rootId: id,
    parentId: null,
    namespace,
    kind: spec.kind,
    definition: spec.id,
    workflow: null,
    manifestHash,
    name: spec.id,
    item: null,
    itemIndex: null,
    key: request.key ?? null,
    trace: traceOf(request),
    depth: 0,
    queue: spec.kind === "task" ? spec.queue : defaultQueue,
    priority: request.priority ?? spec.priority,
    rule: "all_success",
    limits: limited,
    startAfter: request.startAfter === undefined ? null : Date.parse(request.startAfter),
    expiresAfterMs: request.expiresAfterMs ?? spec.expiresAfterMs ?? null,
    blockedBy: 0,
    ...cleansUp(spec),
  };
}

/** What the store says of a definition never agrees with what it is asked to keep. */
function restless(definition: string): AppError {
  const message = `"${definition}" was replaced ${rounds} times while a run of it was to start, or its rows contradict each other.`;
  return new AppError("invalid_definition", message, {
    hint: `Start it again. If that does not help, apply "${definition}" again.`,
  });
}

/** The error for an id that names no run here. */
export function unknownRun(id: string): AppError {
  return new AppError("not_found", `There is no run "${id}".`, {
    hint: "holdfast runs list shows the runs there are.",
  });
}

/** What is no traceparent is ignored, as the rule of these headers wants it. */
function traceOf({ traceparent }: StartRun): string | null {
  const context = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return context === undefined ? null : traceparentText(context);
}

/** A repeat may come under another span: that changes nothing of what is asked. */
function requestUniqueness(key: string, { traceparent: _, ...request }: StartRun): Uniqueness {
  return { key, hash: canonicalHash(JSON.parse(canonicalText(request))), retentionMs: dayMs };
}

function tooShort(id: string): AppError {
  return new AppError("ambiguous_id", `"${id}" is too short to name one run.`, {
    hint: `Give at least ${shortestPrefix} characters of its id.`,
  });
}
