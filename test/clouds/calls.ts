import type { Clock } from "./clock.ts";
import type { Entry, Journal } from "./journal.ts";
import { type Match, matches } from "./script.ts";
import type { ServiceName } from "./services.ts";

/** A request as it is remembered. */
export interface Call {
  readonly seq: number;
  readonly atMs: number;
  readonly service: ServiceName;
  /** The vendor's name of the method; `unexpected` when no route knew the path. */
  readonly operation: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** The first part of what was sent. */
  readonly body: string;
  /** The job that it was about, where one is known. */
  job?: string;
  /** It made that job. */
  made?: boolean;
  /** Whether and with what it was answered: a status, or how the answer was kept back. */
  outcome?: number | "reset" | "lost" | "truncated" | "gone";
  /** The fault that it met. */
  fault?: string;
}

export const unexpected = "unexpected";

const maxBodyCharacters = 8_192;
const maxCalls = 20_000;

/** Who called what how often. Of the calls the last 20,000 are kept, of their numbers all. */
export class Calls {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #calls: Call[] = [];
  readonly #totals = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #seq = 0;

  constructor(options: { clock: Clock; journal: Journal }) {
    this.#clock = options.clock;
    this.#journal = options.journal;
    for (const { kind, value } of options.journal.entries) {
      if (kind === "call") this.#keep(value as Call);
      if (kind === "calls.clear") this.#forget();
      if (kind === "calls.totals")
        for (const [name, count] of Object.entries(value as object)) this.#totals.set(name, count);
    }
  }

  begin(seen: Pick<Call, "service" | "operation" | "method" | "path" | "body">): Call {
    const body = seen.body.slice(0, maxBodyCharacters);
    const call: Call = { seq: this.#seq + 1, atMs: this.#clock.nowMs(), ...seen, body };
    this.#keep(call);
    this.#journal.write("call", call);
    this.#wake();
    return call;
  }

  end(call: Call, outcome: NonNullable<Call["outcome"]>): void {
    call.outcome = outcome;
    this.#journal.write("call", call);
    this.#wake();
  }

  /** The calls that fit, oldest first. */
  list(match: Match, sinceSeq = 0): Call[] {
    return this.#calls.filter((call) => {
      const { service, operation } = call;
      return call.seq > sinceSeq && matches(match, { service, operation, text: `${call.path}\n${call.body}` });
    });
  }

  /** How often each method was called, also beyond the calls that are kept. */
  totals(): Record<string, number> {
    return Object.fromEntries([...this.#totals].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Waits until so many calls that fit have come (with `ended`: have been answered), or the asker has gone. */
  async until(wanted: {
    match: Match;
    count: number;
    sinceSeq: number;
    ended: boolean;
    gone: AbortSignal;
  }): Promise<Call[]> {
    for (;;) {
      const found = this.list(wanted.match, wanted.sinceSeq).filter(
        ({ outcome }) => !wanted.ended || outcome !== undefined,
      );
      if (found.length >= wanted.count || wanted.gone.aborted) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      wanted.gone.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  entries(): Entry[] {
    return [...this.#calls.map((value) => ({ kind: "call", value })), { kind: "calls.totals", value: this.totals() }];
  }

  clear(): void {
    this.#forget();
    this.#journal.write("calls.clear", null);
  }

  #keep(call: Call): void {
    // The end of a call that has been read from the journal: their numbers have no gaps.
    const known = call.seq - (this.#calls[0]?.seq ?? call.seq);
    if (call.seq <= this.#seq) {
      if (known >= 0) this.#calls[known] = call;
      return;
    }
    this.#seq = Math.max(this.#seq, call.seq);
    this.#calls.push(call);
    if (this.#calls.length > 2 * maxCalls) this.#calls.splice(0, maxCalls);
    const name = `${call.service} ${call.operation}`;
    this.#totals.set(name, (this.#totals.get(name) ?? 0) + 1);
  }

  #forget(): void {
    this.#calls.length = 0;
    this.#totals.clear();
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) resolve();
  }
}
