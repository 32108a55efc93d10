import { randomUUID } from "node:crypto";
import { limits } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { givenJson } from "./given-json.ts";
import type { CommonFlags } from "./project.ts";
import type { Terminal } from "./terminal.ts";

interface SignalFlags extends CommonFlags {
  readonly payload?: string;
}

/** `holdfast runs signal RUN NAME`. */
export function signal(
  terminal: Terminal,
  id: string,
  name: string,
  { payload, ...flags }: SignalFlags,
): Promise<number> {
  const request = {
    name,
    ...(payload === undefined
      ? {}
      : { payload: givenJson(payload, { flag: "--payload", what: "The payload", maxBytes: limits.signalBytes }) }),
  };
  return connected(terminal, flags, async ({ plane }) => {
    const done = await plane.signalRun(id, request, randomUUID());
    terminal.answer(done);
    const waits =
      done.outcome === "delivered" ? "which waited for it." : "which has no wait for it open: it is kept for the next.";
    terminal.note(`Signalled "${name}" to run ${done.runId}, ${waits}`);
    return exitCodes.done;
  });
}
