import { type Match, matches } from "./script.ts";
import type { ServiceName } from "./services.ts";

/** What goes wrong with a request. `status`, `page`, `reset`, `hang` leave the service as it was; the others have had their effect. */
export type Fault =
  | { readonly kind: "slow" }
  /** Refused in the service's own words: 429 with `retryAfter` (seconds or an HTTP date), 401, 403, 503… */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfter?: number | string;
    }
  /** A page of a proxy in between: HTML where JSON was expected. */
  | { readonly kind: "page"; readonly status: number; readonly html?: string }
  /** The connection is reset before anything has happened. */
  | { readonly kind: "reset" }
  /** Never answered, and nothing has happened. */
  | { readonly kind: "hang" }
  /** Carried out, and the answer is lost: the connection is reset, or (`hang`) nothing ever comes. */
  | { readonly kind: "lost"; readonly how?: "reset" | "hang" }
  /** Stopped before or after the effect until a test releases it, or the client has gone. */
  | { readonly kind: "hold"; readonly when: "before" | "after" }
  /** Answered with what is no JSON. */
  | { readonly kind: "malformed" }
  /** Half of the body, then the connection ends. */
  | { readonly kind: "truncated" }
  /** The answer says something else: laid over its body (RFC 7386). */
  | { readonly kind: "patch"; readonly patch: Readonly<Record<string, unknown>> };

export interface FaultRule {
  readonly id: string;
  readonly match: Match;
  readonly fault: Fault;
  /** Before everything else, in milliseconds of the fakes' clock. */
  readonly delayMs?: number;
  /** The first so many requests that fit are let through. */
  readonly skip?: number;
  /** How many requests meet it; all when left out. */
  readonly times?: number;
}

interface Armed {
  readonly rule: FaultRule;
  seen: number;
  met: number;
  released: boolean;
  readonly held: Set<() => void>;
}

export class Faults {
  readonly #armed = new Map<string, Armed>();
  #next = 0;

  /** Kept in memory only: a fake that was killed comes back without its faults. */
  add(rule: Omit<FaultRule, "id"> & { readonly id?: string }): FaultRule {
    const added = { ...rule, id: rule.id ?? `fault-${++this.#next}` };
    this.#armed.set(added.id, { rule: added, seen: 0, met: 0, released: false, held: new Set() });
    return added;
  }

  /** The fault that this request meets: of those that fit the one that was added last. */
  take(seen: { service: ServiceName; operation: string; text: string }): FaultRule | undefined {
    let taken: FaultRule | undefined;
    for (const armed of [...this.#armed.values()].reverse()) {
      const { match, skip = 0, times = Number.POSITIVE_INFINITY } = armed.rule;
      if (taken !== undefined || !matches(match, seen)) continue;
      if (armed.seen++ < skip || armed.met >= times) continue;
      armed.met++;
      taken = armed.rule;
    }
    return taken;
  }

  list(): { readonly rule: FaultRule; readonly met: number; readonly held: number }[] {
    return [...this.#armed.values()].map(({ rule, met, held }) => ({ rule, met, held: held.size }));
  }

  /** Waits until the fault is released or taken away, or the client has gone. */
  async held(rule: FaultRule, gone: AbortSignal): Promise<void> {
    const armed = this.#armed.get(rule.id);
    if (armed === undefined || armed.released || gone.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    armed.held.add(resolve);
    gone.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    armed.held.delete(resolve);
  }

  /** Lets go what is held, and whatever comes later. */
  release(id: string): boolean {
    const armed = this.#armed.get(id);
    if (armed === undefined) return false;
    armed.released = true;
    for (const resolve of [...armed.held]) resolve();
    return true;
  }

  remove(id: string): boolean {
    this.release(id);
    return this.#armed.delete(id);
  }

  clear(): void {
    for (const id of [...this.#armed.keys()]) this.remove(id);
  }
}
