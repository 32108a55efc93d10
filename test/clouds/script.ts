import type { ServiceName } from "./services.ts";

/** Where a job stands, in words that all services share; each service says it in its own. */
export type Phase = "queued" | "running" | "cancelling" | "succeeded" | "failed" | "cancelled";

export const endedPhases: ReadonlySet<Phase> = new Set(["succeeded", "failed", "cancelled"]);

/** What a job becomes at a moment. A timeline may say what no honest service would: succeeded, then running again. */
export interface Turn {
  readonly phase: Phase;
  /** The service's own state in place of the one that the phase stands for: `ATTEMPT_FAILURE`. */
  readonly state?: string;
  readonly message?: string;
  /** The service's word for the cause: `invalidQuery`, `NON_ZERO_EXIT_CODE`, `DeadlineExceeded`. */
  readonly reason?: string;
  /** Laid over the resource as it is shown from then on (RFC 7386: null takes a field out). */
  readonly patch?: Readonly<Record<string, unknown>>;
}

export interface ScriptedTurn extends Turn {
  /** Milliseconds after the job was made. */
  readonly afterMs: number;
}

/** What happens to a job. What it leaves out is: running after 0.2 s, succeeded after 1 s, cancelled 0.2 s after it was asked. */
export interface Script {
  readonly timeline?: readonly ScriptedTurn[];
  /** What a cancel does: `ignored` answers well and changes nothing, as a service may that has ended the job meanwhile. */
  readonly onCancel?: "ignored" | { readonly afterMs: number; readonly phase?: Phase };
  /** When the service forgets the job: milliseconds after its end, or after it was made. */
  readonly goneAfterEndMs?: number;
  readonly goneAfterMs?: number;
  /** Rows of a query. */
  readonly result?: ScriptedResult;
  /** Told when the job ends, in addition to what the job itself asks for. */
  readonly callback?: ScriptedCallback;
}

export interface ScriptedResult {
  readonly fields: readonly { readonly name: string; readonly type: string; readonly mode?: string }[];
  /** Values as text, as the service sends them; null is null. */
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface ScriptedCallback {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; left out, the job is sent as its service shows it. */
  readonly body?: unknown;
  /** Milliseconds after the end. */
  readonly afterMs?: number;
  /** How often the same is sent, answered or not. */
  readonly times?: number;
}

/** Which jobs or requests are meant. All that is given must fit. */
export interface Match {
  readonly service?: ServiceName;
  /** The vendor's name of the method, `jobs.insert`; a final `*` stands for any rest. */
  readonly operation?: string;
  /** Stands somewhere in the path, the query or the body: a job's name, a token, a table. */
  readonly text?: string;
}

export interface ScriptRule {
  readonly id: string;
  readonly match: Match;
  readonly script: Script;
}

export function matches(match: Match, seen: { service: ServiceName; operation: string; text: string }): boolean {
  const { service, operation, text } = match;
  if (service !== undefined && service !== seen.service) return false;
  if (text !== undefined && !seen.text.includes(text)) return false;
  if (operation === undefined) return true;
  return operation.endsWith("*") ? seen.operation.startsWith(operation.slice(0, -1)) : operation === seen.operation;
}

export const usualTimeline: readonly ScriptedTurn[] = [
  { afterMs: 0, phase: "queued" },
  { afterMs: 200, phase: "running" },
  { afterMs: 1_000, phase: "succeeded" },
];

export const usualCancelMs = 200;

/** Lays one JSON value over another as RFC 7386 does. */
export function overlay(value: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(value) ? { ...value } : {};
  for (const [name, part] of Object.entries(patch)) {
    if (part === null) delete result[name];
    else result[name] = overlay(result[name], part);
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
