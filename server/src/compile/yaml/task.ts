import {
  defaultRetry,
  environmentSchema,
  type JobCode,
  type JsonObject,
  limits,
  nameHint,
  type RetryPolicy,
  type TaskCode,
} from "@holdfast/protocol";
import type { CodeFields } from "./code-reading.ts";
import type { MapNode, Place, YamlEntry, YamlNode } from "./document.ts";
import { type Fields, type FileProblems, type Reading, readFields, shown } from "./fields.ts";
import {
  type defaultsForm,
  executorAliases,
  executors,
  laterKeys,
  retryForm,
  spanMs,
  taskForm,
  type YamlExecutor,
} from "./form.ts";
import type { Dependent } from "./graph.ts";
import { readCode } from "./source-code.ts";
import type { Type, TypeReader } from "./type-expression.ts";

/** Ork's, for files that say nothing. */
const defaultTimeoutMs = 300_000;

type TaskValues = Fields<typeof taskForm>["values"];

/** A task as its file says it, its references not yet followed. */
export interface YamlTask extends Dependent {
  readonly at: Place;
  readonly entries: ReadonlyMap<string, YamlEntry>;
  readonly values: TaskValues;
  readonly executor: YamlExecutor | undefined;
  /** Undefined for a mistake. */
  readonly code: TaskCode | JobCode | undefined;
  readonly input: Type | undefined;
  readonly output: Type | undefined;
}

export interface TaskReading {
  readonly root: string;
  /** Absolute. */
  readonly workflowFile: string;
  readonly connections: readonly string[] | undefined;
  readonly types: TypeReader;
  readonly defaults: Fields<typeof defaultsForm> | undefined;
  readonly problems: FileProblems;
}

const ownReaders = ["executor", "input_type", "output_type", "inputs", "foreach", "retry", "rate"];

/** Reads one task of `tasks`. */
export function readTask(name: string, { at, node }: YamlEntry, reading: TaskReading): YamlTask {
  const what = `task "${name}"`;
  const { problems, types, defaults } = reading;
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) || name.length > limits.idCharacters) {
    problems.add(
      at,
      `${what} has a name that references cannot use`,
      "Use letters, digits and _, and begin with a letter or _.",
    );
  }
  const fields = readFields(node, { form: taskForm, what, problems, elsewhere: ownReaders, later: laterKeys.task });
  const entries = fields?.entries ?? new Map<string, YamlEntry>();
  const values = { ...inherited(defaults?.values, entries), ...fields?.values };
  const executor = executorOf(entries, { what, at, defaults, problems });
  const codeReading = { ...reading, what, task: name, entries, at };
  const input = typeOf("input_type", entries, { types, what });
  if (input !== undefined && input.kind !== "object") {
    problems.add(
      entries.get("input_type")?.node ?? at,
      `${what}: "input_type" is no object`,
      "Name the arguments: input_type: { day: date }.",
    );
  }
  return {
    name,
    what,
    at,
    entries,
    values,
    executor,
    code: executor && readCode(executor, codeFields(executor, values, entries), codeReading),
    input,
    output: typeOf("output_type", entries, { types, what }),
    dependencies: (values.depends_on ?? []).map((upstream, i) => ({
      name: upstream,
      node: itemOf(entries.get("depends_on"), i) ?? node,
    })),
  };
}

/** What the defaults say about what the task leaves out. `retry` and `retries` stand for each other, as code does for code. */
function inherited(
  defaults: Fields<typeof defaultsForm>["values"] | undefined,
  entries: ReadonlyMap<string, YamlEntry>,
): TaskValues {
  const { env, retry: _, retries, file, module, ...rest } = defaults ?? {};
  const hasOwnCode = ["file", "module", "command"].some((key) => entries.has(key));
  return {
    ...rest,
    ...(hasOwnCode ? {} : { ...(file === undefined ? {} : { file }), ...(module === undefined ? {} : { module }) }),
    ...(entries.has("retry") || retries === undefined ? {} : { retries }),
    ...(env === undefined ? {} : { env }),
  };
}

/** A default file says nothing to tasks that have no file. */
function codeFields(executor: YamlExecutor, values: TaskValues, entries: ReadonlyMap<string, YamlEntry>): CodeFields {
  const { file, module, function: name, command, job, url, image, connection } = values;
  const own = (key: string): boolean => entries.has(key);
  const takesFile = executor === "python" || executor === "typescript" || own("file");
  return {
    ...(takesFile ? { file } : {}),
    ...(executor === "python" || own("module") ? { module } : {}),
    function: name,
    command,
    job,
    url,
    image,
    connection,
    options: values.options as JsonObject | undefined,
  };
}

