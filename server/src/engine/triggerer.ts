import { isAppError, type JobAddress, type Tracking } from "@holdfast/protocol";
import type { Clock } from "../clock.ts";
import type { JobRow, NewJob } from "../core/index.ts";
import type { Logger } from "../log.ts";
import type { Random } from "../random.ts";
import type { Store } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Bell, Loop } from "./loop.ts";
import type { Membership } from "./membership.ts";
import { Desk } from "./tracking/desk.ts";
import { DueHeap } from "./tracking/due-heap.ts";
import { type ClaimMoment, type HeldJob, holdJob } from "./tracking/held-job.ts";
import { Line } from "./tracking/lane.ts";
import { lookAfterMs } from "./tracking/pace.ts";
import { Teller } from "./tracking/teller.ts";

// The loop that watches over external jobs. On every node; a job is tracked by one member at a time.
//
// T1  A job is this node's by the epoch of its claim, which is said with everything; whoever has it next says more (P2).
// T2  What has to survive is in the store before and after each call (P5, core/submissions.ts): this loop may die at any moment, and
//     stopping it cancels nothing (P6).
// T3  What is due about all jobs stands in one heap, and one timer waits for the first of it (P7). Calls are made by lanes, one a
//     connection (tracking/lane.ts), so that no service keeps another waiting.

/** Jobs that one claim takes: with a pause between two, nodes share them about evenly. */
const claimRows = 200;
const claimGapMs = 5;
const pageRows = 1_000;
/** In polls: how often a page of what the store holds for this member is compared with what is known here. */
const reconcilePolls = 5;
/** Looks that show nothing new are noted so often, and more seldom where there are many jobs: so many notes a second of a node are enough. */
const noteEveryMs = 30_000;
const notesPerSecond = 20;
const lookRows = 1_000;
/** Of the calls of a connection, how many one server of it may have. */
const lineShare = 4;

export const triggererDefaults = { roomJobs: 200_000, callsPerConnection: 32 };

export interface TriggererOptions {
  readonly store: Store;
  readonly tracking: Tracking;
  readonly membership: Pick<Membership, "id" | "heldId" | "lose">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  readonly pollMs: number;
  /** Rung here when something is due sooner than the loop was told. */
  readonly bell: Bell;
  readonly successorOf: (row: JobRow) => Promise<NewJob>;
  /** Calls at a time by a connection; null: by the one of the service's name. */
  readonly callsOf?: (address: JobAddress) => number | undefined;
  /** Jobs that it tracks at most. */
  readonly roomJobs?: number;
  readonly metrics?: Metrics | undefined;
}

export class Triggerer implements Loop {
  readonly name = "triggerer";
  readonly #options: TriggererOptions;
  readonly #teller: Teller;
  readonly #jobs = new Map<string, HeldJob>();
  readonly #desks = new Map<string, Desk>();
  readonly #heap = new DueHeap<HeldJob | Line<HeldJob>>();
  /** Under which membership the jobs here were claimed. */
  #heldFor: string | undefined;
  #stopping = false;
  /** When it is to look next at all: whoever puts something earlier into the heap rings. */
  #wakeMs = Number.NEGATIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;
  #reconciledMs: number;
  #reconciledTo: string | undefined;
  #isRung = true;
  /** The store may hold jobs for us that we do not know of, since the answer to a claim was lost. */
  #isUnsure = false;
  readonly #settled = new Set<() => void>();

  constructor(options: TriggererOptions) {
    this.#options = options;
    this.#teller = new Teller(options.store);
    this.#reconciledMs = options.clock.monotonicMs();
  }

  /** Jobs that are tracked here. */
  get count(): number {
    return this.#jobs.size;
  }

  /** There are new jobs, or orders about some. */
  hear(): void {
    this.#isRung = true;
    this.#options.bell.ring();
  }

