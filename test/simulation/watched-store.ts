import { isEnded, type Manifest } from "@holdfast/protocol";
import type { JobNote, JobNoteResult } from "../../server/src/core/index.ts";
import { isCleaningUp, judgeRule, type ObligationRow, outcomeOf, type RunRow } from "../../server/src/core/index.ts";
import type { ClaimedCleanUps } from "../../server/src/store/obligation-verbs.ts";
import type { Store } from "../../server/src/store/store.ts";
import type { Script } from "./bodies.ts";
import { Breach, check } from "./breach.ts";
import { JobChecks } from "./job-checks.ts";
import type { Outside } from "./outside.ts";

// The promises, looked at after every verb that changes something (P2, P3, P6, P10).

const changing: ReadonlySet<string> = new Set([
  "enqueueRuns",
  "claimRuns",
  "claimCleanUps",
  "finishActivations",
  "commitSteps",
  "expandRuns",
  "openWaits",
  "signalRun",
  "orderEnd",
  "spreadOrders",
  "wakeRuns",
  "expireRuns",
  "fireSchedules",
  "consumeEvents",
  "restartRuns",
  "markRuns",
  "forceEnds",
  "forceOverdue",
  "noteObligations",
  "pauseRuns",
  "resumeRuns",
  "carryOutOnce",
  "leaveMember",
  "judgeMembers",
  "claimJobs",
  "noteJobs",
]);

const claims: ReadonlySet<string> = new Set(["claimRuns", "claimJobs"]);

/** By which a person takes an end back. */
const decided: ReadonlySet<string> = new Set(["restartRuns", "markRuns"]);

const ofActivations: ReadonlySet<string> = new Set(["finishActivations", "commitSteps", "expandRuns"]);

export interface WatchOptions {
  readonly store: Store;
  readonly namespace: string;
  readonly manifests: readonly Manifest[];
  /** Answers false when a member that was judged gone was alive and well. */
  readonly mayBeJudged: (memberId: string) => boolean;
  /** Whether a body of this activation has not ended. */
  readonly isAtWork: (runId: string, epoch: number) => boolean;
  readonly outside: () => Pick<Outside, "seen">;
}