interface ExecutorReading extends Reading {
  readonly at: Place;
  readonly defaults: TaskReading["defaults"];
}

function executorOf(
  entries: ReadonlyMap<string, YamlEntry>,
  { what, at, defaults, problems }: ExecutorReading,
): YamlExecutor | undefined {
  const own = entries.get("executor");
  if (own !== undefined) return readExecutor(own.node, { what, problems });
  const shared = defaults?.entries.get("executor");
  if (shared !== undefined) return readExecutor(shared.node, { what: '"defaults"', problems });
  problems.add(at, `${what} has no "executor"`, "Write executor: python, typescript or process.");
  return undefined;
}

function readExecutor(node: YamlNode, { what, problems }: Reading): YamlExecutor | undefined {
  const name = node.kind === "scalar" ? node.value : undefined;
  const known = [...executors, ...Object.keys(executorAliases)];
  if (typeof name === "string" && known.includes(name)) return executorAliases[name] ?? (name as YamlExecutor);
  if (name === "library") {
    const hint = "A library loaded into the server could end it: make it a program, and use executor: process.";
    problems.add(node, `${what}: the executor library is not supported`, hint);
  } else {
    const hint = typeof name === "string" ? nameHint(name, known) : `It must be one of ${executors.join(", ")}.`;
    problems.add(node, `${what}: "executor" is ${shown(node)}`, hint);
  }
  return undefined;
}

function typeOf(
  key: "input_type" | "output_type",
  entries: ReadonlyMap<string, YamlEntry>,
  { types, what }: { readonly types: TypeReader; readonly what: string },
): Type | undefined {
  const entry = entries.get(key);
  return entry && types.read(entry.node, `${what}: "${key}"`);
}

function itemOf(entry: YamlEntry | undefined, index: number): YamlNode | undefined {
  return entry?.node.kind === "list" ? entry.node.items[index] : undefined;
}

/** The retry policy that a task states, or the defaults do for it; undefined when neither says anything. */
export function readRetry(
  { values, entries, what }: YamlTask,
  { defaults, problems }: TaskReading,
): RetryPolicy | undefined {
  const own = entries.get("retry");
  if (own !== undefined && entries.has("retries")) {
    problems.add(own.at, `${what} has both "retry" and "retries"`, "Remove one: retries: 4 is retry: { attempts: 5 }.");
  }
  const entry = own ?? (entries.has("retries") ? undefined : defaults?.entries.get("retry"));
  if (entry === undefined)
    return values.retries === undefined ? undefined : { ...defaultRetry, attempts: values.retries + 1 };
  const place = own === undefined ? '"defaults"' : what;
  const policy = readFields(entry.node, { form: retryForm, what: `${place}: "retry"`, problems })?.values ?? {};
  const delayMs = policy.delay === undefined ? defaultRetry.delayMs : spanMs(policy.delay);
  return {
    attempts: policy.attempts ?? defaultRetry.attempts,
    delayMs,
    factor: policy.factor ?? defaultRetry.factor,
    maxDelayMs: policy.max_delay === undefined ? Math.max(defaultRetry.maxDelayMs, delayMs) : spanMs(policy.max_delay),
    jitter: policy.jitter ?? defaultRetry.jitter,
  };
}

/**
 * Milliseconds of running time; undefined for none. Of what is an external job, how long the job may take: there is none by default,
 * for a job that is waited for costs nothing (Ork's defect 7).
 */
export function timeoutMsOf({ values, code }: YamlTask): number | undefined {
  const defaultMs = code?.executor === "external" ? 0 : defaultTimeoutMs;
  const ms = values.timeout === undefined ? defaultMs : spanMs(values.timeout);
  return ms === 0 ? undefined : ms;
}

/** The task's variables over the defaults'; undefined when there are none. */
export function readEnvironment(
  task: YamlTask,
  { defaults, problems }: TaskReading,
): Record<string, string> | undefined {
  const env = Object.fromEntries(
    Object.entries({ ...defaults?.values.env, ...task.values.env }).map(([name, value]) => [name, String(value)]),
  );
  if (Object.keys(env).length === 0) return undefined;
  const own = task.entries.get("env")?.node;
  for (const issue of environmentSchema.safeParse(env).error?.issues ?? []) {
    const name = String(issue.path[0] ?? "");
    const entry = own?.kind === "map" ? (own as MapNode).entries.get(name) : undefined;
    const hint = "Use letters, digits and _; names that begin with HOLDFAST_ or ORK_ are the runner's own.";
    problems.add(entry?.at ?? task.at, `${task.what}: "env" cannot have "${name}"`, hint);
  }
  return env;
}
