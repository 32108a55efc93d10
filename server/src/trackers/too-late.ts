import { transient } from "./failures.ts";
import { type Moment, machineMs } from "./moment.ts";

// A process may be stopped at any moment and wake when others have taken over what it was about to send. So what must not be sent
// late carries the moment after which it is not sent any more, and that is looked at last of all, on the open connection.

/** Throws a transient failure, of something that surely was not done, when the moment is over. */
export function refuseAfter(moment: Moment): void {
  if (machineMs() <= moment.machineMs && Date.now() <= moment.wallMs) return;
  throw transient("too_late", "It was not sent in time, and is not sent any more.");
}
