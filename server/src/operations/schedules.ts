import {
  AppError,
  type Applied,
  canonicalText,
  isAppError,
  limits,
  type Manifest,
  nearestName,
  type PausedSchedule,
  type RemovedSchedule,
  type SchedulePage,
  type ScheduleSpec,
  type ScheduleView,
  type StartedRun,
  scheduleSpecSchema,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import { newScheduleState, rememberedOpen, type ScheduleRow } from "../core/index.ts";
import type { Random } from "../random.ts";
import type { EnqueueResult, ScheduleDeclaration, Store, Uniqueness } from "../store/store.ts";
import { tickAfter, timingDefect } from "../ticks.ts";
import type { Definitions } from "./definitions.ts";
import { dueAt } from "./due-ticks.ts";
import { type Control, plainControl } from "./requests.ts";
import { runView } from "./run-views.ts";
import type { Runs } from "./runs.ts";
import { scheduleView } from "./schedule-views.ts";
import { bindTick, type ScheduledRuns } from "./scheduled-runs.ts";

const dayMs = 86_400_000;
/** Schedules that are read whole at a time. */
const readTogether = 16;

export interface SchedulesOptions {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly runs: Runs;
  readonly scheduledRuns: ScheduledRuns;
  readonly namespace: string;
  readonly random: Random;
}

/** What people and programs ask of schedules. */
export class Schedules {
  readonly #store: Store;
  readonly #definitions: Definitions;
  readonly #runs: Runs;
  readonly #scheduledRuns: ScheduledRuns;
  readonly #namespace: string;
  readonly #random: Random;

  constructor({ store, definitions, runs, scheduledRuns, namespace, random }: SchedulesOptions) {
    this.#store = store;
    this.#definitions = definitions;
    this.#runs = runs;
    this.#scheduledRuns = scheduledRuns;
    this.#namespace = namespace;
    this.#random = random;
  }

  /**
   * Applies manifests, and with them the schedules of their definitions: those that are not named any more are withdrawn.
   * Without `specs` schedules stay as they are. Throws `invalid_definition`; then nothing was applied.
   */
  async apply(manifests: readonly Manifest[], specs?: readonly ScheduleSpec[]): Promise<Applied> {
    if (specs === undefined) return this.#definitions.apply(manifests);
    await this.#check(manifests, specs);
    const applied = await this.#definitions.apply(manifests);
    const roots = manifests.map(({ root }) => root);
    return { ...applied, schedules: await this.#declare(roots, specs) };
  }

  /** In the order of their ids, each with its next `next` ticks. */
  async list(query: { definition?: string; cursor?: string; limit: number; next: number }): Promise<SchedulePage> {
    const { definition, cursor, limit, next } = query;
    const rows = await this.#store.listSchedules({
      namespace: this.#namespace,
      limitRows: limit,
      ...(definition === undefined ? {} : { definition }),
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    const { now } = await this.#store.describe();
    const schedules = rows.map((row) => scheduleView(row, now, next));
    return { schedules, cursor: rows.length < limit ? null : (rows.at(-1)?.id ?? null) };
  }

  /** Throws `not_found`. */
  async get(id: string, next: number): Promise<ScheduleView> {
    const row = await this.#row(id);
    return scheduleView(row, (await this.#store.describe()).now, next);
  }

  /** No tick starts a run from now on, or ticks do again; those that were missed meanwhile are caught up with as it says. */
  async pause(
    id: string,
    { paused, reason = null }: { paused: boolean; reason?: string | null },
    control: Control = plainControl(this.#store),
  ): Promise<PausedSchedule> {
    const done = await control.pauseSchedule({ namespace: this.#namespace, id, paused, reason });
    if (done === undefined) throw await this.#unknown(id);
    const { now } = await this.#store.describe();
    return { schedule: scheduleView(done.schedule, now, 1), changed: done.changed };
  }

  /** Ends a schedule, until a definition that declares it is applied. Its runs go on. Throws `not_found`. */
  async remove(id: string, control: Control = plainControl(this.#store)): Promise<RemovedSchedule> {
    const row = control.hasBegun ? undefined : await this.#row(id);
    const { removed } = await control.removeSchedule({ namespace: this.#namespace, id });
    return { id, definition: row?.definition ?? null, removed };
  }

  /**
   * Starts a run with what the schedule says, as if a tick were now, also while it is paused. Under the overlaps `wait` and
   * `cancel` it takes its turn behind runs of the schedule that are under way, under the others it starts at once.
   */
  async start(id: string, requestKey?: string): Promise<StartedRun> {
    const schedule = await this.#row(id);
    const { manifestHash } = await this.#definitions.get(schedule.definition);
    const { now } = await this.#store.describe();
    const request: Uniqueness | null =
      requestKey === undefined
        ? null
        : { key: requestKey, hash: canonicalHash(["start the schedule", id]), retentionMs: dayMs };
    const tail = this.#random.bytes(9);
    const row = await this.#scheduledRuns.ofPerson({ schedule, now, manifestHash, tail, request });
    const [result] = await this.#store.enqueueRuns({ rows: [row] });
    const started = await this.#started(result);
    if (!started.existing) await this.#remember(id, started.run.id);
    return started;
  }

  async #started(result: EnqueueResult | undefined): Promise<StartedRun> {
    if (result?.outcome === "created") return { run: runView(result.run), existing: false };
    if (result?.outcome === "existing") return { run: await this.#runs.get(result.runId), existing: true };
    throw new AppError("request_conflict", "This Idempotency-Key was used for another request.", {
      hint: "Use a new key for each thing that is to be started.",
    });
  }

  /** Later ticks are to know of a run that a person started. A node that dies before leaves the run, which nobody forgets. */
  async #remember(id: string, runId: string): Promise<void> {
    for (;;) {
      const schedule = await this.#store.findSchedule({ namespace: this.#namespace, id });
      if (schedule === undefined) return;
      const { namespace, version, dueAt: due, state, spec } = schedule;
      const openRuns = rememberedOpen(spec, [...state.openRuns, runId]);
      const remembered = { ...state, lastRunId: runId, openRuns, started: state.started + 1 };
      const [result] = await this.#store.fireSchedules({
        rows: [{ namespace, id, version, dueAt: due, state: remembered, runs: [] }],
      });
      if (result?.outcome !== "stale") return;
    }
  }

  async #row(id: string): Promise<ScheduleRow> {
    const row = await this.#store.findSchedule({ namespace: this.#namespace, id });
    if (row === undefined) throw await this.#unknown(id);
    return row;
  }

  async #unknown(id: string): Promise<AppError> {
    const known = await this.#store.listSchedules({ namespace: this.#namespace, limitRows: limits.pageRows });
    const near = nearestName(
      id,
      known.map((schedule) => schedule.id),
    );
    const hint =
      near === undefined ? "holdfast schedules list shows the schedules there are." : `Did you mean "${near}"?`;
    return new AppError("not_found", `There is no schedule "${id}".`, { hint });
  }

  async #check(manifests: readonly Manifest[], specs: readonly ScheduleSpec[]): Promise<void> {
    if (specs.length > limits.batchRows) {
      throw new AppError("too_large", `${specs.length} schedules at once; ${limits.batchRows} are allowed.`);
    }
    const byRoot = new Map(manifests.map((manifest) => [manifest.root, manifest]));
    const ids = new Set<string>();
    for (const given of specs) {
      const parsed = scheduleSpecSchema.safeParse(given);
      if (!parsed.success) throw wrong(given.id, `${parsed.error.issues[0]?.message ?? "it is wrong"}`);
      const spec = parsed.data;
      if (ids.has(spec.id)) throw wrong(spec.id, "it is declared twice");
      ids.add(spec.id);
      const definition = byRoot.get(spec.definition)?.definitions[spec.definition];
      if (definition === undefined) throw wrong(spec.id, `its definition "${spec.definition}" is not applied with it`);
      const defect = timingDefect(spec);
      if (defect !== undefined) throw wrong(spec.id, `"${defect.part}": ${defect.message}`, defect.hint);
      const tick = tickAfter(spec, 0) ?? 0;
      try {
        await this.#definitions.fitGiven(definition, bindTick(spec.params, tick, spec.tz));
      } catch (error) {
        if (!isAppError(error, "invalid_input")) throw error;
        const hint = "What a schedule says has to be all that the definition takes.";
        throw wrong(spec.id, `with what its params say, ${error.message.replace(/\.$/, "")}`, hint);
      }
    }
  }

  async #declare(
    definitions: readonly string[],
    specs: readonly ScheduleSpec[],
  ): Promise<{ declared: string[]; withdrawn: string[] }> {
    const declared = new Set<string>();
    const withdrawn = new Set<string>();
    for (;;) {
      const before = await this.#existing(specs);
      const { now } = await this.#store.describe();
      const same = (spec: ScheduleSpec) => canonicalText(before.get(spec.id)?.spec) === canonicalText(spec);
      const kept = specs.filter((spec) => before.has(spec.id) && same(spec)).map(({ id }) => id);
      const rows = specs
        .filter(({ id }) => !kept.includes(id))
        .map((spec) => declaration(this.#namespace, spec, before.get(spec.id), now));
      const result = await this.#store.declareSchedules({ namespace: this.#namespace, definitions, rows, kept });
      for (const id of result.withdrawn) withdrawn.add(id);
      for (const [index, { id }] of rows.entries()) if (result.results[index] === "declared") declared.add(id);
      // A schedule that fired meanwhile is looked at again.
      if (!result.results.includes("stale")) return { declared: [...declared], withdrawn: [...withdrawn] };
    }
  }

  /** Those of the given that are there. Each may be as large as an input: of all others no more than the id is read. */
  async #existing(specs: readonly ScheduleSpec[]): Promise<ReadonlyMap<string, ScheduleRow>> {
    const given = new Set(specs.map(({ id }) => id));
    const found = new Map<string, ScheduleRow>();
    for (let after = ""; given.size > 0; ) {
      const rows = await this.#store.listSchedules({ namespace: this.#namespace, after, limitRows: limits.pageRows });
      const there = rows.filter(({ id }) => given.has(id));
      for (let at = 0; at < there.length; at += readTogether) {
        const some = there.slice(at, at + readTogether).map(({ id }) => id);
        const whole = await Promise.all(some.map((id) => this.#store.findSchedule({ namespace: this.#namespace, id })));
        for (const row of whole) if (row !== undefined) found.set(row.id, row);
      }
      if (rows.length < limits.pageRows) break;
      after = rows.at(-1)?.id ?? "";
    }
    return found;
  }
}

/** What changes but leaves the ticks where they are takes nothing from them: those that were missed are still to be caught up with. */
function declaration(
  namespace: string,
  spec: ScheduleSpec,
  before: ScheduleRow | undefined,
  now: number,
): ScheduleDeclaration {
  const isTimedAsBefore = before !== undefined && timingText(before.spec) === timingText(spec);
  const nextTick = isTimedAsBefore ? before.state.nextTick : tickAfter(spec, now);
  const state = { ...(before?.state ?? newScheduleState(nextTick)), nextTick };
  const { id, definition } = spec;
  const due = nextTick === null ? null : dueAt({ namespace, id, spec }, nextTick);
  return { id, definition, spec, state, dueAt: due, version: before?.version ?? null };
}

function timingText({ when, tz, startAt, endAt }: ScheduleSpec): string {
  return canonicalText({ when, tz, startAt, endAt });
}

function wrong(id: string, what: string, hint?: string): AppError {
  return new AppError("invalid_definition", `The schedule "${id}": ${what}.`, hint === undefined ? {} : { hint });
}
