import { isDeepStrictEqual } from "node:util";
import {
  changesOf,
  claimed,
  isClaimable,
  isPauseGate,
  isTrackable,
  type JobRow,
  mayJudge,
  type RunRow,
} from "../../core/index.ts";
import { answer, promised } from "../contract/histories.contract.ts";
import type { StoreCall } from "../contract/history-calls.contract.ts";
import { namespace, plain } from "../contract/world.contract.ts";
import { Memory } from "../memory/memory.ts";
import { memoryStoreOn } from "../memory/memory-store.ts";
import type { Store } from "../store.ts";
import type { Witnessed } from "./lanes.fixture.ts";

// The memory store as the serial order of calls that ran side by side: what they answered and what they left must be what
// some order of them, one after the other, answers and leaves. One thing is granted to calls beside others, and only where it
// was seen that others held the rows: claims, wakes and judges pass over what is held.
//
// A run over which a pause stands is not claimed here, and stays where it is: at which pause's gate a claim has put it is the
// store's own affair. While anything is paused, a claim may answer fewer than there are, and an enqueue may leave the claim to others.

/** A call at its moment; `work` with what was witnessed of it. */
export interface Moment {
  readonly at: number;
  readonly work: Pick<Witnessed, "call" | "answer" | "passedOver">;
}

export class SerialModel {
  readonly store: Store;
  readonly #memory: Memory;
  /** Whether anything was paused so far, or is about to be beside this. */
  hasPaused = false;
  #now = 0;
  #passedOver: ReadonlySet<string> = new Set();

