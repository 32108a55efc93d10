import { transient } from "./failures.ts";

// A process may be stopped at any moment and wake when others have taken over what it was about to send. So what must not be sent
// late carries the moment after which it is not sent any more, and that is looked at last of all, on the open connection.

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
function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Throws a transient failure, of something that surely was not done, when the moment is over. */
export function refuseAfter(moment: Moment): void {
  if (machineMs() <= moment.machineMs && Date.now() <= moment.wallMs) return;
  throw transient("too_late", "It was not sent in time, and is not sent any more.");
}
