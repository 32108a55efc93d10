/** A moment as every process of this machine tells it: by the clock that never goes back, and by the one that goes on in sleep. */
export interface Moment {
  readonly machineMs: number;
  readonly wallMs: number;
}

/** In so many milliseconds from now. */
export function momentIn(ms: number): Moment {
  return { machineMs: machineMs() + ms, wallMs: Date.now() + ms };
}

/** Milliseconds that all processes of a machine count alike. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
