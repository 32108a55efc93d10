import { checkSchema, readId } from "./asset.ts";
import type { Asset } from "./assets.ts";
import { type CleanUp, readCleanUp } from "./clean-up.ts";
import { checkStartOn } from "./consuming.ts";
import type { TaskContext } from "./context.ts";
import { definitionData, makeDefinition, type Task, type TaskData, type TaskOptions } from "./definition.ts";
import type { KeyOf, RateOptions } from "./definition-key.ts";
import type { JobResult } from "./external/external-job.ts";
import { OptionReader, show } from "./options.ts";
import type { Schedules } from "./schedule.ts";
import { callerPosition } from "./source-position.ts";
import { type InputOf, isStandardSchema, type OutputOf, type StandardSchema } from "./standard-schema.ts";
import type { StateOf, VersionedState } from "./state.ts";
import type { Storable, Stored } from "./stored.ts";
import type { Wait } from "./wait.ts";

const known = [
  "id", "description", "input", "output", "retry", "timeout", "expiresAfter", "queue", "concurrency", "concurrencyKey", "rate", "fair", "priority", "placement",
  "isolation", "memory", "env", "reads", "schedule", "startOn", "state", "taskState", "writes", "onCancel",
]; // biome-ignore format: one list
const later = ["secrets", "onFailure", "onSuccess", "access", "code"];

type CallerInput<In, I> = In extends StandardSchema ? InputOf<In> : I;
/** The body says what the input is, never the schedule. */
type ScheduledBy<In, I> = Schedules<NoInfer<CallerInput<In, I>>>;
/** What a run of the input is stored with. */
type KeyedBy<In, I> = NoInfer<Stored<CallerInput<In, I>>>;
type BodyInput<In, I> = In extends StandardSchema ? OutputOf<In> : I;

/**
 * Declares a task. With an output schema the body returns what the schema accepts and callers see what it makes of it;
 * without one they see what JSON keeps of what the body returns. Mistakes are reported when the project is compiled.
 */
export function task<
  Out extends StandardSchema,
  In extends StandardSchema | undefined = undefined,
  I = unknown,
  S extends StandardSchema | undefined = undefined,
  T extends StandardSchema | undefined = undefined,
  R extends Asset = never,
  W extends Asset = never,
>(
  options: TaskOptions & {
    readonly input?: In;
    readonly output: Out;
    /** What `ctx.state` holds: an object of keys and values, with a version and a migration where it has changed. */
    readonly state?: S | VersionedState<S>;
    /** The same of `ctx.taskState`. */
    readonly taskState?: T | VersionedState<T>;
    readonly reads?: readonly R[];
    readonly writes?: readonly W[];
    readonly schedule?: ScheduledBy<In, I>;
    /** What `concurrency` (default 1) is counted by: a text or a number in the input; null asks for no limit. */
    readonly concurrencyKey?: KeyOf<KeyedBy<In, I>>;
    /** How many activations may start within a time, of all its runs or of each key; each retry is one. */
    readonly rate?: RateOptions<KeyedBy<In, I>>;
    /** The key by which its runs take turns: however many of one key are ready, those of another do not wait behind them all. */
    readonly fair?: KeyOf<KeyedBy<In, I>>;
    /**
     * Carried out when a run was cut off (cancelled or expired) after its body had begun, once all that it had under way has ended, and
     * before the run is `cancelled`: at least once, three times at most. It changes nothing of how the run ends.
     */
    readonly onCancel?: CleanUp<BodyInput<In, I>, StateOf<S>, StateOf<T>, R, W>;
  },
  body: (input: BodyInput<In, I>, ctx: TaskContext<StateOf<S>, StateOf<T>, R, W>) => Declared<InputOf<Out>>,
): Task<CallerInput<In, I>, Stored<OutputOf<Out>>>;
export function task<
  O,
  In extends StandardSchema | undefined = undefined,
  I = unknown,
  S extends StandardSchema | undefined = undefined,
  T extends StandardSchema | undefined = undefined,
  R extends Asset = never,
  W extends Asset = never,
