import { Refusal } from "../refusal.ts";
import type { Answer, Service } from "../routes.ts";
import { admit, headersFor, statusNames, unknown } from "./refusals.ts";

// What the services share that are defined by protobuf files: errors, times, fields at their defaults, operations.

/** No list of `errors`, as BigQuery has it: the status by its name, and details by their types. */
function refuse({ status, message, reason, details }: Refusal): Answer {
  const word = reason !== undefined && /^[A-Z_]+$/.test(reason) ? reason : (statusNames[status] ?? "UNKNOWN");
  const { location: _, locationType: __, ...others } = details;
  return { status, body: { error: { code: status, message, status: word, ...others } }, headers: headersFor(status) };
}

export const googleService: Pick<Service, "refuse" | "unknown" | "admit"> = { refuse, unknown, admit };

/** RFC 3339 as protobuf's JSON has it: no digits of a second where they are nothing, else three, six or nine. */
export function timestamp(ms: number): string {
  const iso = new Date(ms).toISOString();
  // The services keep microseconds, which the fakes' clock has not: they are made up, so that readers meet them.
  return iso.endsWith(".000Z") ? iso.replace(".000Z", "Z") : iso.replace("Z", "417Z");
}

/** What JSON of protobuf leaves out: fields at their defaults, empty lists and maps. */
export function withoutDefaults(message: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => !isDefault(value)));
}

function isDefault(value: unknown): boolean {
  if (value === undefined || value === null || value === 0 || value === false || value === "" || value === "0")
    return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** A message packed as google.protobuf.Any. */
export function packed(type: string, message: object): object {
  return { "@type": `type.googleapis.com/${type}`, ...message };
}

/** google.longrunning.Operation. `done` is absent until it is. */
export function operation(
  name: string,
  options: {
    metadata: object;
    outcome?: { response: object } | { error: { code: number; message: string } } | undefined;
  },
): Record<string, unknown> {
  const { metadata, outcome } = options;
  return { name, metadata, ...(outcome && { done: true, ...outcome }) };
}

/** google.protobuf.Duration: `30s`, `1.5s`. */
export function durationMs(value: unknown, place: string): number | undefined {
  if (value === undefined) return undefined;
  const seconds = typeof value === "string" ? /^(\d+(?:\.\d{1,9})?)s$/.exec(value)?.[1] : undefined;
  if (seconds === undefined) {
    const said = `Invalid value at '${place}' (type.googleapis.com/google.protobuf.Duration), Field '${place}', Illegal duration format; duration must end with 's'`;
    throw new Refusal(400, said);
  }
  return Number(seconds) * 1000;
}
