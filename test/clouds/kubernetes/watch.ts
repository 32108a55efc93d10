import type { ServerResponse } from "node:http";
import type { Exchange } from "../routes.ts";
import { hasEnded, type Job, type World } from "../world.ts";
import { showJob } from "./resources.ts";
import { failure, tooOld } from "./statuses.ts";

interface WatchEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly job: Job;
  readonly object: Record<string, unknown>;
}

const maxEvents = 5_000;
/** Versions that pass while nobody looks: other resources of a cluster change too. */
const gap = 1_000;
const bookmarkMs = 60_000;
const usualTimeoutMs = 1_800_000;

/** What became of Jobs in the order of their versions, as far back as it is kept, and the streams that follow it. */
export class JobHistory {
  readonly #world: World;
  readonly #events: WatchEvent[] = [];
  /** Jobs that were deleted without their pods, which go on. */
  readonly orphans: Job[] = [];
  readonly #followers = new Set<(event: WatchEvent) => void>();
  #version: number;
  /** Watches from before this version are told that it is too old. */
  #oldest: number;

  constructor(world: World) {
    this.#world = world;
    const kept = world.list("kubernetes").map((job) => Number(job.facts.version ?? 0));
    this.#version = Math.max(gap, ...kept) + gap;
    this.#oldest = this.#version;
    world.listen((job, change) => {
      if (job.service === "kubernetes") this.#record(job, change);
    });
    world.signals.addEventListener("kubernetes.compact", () => this.#compact());
  }

  /** The version of the whole collection. */
  get version(): number {
    return this.#version;
  }

  get oldest(): number {
    return this.#oldest;
  }

  orphan(job: Job): void {
    this.orphans.push(job);
  }

  versionOf(job: Job): number {
    return Number(job.facts.version ?? this.#version);
  }

  show(job: Job): Record<string, unknown> {
    return showJob(job, { resourceVersion: this.versionOf(job) });
  }

  /** Something in the Job has changed that no turn tells of. */
  touched(job: Job): void {
    this.#record(job, "turned");
    this.#world.save(job);
  }

  /** Follows the Jobs that fit until the client goes, or for `timeoutSeconds`. */
  watch(exchange: Exchange, options: { fits: (job: Job) => boolean; response: ServerResponse }): void {
    const { query, gone, world } = exchange;
    const { fits, response } = options;
    const asked = query.get("resourceVersion") ?? "";
    const send = (type: string, object: object) => response.write(`${JSON.stringify({ type, object })}\n`);
    const since = Number(asked);
    if (asked !== "" && since !== 0 && since < this.#oldest) {
      send("ERROR", failure(tooOld(asked, this.#oldest)));
      response.end();
      return;
    }
    if (since === 0) for (const job of world.list("kubernetes").filter(fits)) send("ADDED", this.show(job));
    else for (const event of this.#events) if (event.version > since && fits(event.job)) send(event.type, event.object);
    const follow = (event: WatchEvent) => {
      if (fits(event.job)) send(event.type, event.object);
    };
    this.#followers.add(follow);
    const areMarked = query.get("allowWatchBookmarks") === "true" || query.get("allowWatchBookmarks") === "1";
    const mark = () => {
      if (areMarked) send("BOOKMARK", bookmark(this.#version));
    };
    if (query.get("sendInitialEvents") === "true") {
      send("BOOKMARK", bookmark(this.#version, { "k8s.io/initial-events-end": "true" }));
    }
    this.#untilOver(exchange, {
      mark,
      end: () => response.end(),
      expire: () => send("ERROR", failure(tooOld(asked || "0", this.#oldest))),
    });
    gone.addEventListener("abort", () => this.#followers.delete(follow), { once: true });
    response.once("finish", () => this.#followers.delete(follow));
  }

  /** Marks now and then, and ends in time, when a test says so, or with the word that the version is too old. */
  #untilOver({ query, world, gone }: Exchange, act: { mark: () => void; end: () => void; expire: () => void }): void {
    const { clock, signals } = world;
    const seconds = Number(query.get("timeoutSeconds") ?? 0);
    const endMs = clock.nowMs() + (seconds > 0 ? seconds * 1000 : usualTimeoutMs);
    const over = new AbortController();
    let callOffMark = () => {};
    const markLater = () => {
      callOffMark = clock.at(clock.nowMs() + bookmarkMs, () => {
        act.mark();
        markLater();
      });
    };
    markLater();
    const finish = () => {
      over.abort();
      act.end();
    };
    const callOffEnd = clock.at(endMs, () => {
      act.mark();
      finish();
    });
    signals.addEventListener("watches.close", finish, { signal: over.signal });
    const expire = () => {
      act.expire();
      finish();
    };
    signals.addEventListener("kubernetes.compact", expire, { signal: over.signal });
    over.signal.addEventListener("abort", () => {
      callOffMark();
      callOffEnd();
    });
    gone.addEventListener("abort", () => over.abort(), { once: true });
  }

  #record(job: Job, change: "made" | "turned" | "gone"): void {
    if (change === "gone") {
      this.#push(job, "DELETED");
      return;
    }
    if (change === "made") this.#push(job, "ADDED");
    // An end is announced by a condition of its own before it is there.
    else if (hasEnded(job)) this.#push(job, "MODIFIED", true);
    if (change === "turned") this.#push(job, "MODIFIED");
  }

  #push(job: Job, type: WatchEvent["type"], isAnnounced = false): void {
    const version = ++this.#version;
    job.facts.version = version;
    const event = { version, type, job, object: showJob(job, { resourceVersion: version, isAnnounced }) };
    this.#events.push(event);
    if (this.#events.length > 2 * maxEvents) {
      this.#events.splice(0, maxEvents);
      this.#oldest = (this.#events[0]?.version ?? version) - 1;
    }
    for (const follow of [...this.#followers]) follow(event);
  }

  #compact(): void {
    this.#events.length = 0;
    this.#version += gap;
    this.#oldest = this.#version;
  }
}

function bookmark(version: number, annotations?: Readonly<Record<string, string>>): object {
  return {
    kind: "Job",
    apiVersion: "batch/v1",
    metadata: { resourceVersion: String(version), creationTimestamp: null, ...(annotations && { annotations }) },
    spec: { template: { metadata: { creationTimestamp: null }, spec: { containers: null } } },
    status: {},
  };
}