  async tick(): Promise<number> {
    const { membership, clock, pollMs } = this.#options;
    if (this.#heldFor !== membership.heldId) this.#forgetAll();
    const memberId = membership.id;
    if (this.#stopping || memberId === undefined) return pollMs;
    this.#heldFor = memberId;
    const askInMs = await this.#askStore(memberId);
    this.#doDue();
    const nowMs = clock.monotonicMs();
    const dueInMs = (this.#heap.nextMs ?? Number.POSITIVE_INFINITY) - nowMs;
    const waitMs = Math.max(0, Math.min(askInMs, dueInMs));
    this.#wakeMs = nowMs + waitMs;
    return waitMs;
  }

  /** Begins nothing more. Resolves when what was begun that starts or ends jobs is over; their looks may go on. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#acting() > 0) await new Promise<void>((resolve) => this.#settled.add(resolve));
    for (const desk of this.#desks.values()) desk.close();
  }

  /** Claims, hears of orders, and compares. Answers in how long it wants to ask again. */
  async #askStore(memberId: string): Promise<number> {
    const { clock, pollMs, membership } = this.#options;
    const leftMs = this.#askedMs + pollMs - clock.monotonicMs();
    if (!this.#isRung && leftMs > 0) return leftMs;
    this.#isRung = false;
    try {
      const more = await this.#claim(memberId);
      if (this.#jobs.size > 0) await this.#hearOrders(memberId);
      await this.#reconcile(memberId);
      this.#askedMs = clock.monotonicMs();
      if (!more) return pollMs;
      this.#isRung = true;
      return claimGapMs;
    } catch (error) {
      this.#isRung = true;
      this.#isUnsure = true;
      if (!isAppError(error, "member_gone")) throw error;
      membership.lose(memberId);
      this.#forgetAll();
      return pollMs;
    }
  }

  /** True when there may be more. */
  async #claim(memberId: string): Promise<boolean> {
    const { store, namespace, roomJobs = triggererDefaults.roomJobs } = this.#options;
    const limitRows = Math.min(claimRows, roomJobs - this.#jobs.size);
    if (limitRows <= 0) return false;
    const rows = await store.claimJobs({ memberId, namespace, limitRows });
    if (rows.length === 0) return false;
    await this.#hold(rows, memberId);
    return rows.length === limitRows;
  }

  async #hold(rows: readonly JobRow[], memberId: string): Promise<void> {
    const { store, clock, membership } = this.#options;
    const { now } = await store.describe();
    // In this order no age is taken too high: what may still be sent is not believed to be over (P5).
    const nowMs = clock.monotonicMs();
    if (membership.heldId !== memberId) return;
    for (const row of rows) this.#take(row, { nowMs, storeMs: now });
    for (const desk of this.#desks.values()) desk.flush();
  }

  #take(row: JobRow, moment: ClaimMoment): void {
    const known = this.#jobs.get(row.id);
    if (known?.epoch === row.epoch) return;
    if (known !== undefined) this.#over(known);
    const desk = this.#deskOf(row);
    const { nowMs, storeMs } = moment;
    const job = holdJob(row, desk, moment);
    this.#jobs.set(job.id, job);
    if (job.submitting === null) desk.watch(job);
    const isUrgent = job.submitting !== null || job.isOrdered || row.nextLookAt === null;
    const ageMs = nowMs - job.openedMs;
    const latestMs = lookAfterMs({ ageMs, isWatched: false }, this.#options.random);
    this.#heap.set(job, nowMs + (isUrgent ? 0 : Math.min(latestMs, Math.max(0, (row.nextLookAt ?? 0) - storeMs))));
  }

  /** Jobs of this member whose end was ordered. */
  async #hearOrders(memberId: string): Promise<void> {
    for (let after: string | undefined; ; ) {
      const rows = await this.#page(memberId, true, after);
      for (const { id, epoch } of rows) {
        const job = this.#jobs.get(id);
        if (job === undefined || job.epoch !== epoch || job.isOrdered) continue;
        job.isOrdered = true;
        job.cancelAtMs = this.#options.clock.monotonicMs();
        if (!job.isAsked) this.#again(job, 0);
      }
      after = rows.at(-1)?.id;
      if (rows.length < pageRows) return;
    }
  }

  async #page(memberId: string, orderedOnly: boolean, after: string | undefined): Promise<JobRow[]> {
    const place = after === undefined ? {} : { after };
    return await this.#options.store.listTracked({ memberId, orderedOnly, limitRows: pageRows, ...place });
  }

  /** Takes in what a claim took whose answer was lost, and forgets what is not this member's any more: a page at a time. */
  async #reconcile(memberId: string): Promise<void> {
    const { clock, pollMs } = this.#options;
    const beganMs = clock.monotonicMs();
    if (!this.#isUnsure && beganMs - this.#reconciledMs < pollMs * reconcilePolls) return;
    this.#reconciledMs = beganMs;
    const after = this.#reconciledTo;
    const known = [...this.#jobs.values()].filter(({ id }) => after === undefined || id > after);
    const rows = await this.#page(memberId, false, after);
    const last = rows.length < pageRows ? undefined : rows.at(-1)?.id;
    this.#reconciledTo = last;
    if (last === undefined) this.#isUnsure = false;
    const held = new Map(rows.map(({ id, epoch }) => [id, epoch]));
    for (const job of known) {
      if ((last === undefined || job.id <= last) && held.get(job.id) !== job.epoch) this.#over(job);
    }
    const unknown = rows.filter(({ id }) => !this.#jobs.has(id));
    const { store } = this.#options;
    const whole = await Promise.all(unknown.map(({ id }) => store.findJob({ id })));
    const ours = whole.filter((row) => row?.memberId === memberId).filter((row) => row !== undefined);
    if (ours.length > 0) await this.#hold(ours, memberId);
  }

  #doDue(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (let due = this.#heap.take(nowMs); due !== undefined; due = this.#heap.take(nowMs)) {
      if (due instanceof Line) due.lane.open(due);
      else due.desk.ask(due);
    }
    for (const desk of this.#desks.values()) {
      desk.flush();
      desk.lane.pump();
    }
  }

  #deskOf({ service, connection }: JobAddress): Desk {
    const key = JSON.stringify([service, connection]);
    const desk = this.#desks.get(key) ?? this.#openDesk({ service, connection });
    this.#desks.set(key, desk);
    return desk;
  }

  #openDesk(address: JobAddress): Desk {
    const { tracking, clock, random, membership, successorOf, callsOf, metrics, log } = this.#options;
    const limitCalls = callsOf?.(address) ?? triggererDefaults.callsPerConnection;
    return new Desk({
      ...{ address, tracking, clock, random, successorOf, heap: this.#heap, teller: this.#teller },
      ...{ limitCalls, lineCalls: Math.max(1, Math.ceil(limitCalls / lineShare)), batchRows: lookRows },
      memberId: () => (this.#stopping ? undefined : membership.id),
      noteEveryMs: () => Math.max(noteEveryMs, (this.#jobs.size / notesPerSecond) * 1_000),
      isHalted: () => this.#stopping || membership.id === undefined,
      again: (job, inMs) => this.#again(job, inMs),
      over: (job) => this.#over(job),
      counted: (verb, outcome, jobs) => {
        const how = outcome === undefined ? "none" : outcome.reached ? "answered" : "failed";
        metrics?.externalCalls.add(1, address.service, verb, how);
        if (verb === "look") metrics?.externalLooks.add(jobs, address.service);
        if (verb === "act" && this.#stopping) this.#tellSettled();
      },
      failed: (error) => {
        if (isAppError(error, "store_unavailable")) return;
        log.error({ err: error, service: address.service }, "What was heard of external jobs could not be written.");
      },
    });
  }

  #again(job: HeldJob, inMs: number): void {
    if (job.isDropped) return;
    const dueMs = this.#options.clock.monotonicMs() + inMs;
    this.#heap.set(job, dueMs);
    if (dueMs < this.#wakeMs) this.#options.bell.ring();
  }

  #over(job: HeldJob): void {
    this.#heap.remove(job);
    job.desk.forget(job);
    if (this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
  }

  /** They are others' now. */
  #forgetAll(): void {
    for (const job of [...this.#jobs.values()]) this.#over(job);
    this.#heldFor = undefined;
    this.#reconciledTo = undefined;
  }

  /** Services whose answers to calls that start or end jobs are waited for. */
  askedServices(): string[] {
    const desks = [...this.#desks.values()].filter(({ acting }) => acting > 0);
    return [...new Set(desks.map(({ service }) => service))];
  }

  #acting(): number {
    let acting = 0;
    for (const desk of this.#desks.values()) acting += desk.acting;
    return acting;
  }

  #tellSettled(): void {
    if (this.#acting() > 0) return;
    for (const resolve of this.#settled) resolve();
    this.#settled.clear();
  }
}
