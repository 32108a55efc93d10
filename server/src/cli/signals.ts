import { randomUUID } from "node:crypto";
import { limits, nearestName, type Signalled } from "@holdfast/protocol";
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
    terminal.note(`Signalled "${name}" to run ${done.runId}, ${becameOf(name, done)}`);
    return exitCodes.done;
  });
}

function becameOf(name: string, { outcome, waitsFor = [] }: Signalled): string {
  if (outcome === "delivered") return "which waited for it.";
  const kept = "which has no wait for it open: it is kept for the next.";
  if (waitsFor.length === 0) return kept;
  const near = nearestName(name, waitsFor);
  const meant = near === undefined ? "" : ` Did you mean "${near}"?`;
  return `${kept} It waits for ${waitsFor.map((one) => `"${one}"`).join(", ")}.${meant}`;
}
