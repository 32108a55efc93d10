import type { Duration, Problem } from "@holdfast/protocol";
import type { Asset, AssetData, StartOnOption } from "./assets.ts";
import type { Task, Workflow } from "./callable.ts";
import type { TaskContext } from "./context.ts";
import { definitionMark } from "./definition-mark.ts";
import type { Position } from "./source-position.ts";
import type { StandardSchema } from "./standard-schema.ts";
import type { StateDeclaration } from "./state.ts";

// What `task`, `workflow` and `asset` return. Recognised by a registered symbol, never by instanceof: the copy of the SDK
// that made a definition need not be the copy that reads it.

export type { Asset, AssetData } from "./assets.ts";
export type { PassedTo, ReturnedBy, Task, Workflow } from "./callable.ts";

/** How often and when a failed attempt is tried again. */
export interface RetryOptions {
  /** Tries in all, the first included; 1 to 1,000. */
  readonly attempts?: number;
  /** Wait before the second try; default 1s. */
  readonly delay?: Duration;
  /** What each further wait is multiplied by; default 2. */
  readonly factor?: number;
  /** No wait is longer; default 60s. */
  readonly maxDelay?: Duration;
  /** The share of a wait that is random, 0 to 1; default 0.25. */
  readonly jitter?: number;
}

export interface TaskOptions {
  /** Letters, digits and `_ . - /`; unique in the project. */
  readonly id: string;
  readonly description?: string;
  readonly retry?: RetryOptions;
  /** Running time of an attempt, after which it fails. */
  readonly timeout?: Duration;
  /** Wall clock from the run's creation, waiting included, after which the run fails. */
  readonly expiresAfter?: Duration;
  readonly queue?: string;
  /**
   * How many of its runs may be under way at a time, each from its start to its end, waits and retries included; with
   * `concurrencyKey`, of each key.
   */
  readonly concurrency?: number;
  /** −1,000 to 1,000; higher runs first; default 0. */
  readonly priority?: number;
  /** `process` (default): a supervised child. `inline`: in the node's process, for tests and trusted tasks. */
  readonly placement?: "process" | "inline";
  /** `pool` (default): a warm child. `fresh`: a new process for each activation. */
  readonly isolation?: "pool" | "fresh";
  /**
   * Variables of its process, beside PATH, HOME, LANG, TZ and TMPDIR: constants, known to everybody who may read the definition. Not
   * for inline tasks, which have none of their own.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** The most memory that its process may hold: `"512mb"`, `"2gb"`. */
  readonly memory?: `${number}${"mb" | "gb"}`;
  /** Assets that it reads: their state, watermarks and events. */
  readonly reads?: readonly Asset[];
  /** Assets that it writes, and may read. */
  readonly writes?: readonly Asset[];
  /** Events of assets that start runs of it; their input is `{ events }` (`StartedBy`). */
  readonly startOn?: StartOnOption;
}

export interface WorkflowOptions {
  readonly id: string;
  readonly description?: string;
  readonly priority?: number;
  /** How many of its runs may be under way at a time, each from its start to its end; with `concurrencyKey`, of each key. */
  readonly concurrency?: number;
  readonly expiresAfter?: Duration;
  /** Events of assets that start runs of it; their parameters are `{ events }` (`StartedBy`). */
  readonly startOn?: StartOnOption;
}

export interface TaskData {
  readonly kind: "task";
  readonly options: TaskOptions & {
    readonly input?: StandardSchema;
    readonly output?: StandardSchema;
    readonly state?: StateDeclaration | undefined;
    readonly taskState?: StateDeclaration | undefined;
    /** As the user wrote it. */
    readonly schedule?: unknown;
    readonly concurrencyKey?: unknown;
    readonly rate?: unknown;
    readonly fair?: unknown;
    readonly onCancel?: unknown;
  };
  readonly body: (input: never, ctx: TaskContext) => unknown;
}

export interface WorkflowData {
  readonly kind: "workflow";
  readonly options: WorkflowOptions & {
    readonly params?: StandardSchema;
    readonly schedule?: unknown;
    readonly concurrencyKey?: unknown;
    readonly rate?: unknown;
    readonly fair?: unknown;
  };
  readonly builder: (w: never) => unknown;
}

/** What a definition holds: its options, its code, where it was written and the mistakes found in it so far. */
export type DefinitionData = (TaskData | WorkflowData | AssetData) & {
  readonly id: string;
  readonly position: Position | undefined;
  readonly problems: readonly Problem[];
};

/** Makes the object that users export. */
export function makeDefinition(data: DefinitionData): object {
  const definition = { kind: data.kind, id: data.id };
  Object.defineProperty(definition, definitionMark, { value: data });
  return Object.freeze(definition);
}

/** True for what `task`, `workflow` and `asset` of any copy of the SDK return. */
export function isDefinition(value: unknown): value is Task | Workflow | Asset {
  return typeof value === "object" && value !== null && definitionMark in value;
}

/** What the definition holds, or undefined when the value is none. */
export function definitionData(value: unknown): DefinitionData | undefined {
  return isDefinition(value) ? (value as unknown as Record<symbol, DefinitionData>)[definitionMark] : undefined;
}
