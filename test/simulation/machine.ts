import type { Clock } from "../../server/src/clock.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";

/** A process as the simulation sees it: it can be killed, and stopped where it stands and continued. Nothing in it goes on meanwhile. */
export class Machine {
  readonly #world: VirtualClock;
  readonly #skewMs: number;
  #dead = false;
  #stopped: Promise<void> | undefined;
  #continue: () => void = () => undefined;

  constructor(world: VirtualClock, skewMs: number) {
    this.#world = world;
    this.#skewMs = skewMs;
  }

  get dead(): boolean {
    return this.#dead;
  }

  get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  kill(): void {
    this.#dead = true;
  }

  stop(): void {
    this.#stopped ??= new Promise((resolve) => {
      this.#continue = resolve;
    });
  }

  continue(): void {
    this.#stopped = undefined;
    this.#continue();
  }

  /** Passes when the process runs; never when it is dead. */
  async pass(): Promise<void> {
    while (this.#stopped !== undefined) await this.#stopped;
    if (this.#dead) await new Promise<never>(() => undefined);
  }

  /** The machine's view of time: its wall clock is off, its monotonic clock also runs while it is stopped. */
  readonly clock: Clock = {
    now: () => this.#world.now() + this.#skewMs,
    monotonicMs: () => this.#world.monotonicMs(),
    sleep: async (ms, signal) => {
      await this.#world.sleep(ms, signal);
      await this.pass();
    },
  };
}
