import { nameHint, type RunStatus, runStatuses } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import { UsageError } from "./failures.ts";

// What flags say of which runs are meant.

/** A status as it is typed. Throws UsageError. */
export function readStatus(text: string): RunStatus {
  const status = runStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new UsageError(`"${text}" is not a status.`, `A status is one of ${runStatuses.join(", ")}.`);
}

/** A moment, or how long ago: `2h`. Throws UsageError. */
export function readMoment(text: string): string {
  const ago = /^(\d+)(s|m|h|d)$/.exec(text);
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[ago?.[2] ?? ""];
  const ms = unitMs === undefined ? Date.parse(text) : Date.now() - Number(ago?.[1]) * unitMs;
  if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  throw new UsageError(`"${text}" is no moment.`, "Write it as 2h (so long ago) or 2026-01-31T12:00:00Z.");
}

/** What is said where no run fits. A definition that is not there has none, but most likely another is meant. */
export async function noneFound(
  plane: Connection["plane"],
  said: string,
  definition: string | undefined,
): Promise<string> {
  if (definition === undefined) return `${said}.`;
  const known = (await plane.listDefinitions()).map(({ id }) => id);
  if (known.includes(definition)) return `${said}.`;
  return `${said}, and there is no definition "${definition}" now. ${nameHint(definition, known)}`;
}
