import { AppError, isAppError } from "@holdfast/protocol";
import { isRepeatable } from "../state-verbs.ts";
import type { RingTopic, Store, StoreVerb } from "../store.ts";
import { Bell } from "./bell.ts";
import type { StoreLink } from "./remote-store.ts";

export interface ReopeningOptions {
  /** Opens a link; `onExit` tells its end. Answers undefined while there is nobody to link to. */
  readonly open: (onExit: () => void) => Promise<StoreLink | undefined>;
  /** How long a call waits for a link before it is told, milliseconds of the machine's own time. */
  readonly patienceMs: number;
  /** What a caller is told then. */
  readonly unavailable: () => Error;
}

const shortestPauseMs = 10;
const longestPauseMs = 200;

/**
 * A link that outlives the process at its other end: when it breaks, it is opened again, and calls that had no answer are
 * sent again. That is safe because verbs can be repeated, but for what `mayRepeat` leaves out; only the claims of a lost answer stay claimed, which
 * `listClaimed` tells.
 */
export class ReopeningLink implements StoreLink {
  readonly #options: ReopeningOptions;
  readonly #bell = new Bell();
  #current: StoreLink | undefined;
  #opening: Promise<StoreLink> | undefined;
  /** Members that this process has joined: told to each new owner first, so that it does not take them for dead. */
  readonly #members = new Map<string, number>();
  #closed = false;

  constructor(options: ReopeningOptions) {
    this.#options = options;
  }

  get ended(): boolean {
    return this.#closed;
  }

  /** Opens the first link, so that what keeps it from opening is told at once. */
  async start(): Promise<void> {
    await this.#link();
  }

  async call(verb: StoreVerb, args: unknown): Promise<unknown> {
    const until = performance.now() + this.#options.patienceMs;
    for (;;) {
      const link = await this.#link();
      try {
        const answer = await link.call(verb, args);
        this.#noteMember(verb, args, answer);
        return answer;
      } catch (error) {
        // The store's own answers are the caller's; only the end of the link is mended here.
        if (this.#closed || !link.ended || !isAppError(error, "store_unavailable")) throw error;
        if (this.#current === link) this.#current = undefined;
        if (!mayRepeat(verb, args) || performance.now() > until) throw this.#options.unavailable();
      }
    }
  }

  ring(topics: readonly RingTopic[]): void {
    this.#current?.ring(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#bell.listen(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.silence();
    const opened = this.#current ?? (await this.#opening?.catch(() => undefined));
    await opened?.close();
  }

  #link(): Promise<StoreLink> {
    if (this.#closed) return Promise.reject(new AppError("store_unavailable", "The store is closed."));
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<StoreLink> {
    const until = performance.now() + this.#options.patienceMs;
    for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      let ended = false;
      let opened: StoreLink | undefined;
      const link = await this.#options.open(() => {
        ended = true;
        if (opened === undefined || this.#current !== opened) return;
        this.#current = undefined;
        // At once, for rings and for members; should it fail, the next call tries again.
        if (!this.#closed) this.#link().catch(() => {});
      });
      opened = link;
      if (link !== undefined && !ended) {
        await this.#renewMembers(link);
        if (ended) continue;
        this.#current = link;
        link.onRing((topics) => this.#bell.tell(topics));
        // Whatever was rung meanwhile has been missed.
        this.#bell.tell(["ready", "cancelling", "ended", "events", "jobs", "assets"]);
        return link;
      }
      if (this.#closed || performance.now() > until) throw this.#options.unavailable();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #noteMember(verb: StoreVerb, args: unknown, answer: unknown): void {
    if (verb !== "joinMember" && verb !== "renewMember" && verb !== "leaveMember") return;
    const { id, leaseMs } = args as { id: string; leaseMs?: number };
    if (leaseMs === undefined || answer === false) this.#members.delete(id);
    else this.#members.set(id, leaseMs);
  }

  async #renewMembers(link: StoreLink): Promise<void> {
    const renewals = [...this.#members].map(([id, leaseMs]) => link.call("renewMember", { id, leaseMs }));
    // A link that fails meanwhile is noticed by its end.
    await Promise.allSettled(renewals);
  }
}

/** Whether a call whose answer was lost may be said again. */
function mayRepeat(verb: StoreVerb, args: unknown): boolean {
  return verb !== "transactState" || isRepeatable((args as Parameters<Store["transactState"]>[0]).rows);
}
