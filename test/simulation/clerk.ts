import { isAppError, type ResolveJob } from "@holdfast/protocol";
import type { Services } from "../../server/src/main.ts";
import type { Chance } from "../../server/src/store/contract/chance.contract.ts";
import type { VirtualClock } from "../../server/src/testing/virtual-clock.ts";
import type { JobChecks } from "./job-checks.ts";
import { longestWayMs, type Outside } from "./outside.ts";

export interface ClerkOptions {
  readonly chance: Chance;
  readonly clock: VirtualClock;
  readonly client: Services;
  readonly outside: Outside;
  readonly jobs: JobChecks;
  readonly insist: <T>(ask: () => Promise<T>) => Promise<T>;
}

/** A call that was noted is sent within so long, or not at all. */
const sendWindowMs = 30_000;

/** Somebody who looks for what nobody else can know, and says what became of it (P5). */
export async function decideUnknown({ chance, clock, client, outside, jobs, insist }: ClerkOptions): Promise<void> {
  for (;;) {
    await clock.sleep(chance.between(3_000, 9_000));
    for (const { id, token, status, calledAt } of jobs.byToken.values()) {
      if (status !== "unknown") continue;
      if (calledAt !== null && clock.now() < calledAt + sendWindowMs + longestWayMs) continue;
      const seen = outside.seen(token);
      const said: ResolveJob =
        seen === undefined
          ? chance.pick([{ as: "resubmit" }, { as: "lost" }, { as: "failed" }] as const)
          : { as: "running", ref: seen.name };
      try {
        await insist(() => client.externalJobs.resolve(id, said));
      } catch (error) {
        // Others were there before, or its end was ordered meanwhile; bodies' own jobs are not submitted again by others.
        const codes = ["run_ended", "request_conflict", "not_found"] as const;
        if (!codes.some((code) => isAppError(error, code))) throw error;
      }
    }
  }
}
