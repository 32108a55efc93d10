import { type Duration, durationMs, limits, nameHint, type StateKind } from "@holdfast/protocol";

// How long values of state are kept where nobody says, as the configuration says it (docs/guides/state.md).

/** What `state` of the configuration may say of it. */
export interface KeptStateConfig {
  /** How long values are kept where nobody says, by kind. */
  readonly retention?: StateRetentionConfig;
}

/** By kind: a duration from each writing of a value, or "never". Default: never, for each. */
type StateRetentionConfig = { readonly [K in Kind]?: Duration | "never" };

/** Of the kinds that are named; null: for ever. */
export type StateRetentionSettings = { readonly [K in Kind]?: number | null };

/** Watermarks stay: a load that lost its own would begin from the start. */
const kinds = ["run", "task", "asset"] as const satisfies readonly StateKind[];
type Kind = (typeof kinds)[number];

const hint = 'Write { run: "30d", task: "never" }.';

type Add = (key: string, message: string, hint: string) => void;

/** `state` of the file, as far as it is this: what else it says is not looked at. `add` is told of mistakes. */
export function readStateRetention(file: unknown, add: Add): StateRetentionSettings {
  const state = isRecord(file) ? file.state : undefined;
  const found: { [K in Kind]?: number | null } = {};
  for (const [name, value] of Object.entries(partOf(state, "retention", add, hint))) {
    const kind = kinds.find((known) => known === name);
    const ms = typeof value === "string" && value !== "never" ? durationMs(value) : undefined;
    if (kind === undefined) {
      add(name, `unknown key "state.retention.${name}"`, nameHint(name, kinds));
    } else if (value === "never") found[kind] = null;
    else if (ms !== undefined && ms > 0 && ms <= limits.spanMs) found[kind] = ms;
    else
      add(name, `"state.retention.${name}" is ${JSON.stringify(value)}`, 'Write a duration such as "30d", or "never".');
  }
  return found;
}

function partOf(whole: unknown, name: string, add: Add, remedy: string): Readonly<Record<string, unknown>> {
  const part = isRecord(whole) ? (whole[name] ?? {}) : {};
  if (isRecord(part)) return part;
  add(name, `"${name}" is no object`, remedy);
  return {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
