import type { ScriptedCallback } from "./script.ts";
import { hasEnded, type Job, nowOf, type World } from "./world.ts";

export interface Delivery {
  readonly id: number;
  readonly url: string;
  readonly atMs: number;
  /** The status of the answer, or why there was none. */
  readonly outcome: number | string;
}

/** Posts what was asked for to whoever waits for it, as a service does that calls back. */
export class Callbacks {
  readonly #world: World;
  readonly #deliveries: Delivery[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #planned = new Set<() => void>();
  readonly #posting = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #next = 0;

  constructor(options: { world: World }) {
    this.#world = options.world;
    options.world.listen((job, change) => {
      if (change !== "gone" && hasEnded(job)) this.#ended(job);
    });
  }

  /** Posts at its time, as often as it says; each on its own, whatever the one before was answered with. */
  plan(callback: ScriptedCallback, body?: unknown): number {
    const id = ++this.#next;
    const { clock } = this.#world;
    const callOff = clock.at(clock.nowMs() + (callback.afterMs ?? 0), () => {
      this.#planned.delete(callOff);
      const posting = this.#post(id, callback, callback.body ?? body ?? {});
      this.#posting.add(posting);
      void posting.finally(() => this.#posting.delete(posting));
    });
    this.#planned.add(callOff);
    return id;
  }

  /** The deliveries so far, once there are `count`. */
  async until(count: number, gone: AbortSignal): Promise<{ deliveries: Delivery[] }> {
    while (this.#deliveries.length < count && !gone.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      gone.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
    return { deliveries: [...this.#deliveries] };
  }

  clear(): void {
    for (const callOff of this.#planned) callOff();
    this.#planned.clear();
    this.#deliveries.length = 0;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.clear();
    await Promise.all(this.#posting);
  }

  #ended(job: Job): void {
    const { phase, message } = nowOf(job);
    const body = { job: job.key, status: phase, ...(message !== undefined && { message }) };
    if (job.script.callback) this.plan(job.script.callback, body);
    const asked = job.facts.callback as ScriptedCallback | undefined;
    if (asked) this.plan(asked, body);
  }

  async #post(
    id: number,
    { url, method = "POST", headers, times = 1 }: ScriptedCallback,
    body: unknown,
  ): Promise<void> {
    for (let time = 0; time < times; time++) {
      const outcome = await this.#send(url, {
        method,
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
        signal: this.#closing.signal,
      });
      this.#deliveries.push({ id, url, atMs: this.#world.clock.nowMs(), outcome });
      for (const resolve of [...this.#waiting]) resolve();
    }
  }

  async #send(url: string, init: RequestInit): Promise<number | string> {
    try {
      const response = await fetch(url, init);
      await response.arrayBuffer();
      return response.status;
    } catch (error) {
      return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    }
  }
}