export class Watch {
  readonly store: Store;
  readonly jobs: JobChecks;
  readonly #options: WatchOptions;
  readonly #workflows = new Map<string, Manifest>();
  #before = new Map<string, RunRow>();
  #owed = new Map<string, ObligationRow>();
  /** Jobs that are to be brought to an end. */
  #owedJobs: readonly string[] = [];
  /** Of each rate, the starts within its time. */
  readonly #starts = new Map<string, { readonly at: number; readonly of: string }[]>();
  breach: Breach | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    for (const manifest of options.manifests) this.#workflows.set(manifest.root, manifest);
    this.jobs = new JobChecks(options);
    this.store = this.#watched(options.store);
  }

  /** Every run as it was after the last change. */
  get rows(): ReadonlyMap<string, RunRow> {
    return this.#before;
  }

  /** What is to be brought to an end and has not been, in words. */
  get owed(): readonly string[] {
    return [...this.#owed.keys(), ...this.#owedJobs];
  }

  /** The store as the fleet writes to it: what an epoch that is not the run's says may change nothing (P2). */
  fenced(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const verb: unknown = Reflect.get(target, name, target);
        if (name === "noteJobs") return (args: { rows: readonly JobNote[] }) => this.#note(target, args.rows);
        if (typeof verb !== "function" || typeof name !== "string" || !ofActivations.has(name)) {
          return typeof verb === "function" ? verb.bind(target) : verb;
        }
        return async (args: { rows: readonly { runId: string; epoch: number }[] }) => {
          const epochs = args.rows.map(({ runId }) => this.#before.get(runId)?.epoch);
          const results = (await verb.call(target, args)) as { outcome: string }[];
          for (const [i, { epoch }] of args.rows.entries()) {
            const changed = results[i]?.outcome === "finished" || results[i]?.outcome === "recorded";
            if (changed && epoch !== epochs[i]) this.report(`P2 epoch ${epoch} changed a run of epoch ${epochs[i]}`);
          }
          return results;
        };
      },
    });
  }

  async #note(store: Store, rows: readonly JobNote[]): Promise<JobNoteResult[]> {
    const epochs = rows.map(({ jobId }) => this.jobs.epochOf(jobId));
    const results = await store.noteJobs({ rows });
    await this.#safely("noteJobs", async () => this.jobs.noted(rows, epochs, results));
    return results;
  }

  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const verb: unknown = Reflect.get(target, name, target);
        if (typeof verb !== "function" || typeof name !== "string" || !changing.has(name)) {
          return typeof verb === "function" ? verb.bind(target) : verb;
        }
        return async (args: unknown) => {
          const answer: unknown = await verb.call(target, args);
          if (name === "judgeMembers") this.#checkJudged(answer as { judged: string[] });
          if (name === "claimRuns") await this.#safely(name, () => this.#unpaused(answer as RunRow[]));
          // Much of a fleet's time is asking in vain: what was handed to nobody is as it was.
          if (claims.has(name) && (answer as unknown[]).length === 0) return answer;
          if (name === "claimCleanUps" && (answer as ClaimedCleanUps).runs.length === 0) return answer;
          await this.#look(name === "carryOutOnce" ? (args as { call: { verb: string } }).call.verb : name);
          return answer;
        };
      },
    });
  }

  async #safely(verb: string, look: () => Promise<void>): Promise<void> {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof Breach)) throw error;
      this.report(`after ${verb}: ${error.message}`);
    }
  }

  #checkJudged({ judged }: { judged: string[] }): void {
    for (const id of judged) {
      if (!this.#options.mayBeJudged(id)) this.report(`P1 member ${id} was judged gone while it was alive`);
    }
  }

  async #look(verb: string): Promise<void> {
    const { store, namespace } = this.#options;
    const { runs } = await store.listRuns({ namespace, rootsOnly: false, limitRows: 1_000 });
    const rows = new Map(runs.map((run) => [run.id, run]));
    const isPresent = (run: RunRow) => rows.get(run.parentId ?? "")?.generation === run.parentGeneration;
    const children = Map.groupBy(runs.filter(isPresent), (run) => run.parentId);
    const changed = runs.filter((run) => this.#before.get(run.id) !== run);
    await this.#safely(verb, async () => {
      for (const run of changed) {
        this.#compare(this.#before.get(run.id), run, verb);
        this.#heed(this.#before.get(run.id), run);
        await this.#history(this.#before.get(run.id), run);
        await this.#awaits(run);
        this.#started(this.#before.get(run.id), run);
        await this.#inLine(run);
      }
      for (const run of runs) this.#consistent(run, children.get(run.id) ?? []);
      this.#limited(runs);
      await this.#obligations(runs, verb);
    });
    this.#before = rows;
  }

  #compare(before: RunRow | undefined, run: RunRow, verb: string): void {
    if (before === undefined) return;
    if (verb === "finishActivations" && run.status === "succeeded") this.#keyed(before, run);
    check(run.epoch >= before.epoch, `P2 the epoch of ${run.name} fell`);
    check(run.attempt >= before.attempt, `the attempt of ${run.name} fell`);
    check(run.lastEvent >= before.lastEvent, `P10 the last event of ${run.name} fell`);
    if (isEnded(before.status) && !decided.has(verb))
      check(run.status === before.status, `${run.name} left its end ${before.status} for ${run.status}`);
    check(run.generation >= before.generation, `the generation of ${run.name} fell`);
    if (before.status === "cancelling" && isEnded(run.status)) {
      check(run.status === before.ending?.status, `P6 ${run.name} was cancelling and ended ${run.status}`);
    }
    if (!decided.has(verb)) this.#cleaned(before, run);
    // One that was cleared starts again instead of ending, in a generation of its own.
    const isAnew = before.ending?.again !== undefined && run.generation === before.generation + 1;
    if (before.ending !== null && !isAnew && !(isEnded(before.status) && decided.has(verb)))
      check(run.ending !== null, `P6 the cancel of ${run.name} was forgotten`);
  }

  /** P6: who was cut off after it had begun ends once its clean-up is over, or passed over by force. */
  #cleaned(before: RunRow, run: RunRow): void {
    const { ending } = run;
    if (isEnded(before.status) || !isEnded(run.status) || ending === null || before.ending?.again !== undefined) return;
    const isCut = ending.status === "cancelled" || ending.error.code === "expired";
    if (!before.cleansUp || run.startedAt === null || !isCut) return;
    check(ending.cleanUp === null, `P6 ${run.name} ended without its clean-up`);
  }

  /** Whatever part of a tree an order has reached, nothing below its run begins, and no child is put below a run that heeds it. */
  #heed(before: RunRow | undefined, run: RunRow): void {
    if (before === undefined) {
      const parent = this.#before.get(run.parentId ?? "");
      check(parent?.status !== "cancelling", `P6 ${run.name} was put below ${parent?.name}, which is cancelling`);
      return;
    }
    if (run.claimedBy === null || run.epoch === before.epoch || isCleaningUp(run)) return;
    for (let above = this.#parentOf(run); above !== undefined; above = this.#parentOf(above)) {
      check(above.status !== "cancelling", `P6 ${run.name} was started below ${above.name}, which is cancelling`);
    }
  }

  /** U1 (core/pauses.ts): nothing is started over which a pause stands that was acknowledged. */
  async #unpaused(runs: readonly RunRow[]): Promise<void> {
    for (const run of runs) {
      const pauses = await this.#options.store.findPauses({ runId: run.id });
      check(pauses.length === 0, `U1 ${run.name} was started under a pause of ${pauses[0]?.kind} ${pauses[0]?.name}`);
    }
  }

  /** P6: whoever is at work for a run that is to end owes its end, also once the run has ended by force; nobody else owes anything. */
  async #obligations(runs: readonly RunRow[], verb: string): Promise<void> {
    const { store, namespace } = this.#options;
    const all = await store.listObligations({ namespace, limitRows: 1_000 });
    const ofJobs = all.filter(({ kind }) => kind === "external_job");
    this.#owedJobs = ofJobs.map(({ subject }) => subject);
    await this.jobs.look(new Map(runs.map((run) => [run.id, run])), ofJobs);
    const open = all.filter(({ kind }) => kind === "activation");
    const owed = new Map(open.map((row) => [`${row.runId}@${row.subject}`, row]));
    const waiting = new Set<string>();
    const dueOf = new Set(all.flatMap(({ kind, runId }) => (kind === "clean_up" ? runId : [])));
    for (const run of runs) {
      const { id, name, epoch, status, claimedBy } = run;
      check(isCleaningUp(run) === dueOf.has(id), `P6 the clean-up of ${name}, which is ${status}, is owed wrongly`);
      if (status !== "cancelling" || claimedBy === null || isCleaningUp(run)) continue;
      waiting.add(`${id}@${epoch}`);
      check(owed.has(`${id}@${epoch}`), `P6 nobody owes the end of ${name} in epoch ${epoch}`);
    }
    for (const [place, { forcedAt }] of owed) {
      check(forcedAt !== null || waiting.has(place), `P6 ${place} is owed and nobody waits for it`);
    }
    const members = await store.listMembers({ namespace });
    for (const [place, { runId, subject, memberId }] of this.#owed) {
      const isGone = members.find(({ id }) => id === memberId)?.endedAt !== null;
      // The end that a body itself says meets what it owes; it ends when that is answered.
      if (owed.has(place) || isGone || ofActivations.has(verb) || verb === "openWaits") continue;
      check(!this.#options.isAtWork(runId, Number(subject)), `P6 ${place} counts as ended and is at work`);
    }
    this.#owed = owed;
  }

  #parentOf(run: RunRow): RunRow | undefined {
    return this.#before.get(run.parentId ?? "");
  }

  async #history(before: RunRow | undefined, run: RunRow): Promise<void> {
    const after = before?.lastEvent ?? 0;
    if (run.lastEvent === after) return;
    const events = await this.#options.store.listEvents({ runId: run.id, after, limitRows: 100 });
    const numbers = events.map((event) => event.number);
    const expected = Array.from({ length: run.lastEvent - after }, (_, i) => after + 1 + i);
    check(String(numbers) === String(expected), `P10 ${run.name} has events ${numbers} where ${expected} are due`);
    const { id: runId, generation } = run;
    for (const { type, data } of events) {
      const { key } = (data ?? {}) as { readonly key?: string };
      if (type !== "run.woken" || key === undefined || generation !== (before?.generation ?? 1)) continue;
      // Who has waited to start afresh was woken by a job of the generation before.
      const each = [generation, generation - 1].map((of) => this.#options.store.listSteps({ runId, generation: of }));
      const steps = (await Promise.all(each)).flat();
      check(
        steps.some((step) => step.key === key),
        `P3 ${run.name} was woken by "${key}", of which there is no record`,
      );
    }
  }

  /** P7: what waits holds nothing; and what it waits for is open, as it was counted. */
  async #awaits(run: RunRow): Promise<void> {
    const waits = await this.#options.store.listWaits({ runId: run.id, limitRows: 1_000 });
    check(
      waits.length === (run.waiting?.open ?? 0),
      `${run.name} counts ${run.waiting?.open} waits of ${waits.length}`,
    );
    if (run.status !== "waiting" || run.waiting === null) return;
    check(run.claimedBy === null, `P7 ${run.name} waits and is held by ${run.claimedBy}`);
    const { awaits } = run.waiting;
    check(awaits !== null && awaits.length > 0, `P1 ${run.name} waits for nothing`);
    for (const [group, count] of (awaits ?? []).entries()) {
      const open = waits.filter(({ epoch, groups }) => epoch === run.epoch && groups.includes(group));
      check(count > 0 && open.length === count, `P1 ${run.name} waits for ${count} of ${open.length} in a group`);
    }
  }

  #consistent(run: RunRow, own: readonly RunRow[]): void {
    if (isEnded(run.status) || run.status === "pending" || run.status === "waiting" || run.status === "ready") {
      check(run.claimedBy === null, `${run.name} is ${run.status} and still claimed`);
    }
    if (run.status === "running") check(run.claimedBy !== null, `${run.name} runs and nobody holds it`);
    const open = own.filter((child) => !isEnded(child.status));
    check(
      run.openChildren === open.length,
      `P3 ${run.name} counts ${run.openChildren} open children of ${open.length}`,
    );
    if (isEnded(run.status)) check(open.length === 0, `${run.name} ended before its children`);
    if (run.status === "waiting" && run.waiting === null) check(open.length > 0, `P1 ${run.name} waits for nothing`);
    if (run.kind === "workflow") this.#graph(run, own);
  }

  /** L2: never more starts than slots within the time of a rate; one that was put in line by its input was none. */
  #started(before: RunRow | undefined, run: RunRow): void {
    if (before !== undefined && before.claimedBy !== null && before.startedAt !== null && run.startedAt === null) {
      for (const { id } of before.limits) {
        const starts = this.#starts.get(id) ?? [];
        this.#starts.set(
          id,
          starts.filter(({ of }) => of !== `${before.id}#${before.epoch}`),
        );
      }
    }
    if (run.claimedAt === null || run.epoch === before?.epoch || isCleaningUp(run)) return;
    for (const { id, slots, hold, perMs } of run.limits) {
      if (perMs === undefined || (hold === "run" && before?.startedAt != null)) continue;
      const { claimedAt } = run;
      const start = `${run.id}#${run.epoch}`;
      // Two looks that overlap see the same start.
      const within = (this.#starts.get(id) ?? []).filter(({ at, of }) => at > claimedAt - perMs && of !== start);
      within.push({ at: claimedAt, of: start });
      this.#starts.set(id, within);
      check(within.length <= slots, `L2 ${within.length} started within ${perMs} ms where ${id} allows ${slots}`);
    }
  }

  /** L1: who stands in line and has not begun holds nothing of what it waits for, unless it is out of its fair line. */
  async #inLine({ id, name, gate, startedAt, limits }: RunRow): Promise<void> {
    if (gate === null || startedAt !== null) return;
    const line = limits.findIndex(({ ageingMs }) => ageingMs !== undefined);
    const isOut = line >= 0 && line < limits.findIndex((limit) => limit.id === gate);
    for (const limit of limits.slice(isOut ? line + 1 : 0)) {
      const found = await this.#options.store.findLimit({ id: limit.id, limitRows: 1_000 });
      check(found?.holders.includes(id) !== true, `L1 ${name} stands at ${gate} and holds ${limit.id}`);
    }
  }

  /** A body that has said its end had a slot of the key that its input names, though that was bound after its first claim. */
  #keyed(before: RunRow, run: RunRow): void {
    const spec = this.#workflows.get(run.definition)?.definitions[run.definition];
    if (run.kind !== "task" || spec?.concurrencyKey === undefined || before.status === run.status) return;
    const key = this.#scriptOf(run).end;
    const has = run.limits.some(({ id }) => id.endsWith(`/key/${run.definition}:${key}`));
    check(has, `L1 ${run.name} ran without a slot of its key ${key}`);
  }

  #scriptOf(run: RunRow): Script {
    if (run.input !== undefined) return run.input as unknown as Script;
    const flow = this.#workflows.get(run.workflow ?? "")?.definitions[run.workflow ?? ""];
    const node = flow?.kind === "workflow" ? flow.nodes.find(({ name }) => name === run.name) : undefined;
    if (node?.kind !== "call" || !("const" in node.args)) throw new Breach(`${run.name} has no script`);
    return node.args.const as unknown as Script;
  }

  /** L1 (core/limits.ts): never more are under way than a limit has slots, whatever the store believes of who holds them. */
  #limited(runs: readonly RunRow[]): void {
    const underWay = new Map<string, number>();
    for (const run of runs) {
      const { limits, status, claimedBy, startedAt } = run;
      for (const { id, slots, hold, perMs } of limits) {
        // A clean-up stands in no line, and what its run held for an activation it has given back.
        if (perMs !== undefined || (hold === "activation" && isCleaningUp(run))) continue;
        const counts = hold === "activation" ? claimedBy !== null : startedAt !== null && !isEnded(status);
        const count = (underWay.get(id) ?? 0) + Number(counts);
        underWay.set(id, count);
        check(count <= slots, `L1 ${count} are under way where ${id} allows ${slots}`);
      }
    }
  }

  #graph(run: RunRow, children: readonly RunRow[]): void {
    const spec = this.#workflows.get(run.definition)?.definitions[run.definition];
    if (spec?.kind !== "workflow" || children.length === 0) return;
    const byName = new Map(children.map((child) => [child.name, child]));
    for (const node of spec.nodes) {
      const child = byName.get(node.name);
      if (child === undefined) throw new Breach(`${run.name} lacks its node ${node.name}`);
      const upstreams = node.upstream.map((name) => byName.get(name)).filter((up) => up !== undefined);
      const blocked = upstreams.filter((up) => !isEnded(up.status)).length;
      if (isEnded(child.status)) continue;
      check(child.blockedBy === blocked, `P3 ${node.name} counts ${child.blockedBy} open upstreams of ${blocked}`);
      if (child.status === "pending") check(blocked > 0, `P1 ${node.name} is pending and nothing blocks it`);
      else check(blocked === 0, `${node.name} is ${child.status} before its upstreams ended`);
      if (upstreams.length > 0 && child.status !== "pending" && child.status !== "cancelling") {
        const counts = { succeeded: 0, failed: 0, skipped: 0 };
        for (const up of upstreams) counts[outcomeOf(up)] += 1;
        check(judgeRule(node.rule, counts) === "start", `${node.name} started against its rule ${node.rule}`);
      }
    }
  }

  /** Told by whoever sees a promise broken; the first is kept. */
  report(text: string): void {
    this.breach ??= new Breach(text);
  }
}
