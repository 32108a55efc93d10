import type { Clock } from "../../server/src/clock.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";

/**
 * `asked`: on its way to the store. `done`: the store has done it, the answer is on its way. Of a call to a service outside:
 * `calling`: it is noted, and not sent. `sent`: it will arrive, whatever becomes of who has sent it. `answered`: it is done.
 */
export type CallPoint = "asked" | "done" | "calling" | "sent" | "answered";

/** A process as the simulation sees it: it can be killed, and stopped where it stands and continued. Nothing in it goes on meanwhile. */
export class Machine {
  readonly #world: VirtualClock;
  readonly #skewMs: number;
  readonly #traps = new Map<CallPoint, () => void>();
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

  /** Has `act` done when a call next reaches this point: the moments at which a blow hurts most. */
  trap(point: CallPoint, act: () => void): void {
    this.#traps.set(point, act);
  }

  /** A call has come to this point. */
  reach(point: CallPoint): void {
    const act = this.#traps.get(point);
    this.#traps.delete(point);
    act?.();
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