>(
  options: TaskOptions & {
    readonly input?: In;
    readonly output?: never;
    readonly state?: S | VersionedState<S>;
    readonly taskState?: T | VersionedState<T>;
    readonly reads?: readonly R[];
    readonly writes?: readonly W[];
    readonly schedule?: ScheduledBy<In, I>;
    readonly concurrencyKey?: KeyOf<KeyedBy<In, I>>;
    readonly rate?: RateOptions<KeyedBy<In, I>>;
    readonly fair?: KeyOf<KeyedBy<In, I>>;
    readonly onCancel?: CleanUp<BodyInput<In, I>, StateOf<S>, StateOf<T>, R, W>;
  },
  body: (input: BodyInput<In, I>, ctx: TaskContext<StateOf<S>, StateOf<T>, R, W>) => Returned<O>,
): Task<CallerInput<In, I>, Stored<O>>;
export function task(options: TaskData["options"], body: TaskData["body"]): Task {
  const position = callerPosition();
  const id = readId(options);
  const reader = new OptionReader(options, `task ${show(id)}`, position);
  reader.onlyKnown(known, later);
  if (id === "") reader.add('it has no "id"', 'Give it one: task({ id: "extract" }, …).');
  else reader.id("id");
  checkTask(reader);
  if (typeof body !== "function") {
    reader.add(`its body is ${show(body)}`, "Pass a function second: task({ id }, async (input, ctx) => { … }).");
  }
  const data = { kind: "task", options, body, id, position, problems: reader.problems.found } as const;
  return makeDefinition(data) as Task;
}

/** What a schema takes, or a job of which that comes. */
type Declared<T> = T | JobResult<T> | Promise<T | JobResult<T>>;
type Returned<R> = (R & Storable<R>) | Promise<R & Storable<R>> | Wait<R & Storable<R>>;

function checkTask(reader: OptionReader): void {
  reader.text("description");
  checkSchema(reader, "input");
  checkSchema(reader, "output");
  reader.retry();
  reader.duration("timeout");
  reader.duration("expiresAfter");
  reader.id("queue");
  reader.concurrency();
  reader.number("priority", { min: -1_000, max: 1_000, integer: true });
  reader.oneOf("placement", ["process", "inline"]);
  reader.oneOf("isolation", ["pool", "fresh"]);
  reader.memoryBytes("memory");
  reader.environment("env");
  readCleanUp(reader);
  for (const name of ["reads", "writes"]) checkAssets(reader, name);
  for (const name of ["state", "taskState"]) checkState(reader, name);
  checkStartOn(reader);
}

function checkState(reader: OptionReader, name: string): void {
  const value = reader.value(name);
  if (value === undefined || isStandardSchema(value)) return;
  const { schema, version, migrate } = (
    typeof value === "object" && value !== null ? value : {}
  ) as Partial<VersionedState>;
  const hint = `Write ${name}: z.object({ … }), or { schema, version: 2, migrate: (values, from) => ({ … }) }.`;
  if (!isStandardSchema(schema)) reader.add(`"${name}" is ${show(value)}`, hint);
  else if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
    reader.add(`the version of "${name}" is ${show(version)}`, "It must be a whole number from 1.");
  } else if (migrate !== undefined && typeof migrate !== "function") {
    reader.add(`"migrate" of "${name}" is ${show(migrate)}`, hint);
  }
}

function checkAssets(reader: OptionReader, name: string): void {
  const value = reader.value(name);
  if (value === undefined) return;
  const assets: unknown[] = Array.isArray(value) ? value : [value];
  if (!Array.isArray(value) || assets.some((item) => definitionData(item)?.kind !== "asset")) {
    reader.add(`"${name}" is not a list of assets`, `Write ${name}: [orders], where orders = asset({ id: "orders" }).`);
  }
}
