import { randomUUID } from "node:crypto";
import { type Clock, HeldClock } from "./clock.ts";
import { type Entry, Journal } from "./journal.ts";
import { DueQueue } from "./queue.ts";
import {
  endedPhases,
  matches,
  type Script,
  type ScriptRule,
  type Turn,
  usualCancelMs,
  usualTimeline,
} from "./script.ts";
import type { ServiceName } from "./services.ts";
import { Tokens } from "./tokens.ts";

/** Something that has become of a job, or will. */
export interface Moment extends Turn {
  readonly atMs: number;
}

export interface Job {
  readonly service: ServiceName;
  /** The name by which the service knows it; one job a name. */
  readonly key: string;
  /** Grows with each job that is made. */
  readonly serial: number;
  readonly uid: string;
  readonly createdMs: number;
  /** The body that made it, as it was sent. */
  readonly spec: Record<string, unknown>;
  readonly script: Script;
  /** What has become of it, oldest first; never empty. */
  readonly past: Moment[];
  readonly ahead: Moment[];
  /** How many calls asked for this job: more than one, and a second was answered with "exists already" or with this one. */
  submissions: number;
  cancelAskedMs?: number;
  goneAtMs?: number;
  /** Facts that a service keeps beside it. */
  readonly facts: Record<string, unknown>;
  /** Other names that it is found by: of a request, of an operation. */
  readonly aliases: string[];
}

export type Change = "made" | "turned" | "gone";
type Listener = (job: Job, change: Change) => void;

interface NewJob {
  readonly service: ServiceName;
  readonly key: string;
  readonly spec: Record<string, unknown>;
  /** Where rules of scripts look for their `text`: name, address, body. */
  readonly text: string;
  readonly facts?: Record<string, unknown>;
  readonly uid?: string;
  readonly aliases?: readonly string[];
  /** Stands in for what the rule does not say: the timeline of a job that a real engine carries out. */
  readonly script?: Script;
}

const jobId = (service: ServiceName, key: string) => `${service} ${key}`;

/** All that the services know: jobs, rules, tokens. What became due is made true before anything is read. */
export class World {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly tokens: Tokens;
  readonly rules: ScriptRule[] = [];
  /** What a test does to the streams that are open: `watches.close`, `kubernetes.compact`. */
  readonly signals = new EventTarget();
  readonly #jobs = new Map<string, Job>();
  readonly #aliases = new Map<string, Job>();
  readonly #due = new DueQueue<string>();
  readonly #listeners = new Set<Listener>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #serial = 0;
  #alarm: (() => void) | undefined;
  #alarmMs = Number.POSITIVE_INFINITY;