  constructor() {
    this.#memory = new Memory(
      { now: () => this.#now },
      {
        mayJudge: (judge, member, now) => {
          const isHeld = [...this.#passedOver].some((id) => this.#memory.presences.get(id) === member);
          return !isHeld && mayJudge(judge, member, now);
        },
      },
    );
    this.store = memoryStoreOn(this.#memory, "model");
  }

  /** What the call answers here. */
  async play({ at, work }: Moment): Promise<unknown> {
    const { call } = work;
    this.#now = at;
    this.hasPaused ||= call.verb === "pauseRuns";
    this.#passedOver = work.passedOver;
    if (call.verb === "claimRuns" && isAnswered(work.answer)) return this.#claim(work);
    if (call.verb === "claimJobs" && isAnswered(work.answer)) return this.#claimJobs(work);
    if (call.verb === "leaveMember" || call.verb === "judgeMembers") return this.#end(call);
    if (call.verb === "wakeRuns") return this.#wake();
    if (call.verb === "enqueueRuns") return answer(this.store, this.#leftToOthers(work));
    return answer(this.store, call);
  }

  /** Everything that is remembered, as `contentsOf` reads it from PostgreSQL. */
  contents(): Contents {
    const { runs, events, logs, steps, members, obligations, schedules, waits } = this.#memory;
    const rows = this.#runs().map(withoutPauseGate);
    const ids = rows.map(({ id }) => id);
    const listed = [...members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const edges = runs.links(ids).edges.map(({ upstream, downstream }) => `${upstream} ${downstream}`);
    const histories = ids.map((id) => ({
      id,
      events: events.ofRun(id, 0, 10_000),
      lines: logs.ofRun(id, 0, 10_000).lines,
      steps: steps.list(id, runs.find(id)?.generation ?? 1),
    }));
    const owed = obligations.all().sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
    const open = waits.content().flatMap((change) => {
      if (change.is !== "wait") return [];
      const { runId, generation, key, kind, childId, jobId, groups } = change.wait;
      const names = [runId, generation, key, kind, childId, jobId, JSON.stringify(groups)];
      return [names.filter((name) => name !== null).join(" ")];
    });
    const scheduled = schedules
      .list(namespace)
      .map(({ namespace: _, definition: __, declaredAt: ___, ...schedule }) => schedule);
    return plain({
      ...{ runs: rows, edges: edges.sort(), members: listed, histories },
      ...{ obligations: owed, schedules: scheduled, jobs: this.#jobs().sort(byId), waits: open.sort() },
    });
  }

  #runs(): RunRow[] {
    return this.#memory.runs.list(namespace, false, undefined).flatMap((id) => this.#memory.runs.find(id) ?? []);
  }

  /** The first runs that can be claimed, but those that were held and not claimed. */
  #claim({ call, answer: said, passedOver }: Moment["work"]): unknown {
    const { memberId, queues, limitRows } = call.args as Parameters<Store["claimRuns"]>[0];
    if (!this.#memory.isMember(memberId)) return { refused: "member_gone" };
    const [there] = (said as { answered: [RunRow[]] }).answered;
    const taken = new Set(there.map(({ id }) => id));
    const order = new Map(this.#runs().map(({ id }, place) => [id, place]));
    const held = new Set(this.#runs().flatMap(({ spreading, rootId }) => (spreading ? rootId : [])));
    const isPausing = this.#memory.pauses.content().length > 0;
    const due = this.#runs()
      .filter((run) => isClaimable(run) && !held.has(run.rootId) && (queues === null || queues.includes(run.queue)))
      .filter(({ id }) => this.#memory.pauses.over(this.#memory.runs.chain(id)).length === 0)
      .filter(({ id }) => taken.has(id) || !(isPausing || passedOver.has(id)))
      .sort((a, b) => a.rank - b.rank || (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
      .slice(0, limitRows);
    const rows = due.map((run) => {
      const { row, data } = claimed(run, memberId, this.#now);
      const event = { run: row, number: row.lastEvent, type: "run.started", at: this.#now, data } as const;
      this.#memory.apply(changesOf({ updated: [row], events: [event] }));
      return row;
    });
    return { answered: plain([rows]) };
  }

  /** The call without those claims of its own that it has seen fit not to make, where something is or was being paused. */
  #leftToOthers({ call, answer: said }: Moment["work"]): StoreCall {
    if (!isAnswered(said) || !this.hasPaused) return call;
    const { rows } = call.args as Parameters<Store["enqueueRuns"]>[0];
    const results = said.answered[0] as Awaited<ReturnType<Store["enqueueRuns"]>>;
    const asked = rows.map((row, place) => {
      const result = results[place];
      return result?.outcome === "created" && result.run.claimedBy === null ? { ...row, claimFor: null } : row;
    });
    return { verb: call.verb, args: { rows: asked } };
  }

  /** The first jobs that can be claimed, but those that were held and not claimed. */
  #claimJobs({ call, answer: said, passedOver }: Moment["work"]): unknown {
    const { memberId, limitRows } = call.args as Parameters<Store["claimJobs"]>[0];
    if (!this.#memory.isMember(memberId)) return { refused: "member_gone" };
    const [there] = (said as { answered: [JobRow[]] }).answered;
    const taken = new Set(there.map(({ id }) => id));
    const isBodys = ({ submission, ref, runId }: JobRow) =>
      submission === "own" && ref === null && this.#memory.runs.find(runId)?.claimedBy != null;
    const free = this.#jobs()
      .filter((job) => isTrackable(job) && !isBodys(job) && (taken.has(job.id) || !passedOver.has(job.id)))
      .sort((a, b) => a.openedAt - b.openedAt || byId(a, b))
      .slice(0, limitRows);
    const rows = free.map((job) => ({ ...job, memberId, epoch: job.epoch + 1 }));
    for (const job of rows) this.#memory.jobs.put(job);
    return { answered: plain([rows]) };
  }

  /** A member ends: jobs of its that others held stay its own until the next who looks. */
  async #end(call: StoreCall): Promise<unknown> {
    const before = this.#jobs().filter(({ id, memberId }) => memberId !== null && this.#passedOver.has(id));
    const said = await answer(this.store, call);
    for (const job of before) if (this.#memory.jobs.find(job.id)?.memberId === null) this.#memory.jobs.put(job);
    return said;
  }

  #jobs(): JobRow[] {
    return this.#memory.jobs.content().flatMap((change) => (change.is === "job" ? [change.job] : []));
  }

  #wake(): unknown {
    const due = this.#runs().filter(
      ({ id, status, wakeAt }) =>
        status === "ready" && wakeAt !== null && wakeAt <= this.#now && !this.#passedOver.has(id),
    );
    for (const run of due) this.#memory.runs.put({ ...run, wakeAt: null });
    return { answered: [{ woken: due.length }] };
  }
}

export interface Contents {
  readonly runs: readonly RunRow[];
  /** Edges that have not been flipped. */
  readonly edges: readonly string[];
  readonly members: readonly unknown[];
  readonly obligations: readonly unknown[];
  readonly schedules: readonly unknown[];
  readonly jobs: readonly JobRow[];
  /** The open waits of bodies, in words. */
  readonly waits: readonly string[];
  readonly histories: readonly { readonly id: string; readonly events: readonly unknown[] }[];
}

/** What a call answered, as far as it is promised beside others. */
export function promisedBeside(call: StoreCall, said: unknown): unknown {
  const value = withoutPauseGates(promised(call, said));
  if (!isAnswered(value)) return value;
  const [first] = value.answered;
  // How long until the next is due is asked for after the commit.
  if (call.verb === "wakeRuns") return { woken: (first as { woken: number }).woken };
  if (call.verb === "expireRuns") return { expired: (first as { expired: number }).expired };
  if (call.verb !== "commitSteps") return value;
  // Of a step that others raced for, the one who recorded it may be told so, or be answered with its own record.
  const { rows } = call.args as Parameters<Store["commitSteps"]>[0];
  return (first as { outcome: string; value?: unknown }[]).map((result, index) =>
    result.outcome === "recorded" ? { outcome: "existing", value: rows[index]?.value } : result,
  );
}

/** In the order of the database, for keys that are digits and letters. */
function placeOf({
  runId,
  kind,
  subject,
}: {
  readonly runId: string;
  readonly kind: string;
  readonly subject: string;
}): string {
  return `${runId} ${kind} ${subject}`;
}

function withoutPauseGate<T extends { readonly gate: string | null }>(run: T): T {
  return run.gate !== null && isPauseGate(run.gate) ? { ...run, gate: null } : run;
}

function withoutPauseGates(value: unknown): unknown {
  return value === undefined
    ? value
    : JSON.parse(JSON.stringify(value), (_, part: unknown) => {
        return typeof part === "object" && part !== null && "gate" in part ? withoutPauseGate(part as RunRow) : part;
      });
}

function isAnswered(said: unknown): said is { answered: unknown[] } {
  return typeof said === "object" && said !== null && "answered" in said;
}

/** What is asked for in the order of insertion. */
const readInOrder: readonly string[] = ["listRuns", "listTree"];

/** As {@link promisedBeside}, without a word about the order of insertion. */
function promisedUnordered(call: StoreCall, said: unknown): unknown {
  if (readInOrder.includes(call.verb)) return "something";
  const value = promisedBeside(call, said);
  if (call.verb !== "claimRuns" || !isAnswered(value)) return value;
  return (value as { answered: [RunRow[]] }).answered[0].toSorted(byId);
}

/** What was left, as far as it is promised. */
export function promisedContents(contents: Contents): Contents {
  return { ...contents, runs: contents.runs.map(withoutPauseGate) };
}

function unordered(contents: Contents): Contents {
  return { ...contents, runs: contents.runs.toSorted(byId), histories: contents.histories.toSorted(byId) };
}

const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1);

export interface Round {
  /** What came before it. */
  readonly past: readonly Moment[];
  readonly at: number;
  readonly works: readonly Witnessed[];
  /** What was there after it. */
  readonly left: Contents;
}

export interface Explanation {
  readonly model: SerialModel;
  readonly order: readonly Witnessed[];
  /** True when the order explains all but in which order runs were inserted: one that began first was committed last. */
  readonly isOutOfTurn: boolean;
}

/** Looks for an order of the calls of a round that explains their answers and what was left behind. */
export async function explain(round: Round): Promise<Explanation | undefined> {
  return (
    (await explainBy(round, promisedBeside, (contents) => contents, false)) ??
    (await explainBy(round, promisedUnordered, unordered, true))
  );
}

async function explainBy(
  { past, at, works, left }: Round,
  normal: (call: StoreCall, said: unknown) => unknown,
  normalContents: (contents: Contents) => Contents,
  isOutOfTurn: boolean,
): Promise<Explanation | undefined> {
  for (const order of ordersOf(works)) {
    const model = await replay(past);
    model.hasPaused ||= works.some(({ call }) => call.verb === "pauseRuns");
    let fits = true;
    for (const work of order) {
      const said = await model.play({ at, work });
      fits = isDeepStrictEqual(normal(work.call, said), normal(work.call, work.answer));
      if (!fits) break;
    }
    if (fits && isDeepStrictEqual(normalContents(model.contents()), normalContents(left))) {
      return { model, order, isOutOfTurn };
    }
  }
  return undefined;
}

export async function replay(past: readonly Moment[]): Promise<SerialModel> {
  const model = new SerialModel();
  for (const moment of past) await model.play(moment);
  return model;
}

/** The orders that real time allows (what was answered before another began comes first), that of the ends first. */
export function* ordersOf(works: readonly Witnessed[]): Generator<readonly Witnessed[]> {
  if (works.length === 0) yield [];
  const byEnd = works.toSorted((a, b) => a.lastStep - b.lastStep);
  for (const first of byEnd) {
    const rest = byEnd.filter((work) => work !== first);
    if (rest.some((work) => work.lastStep < first.firstStep)) continue;
    for (const order of ordersOf(rest)) yield [first, ...order];
  }
}