  constructor(options: { clock: Clock; journal?: string | undefined }) {
    this.clock = options.clock;
    this.journal = new Journal(options.journal);
    this.tokens = new Tokens({ clock: options.clock, journal: this.journal });
    for (const { kind, value } of this.journal.entries) {
      if (kind === "job") this.#keep(value as Job);
      else if (kind === "gone") this.#drop(String(value));
      else if (kind === "rule") this.rules.push(value as ScriptRule);
      else if (kind === "rules.clear") this.rules.length = 0;
      else if (kind === "token") this.tokens.restore(value);
      else if (kind === "clock" && this.clock instanceof HeldClock) this.clock.set(Number(value));
    }
    for (const [id, job] of this.#jobs) this.#arm(id, job);
  }

  /** Called with each change of each job, in the order of their times. The answer ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  make({ service, key, spec, text, facts, script, aliases = [], uid = randomUUID() }: NewJob): Job {
    this.settle();
    const nowMs = this.clock.nowMs();
    const rule = this.rules.findLast(({ match }) =>
      matches({ ...match, operation: "*" }, { service, operation: "", text }),
    );
    const chosen: Script = { ...script, ...rule?.script };
    const timeline = (chosen.timeline ?? usualTimeline).map(({ afterMs, ...turn }) => ({
      ...turn,
      atMs: nowMs + afterMs,
    }));
    const begun = timeline[0]?.atMs === nowMs ? timeline : [{ phase: "queued" as const, atMs: nowMs }, ...timeline];
    const job: Job = {
      service,
      key,
      serial: ++this.#serial,
      uid,
      createdMs: nowMs,
      spec,
      script: chosen,
      past: begun.slice(0, 1),
      ahead: begun.slice(1),
      submissions: 1,
      facts: facts ?? {},
      aliases: [...aliases],
    };
    if (chosen.goneAfterMs !== undefined) job.goneAtMs = nowMs + chosen.goneAfterMs;
    this.#keep(job);
    this.#changed(job, "made");
    this.#ended(job);
    this.#arm(jobId(service, key), job);
    this.settle();
    return job;
  }

  find(service: ServiceName, key: string): Job | undefined {
    this.settle();
    return this.#jobs.get(jobId(service, key));
  }

  /** The newest job that goes by this other name. */
  findByAlias(service: ServiceName, alias: string): Job | undefined {
    this.settle();
    return this.#aliases.get(jobId(service, alias));
  }

  /** Gives the job one more name. */
  addAlias(job: Job, alias: string): void {
    job.aliases.push(alias);
    this.#aliases.set(jobId(job.service, alias), job);
    this.save(job);
  }

  /** All jobs of a service, oldest first. */
  list(service?: ServiceName): Job[] {
    this.settle();
    return [...this.#jobs.values()].filter((job) => service === undefined || job.service === service);
  }

  /** Counts a further call that asked for a job that is there. */
  askedAgain(job: Job): void {
    job.submissions++;
    this.save(job);
  }

  /** Makes the job what a test, a cancel or an engine says, now; what its script had in store gives way to `ahead`. */
  turn(job: Job, turn: Turn, ahead: readonly Moment[] = []): void {
    this.settle();
    job.ahead.splice(0, job.ahead.length, ...ahead);
    this.#happen(job, { ...turn, atMs: this.clock.nowMs() });
    this.#arm(jobId(job.service, job.key), job);
  }

  /** Puts an end to the job at that time, unless it has ended by then. */
  limit(job: Job, limit: Moment): void {
    const ahead = job.ahead.filter(({ atMs }) => atMs <= limit.atMs);
    if (ahead.some(({ phase }) => endedPhases.has(phase))) return;
    job.ahead.splice(0, job.ahead.length, ...ahead, limit);
    this.save(job);
    this.#arm(jobId(job.service, job.key), job);
  }

  /** Asks for the end of a job; `false` when it has ended. */
  cancel(job: Job): boolean {
    this.settle();
    if (hasEnded(job)) return false;
    const nowMs = this.clock.nowMs();
    job.cancelAskedMs ??= nowMs;
    const { onCancel = { afterMs: usualCancelMs } } = job.script;
    if (onCancel === "ignored") {
      this.save(job);
      return true;
    }
    if (phaseOf(job) === "cancelling") return true;
    job.ahead.length = 0;
    job.ahead.push({ phase: onCancel.phase ?? "cancelled", atMs: nowMs + onCancel.afterMs });
    this.#happen(job, { phase: "cancelling", atMs: nowMs });
    this.#arm(jobId(job.service, job.key), job);
    this.settle();
    return true;
  }

  /** The service forgets the job after so long. */
  forget(job: Job, afterMs: number): void {
    job.goneAtMs = this.clock.nowMs() + afterMs;
    this.save(job);
    this.#arm(jobId(job.service, job.key), job);
  }

  /** The service forgets the job. */
  remove(job: Job): void {
    const id = jobId(job.service, job.key);
    if (!this.#jobs.has(id)) return;
    this.#drop(id);
    this.journal.write("gone", id);
    this.#tell(job, "gone");
  }

  /** Keeps a job as it is now, after a service has changed its facts. */
  save(job: Job): void {
    this.journal.write("job", job);
  }

  /** Waits until the job changes, the time is over, or the caller has gone. */
  async change(job: Job, options: { untilMs: number; gone: AbortSignal }): Promise<void> {
    const id = jobId(job.service, job.key);
    const { promise, resolve } = Promise.withResolvers<void>();
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(resolve));
    const callOff = this.clock.at(options.untilMs, resolve);
    options.gone.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    callOff();
    watchers.delete(resolve);
    if (watchers.size === 0) this.#watchers.delete(id);
  }

  /** Makes true what has become due, each change at its own time. */
  settle(): void {
    const nowMs = this.clock.nowMs();
    for (let due = this.#due.take(nowMs); due !== undefined; due = this.#due.take(nowMs)) {
      const job = this.#jobs.get(due.item);
      if (job === undefined) continue;
      const next = job.ahead[0];
      if (next !== undefined && next.atMs <= due.atMs) {
        job.ahead.shift();
        this.#happen(job, next);
        this.#arm(due.item, job);
      } else if (job.goneAtMs !== undefined && job.goneAtMs <= due.atMs) {
        this.remove(job);
      }
    }
    this.#wake();
  }

  /** What a new process has to know, for a journal without its past. */
  entries(): Entry[] {
    return [
      { kind: "clock", value: this.clock.nowMs() },
      ...this.rules.map((value) => ({ kind: "rule", value })),
      ...this.tokens.entries(),
      ...[...this.#jobs.values()].map((value) => ({ kind: "job", value })),
    ];
  }

  clear(): void {
    for (const job of [...this.#jobs.values()]) this.remove(job);
    this.clearRules();
  }

  addRule(rule: ScriptRule): void {
    this.rules.push(rule);
    this.journal.write("rule", rule);
  }

  clearRules(): void {
    this.rules.length = 0;
    this.journal.write("rules.clear", null);
  }

  close(): void {
    this.#alarm?.();
    this.journal.close();
  }

  #drop(id: string): void {
    for (const alias of this.#jobs.get(id)?.aliases ?? []) this.#aliases.delete(`${id.split(" ", 1)[0]} ${alias}`);
    this.#jobs.delete(id);
  }

  #keep(job: Job): void {
    this.#jobs.set(jobId(job.service, job.key), job);
    for (const alias of job.aliases) this.#aliases.set(jobId(job.service, alias), job);
    this.#serial = Math.max(this.#serial, job.serial);
  }

  #happen(job: Job, moment: Moment): void {
    job.past.push(moment);
    this.#ended(job);
    this.#changed(job, "turned");
  }

  #ended(job: Job): void {
    const { goneAfterEndMs } = job.script;
    if (goneAfterEndMs !== undefined && hasEnded(job)) job.goneAtMs ??= nowOf(job).atMs + goneAfterEndMs;
  }

  #changed(job: Job, change: Change): void {
    this.save(job);
    this.#tell(job, change);
  }

  #tell(job: Job, change: Change): void {
    for (const listener of this.#listeners) listener(job, change);
    for (const watcher of this.#watchers.get(jobId(job.service, job.key)) ?? []) watcher();
  }

  #arm(id: string, job: Job): void {
    const next = job.ahead[0]?.atMs;
    if (next !== undefined) this.#due.add(next, id);
    if (job.goneAtMs !== undefined) this.#due.add(job.goneAtMs, id);
    this.#wake();
  }

  #wake(): void {
    const firstMs = this.#due.firstMs ?? Number.POSITIVE_INFINITY;
    if (firstMs === this.#alarmMs) return;
    this.#alarm?.();
    this.#alarmMs = firstMs;
    this.#alarm = Number.isFinite(firstMs)
      ? this.clock.at(firstMs, () => {
          this.#alarmMs = Number.POSITIVE_INFINITY;
          this.settle();
        })
      : undefined;
  }
}

/** What the job is now. */
export function nowOf(job: Job): Moment {
  const last = job.past.at(-1);
  if (last === undefined) throw new Error(`${job.service} ${job.key} has no past.`);
  return last;
}

export function phaseOf(job: Job): Moment["phase"] {
  return nowOf(job).phase;
}

export function hasEnded(job: Job): boolean {
  return endedPhases.has(phaseOf(job));
}

/** When it first began to run, if it has. */
export function startedMs(job: Job): number | undefined {
  return job.past.find(({ phase }) => phase !== "queued")?.atMs;
}

/** When it ended, if it has. */
export function endedMs(job: Job): number | undefined {
  return hasEnded(job) ? nowOf(job).atMs : undefined;
}
