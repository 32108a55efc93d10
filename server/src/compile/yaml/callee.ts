import {
  type DefinitionSpec,
  defaultQueue,
  defaultRetry,
  type JsonObject,
  type Manifest,
  nameHint,
  type TaskSpec,
} from "@holdfast/protocol";
import { type Shape, schemaShape, unknownShape } from "@holdfast/sdk/definitions";
import { readCleanUp } from "./clean-up.ts";
import { spanMs } from "./form.ts";
import { withVariables } from "./job-code.ts";
import { jsonOfType } from "./json-type.ts";
import type { PythonState, PythonStates } from "./python-states.ts";
import { readEnvironment, readRetry, type TaskReading, timeoutMsOf, type YamlTask } from "./task.ts";
import { readConcurrencyKey, readFair, readRate } from "./task-limits.ts";
import type { Type } from "./type-expression.ts";
import type { FindExport } from "./typescript-exports.ts";

/** The definition that a task's node calls: one that the file itself makes, or one that a TypeScript module exports. */
export interface Callee {
  readonly spec: DefinitionSpec | undefined;
  /** Other definitions and assets that it needs. */
  readonly manifest?: Manifest;
  readonly isOwn: boolean;
  readonly input: { readonly type: Type | undefined; readonly schema: JsonObject | undefined };
  readonly output: { readonly type: Type | undefined; readonly shape: Shape };
}

export interface CalleeReading extends TaskReading {
  /** The workflow's id. */
  readonly workflow: string;
  readonly findExport: FindExport;
  readonly pythonStates?: PythonStates;
}

/** Keys that say how the task runs, which a task(…) of TypeScript says by itself. */
const ownKeys = [
  "description", "input_type", "output_type", "timeout", "expires_after", "queue", "concurrency", "concurrency_key", "rate", "fair", "priority", "env",
  "reads", "writes", "on_cancel",
]; // biome-ignore format: one list

/** What a task's node calls. Undefined after a mistake that leaves nothing to check further. */
export async function calleeOf(task: YamlTask, reading: CalleeReading): Promise<Callee> {
  const { code } = task;
  if (code?.executor !== "typescript") return ownCallee(task, reading);
  const { module, export: name } = code.source;
  const found = reading.findExport(module, name);
  const entry = task.entries.get("function");
  const at = entry?.node ?? task.entries.get("file")?.node ?? task.at;
  const { problems } = reading;
  switch (found.kind) {
    case "function":
      return ownCallee({ ...task, code: { ...code, source: { ...code.source, plain: true } } }, reading);
    case "definition":
      return exportedCallee(task, found, reading);
    case "missing": {
      const why = entry === undefined ? ' (the task\'s own name, as it has no "function")' : "";
      problems.add(at, `${task.what}: ${module} has no export "${name}"${why}`, nameHint(name, found.known));
      break;
    }
    case "other":
      problems.add(
        at,
        `${task.what}: the export "${name}" of ${module} is ${found.is}`,
        "It must be a task, a workflow or a function.",
      );
      break;
    case "broken":
      break;
  }
  return unknownCallee;
}

const unknownCallee: Callee = {
  spec: undefined,
  isOwn: false,
  input: { type: undefined, schema: undefined },
  output: { type: undefined, shape: unknownShape },
};

async function ownCallee(task: YamlTask, reading: CalleeReading): Promise<Callee> {
  const { input, output, what, at, entries } = task;
  const { problems } = reading;
  if (task.dependencies.length > 0 && !entries.has("input_type")) {
    problems.add(
      at,
      `${what} has "depends_on", but no "input_type"`,
      "Write input_type: {} when it takes no arguments.",
    );
  }
  const inputSchema = input && (await jsonOfType(input, "input"));
  const outputSchema = output && (await jsonOfType(orNothing(output), "output"));
  const retry = readRetry(task, reading) ?? defaultRetry;
  const env = readEnvironment(task, reading);
  const { values } = task;
  const code = envCode(task, env, reading);
  const onCancel = readCleanUp(task, reading);
  const fields = {
    kind: "task" as const,
    id: `${reading.workflow}.${task.name}`,
    ...(values.description === undefined ? {} : { description: values.description }),
    ...(inputSchema === undefined ? {} : { input: inputSchema }),
    ...(outputSchema === undefined ? {} : { output: outputSchema }),
    queue: values.queue ?? defaultQueue,
    ...optional("concurrency", values.concurrency),
    ...readConcurrencyKey(task, reading),
    ...readRate(task, reading),
    ...readFair(task, reading),
    priority: values.priority ?? 0,
    retry,
    ...optional("timeoutMs", timeoutMsOf(task)),
    ...optional("expiresAfterMs", values.expires_after === undefined ? undefined : spanMs(values.expires_after)),
    placement: "process" as const,
    isolation: "pool" as const,
    ...(env === undefined || code?.executor === "external" ? {} : { env }),
    ...(onCancel === undefined ? {} : { onCancel }),
    ...(await pythonStateOf(task, reading)),
    reads: idsOf(values.reads),
    writes: idsOf(values.writes),
  };
  return {
    spec: code && specOf(fields, code),
    isOwn: true,
    input: { type: input, schema: inputSchema },
    output: { type: output, shape: schemaShape(outputSchema) },
  };
}

/** What a Python function declares of its state. */
async function pythonStateOf({ code, what, at, entries }: YamlTask, reading: CalleeReading): Promise<PythonState> {
  if (code?.executor !== "python" || reading.pythonStates === undefined) return {};
  const { module, export: name } = code.source;
  const found = await reading.pythonStates.of(module);
  if ("tasks" in found) return found.tasks[name] ?? {};
  const place = entries.get("file")?.node ?? entries.get("module")?.node ?? at;
  const why = found.problem.replace(/\.$/, "");
  reading.problems.add(place, `${what}: ${module} declares state, and cannot be loaded to read it: ${why}`, found.hint);
  return {};
}

/** The code, with the variables of its container where it is an external job that has one. */
function envCode(
  { code, what, entries }: YamlTask,
  env: Readonly<Record<string, string>> | undefined,
  { problems }: CalleeReading,
): YamlTask["code"] {
  if (code?.executor !== "external" || env === undefined) return code;
  const hasContainer = code.source.service === "cloudrun" || "image" in (code.source.job as JsonObject);
  if (hasContainer) return withVariables(code, env);
  const own = entries.get("env");
  if (own !== undefined) {
    problems.add(own.at, `${what} has "env", and no process of its own`, "Remove it: say it in the job itself.");
  }
  return code;
}

/** `output_type: {}` is how a file says that nothing comes back: what returns nothing fits it too. */
function orNothing(output: Type): Type {
  return output.kind === "object" && output.fields.size === 0 ? { kind: "optional", type: output } : output;
}

type SpecFields = Omit<TaskSpec, "executor" | "source">;

function specOf(fields: SpecFields, code: NonNullable<YamlTask["code"]>): TaskSpec {
  // Written out so that the compiler sees which source goes with which executor.
  if (code.executor === "external") return { ...fields, executor: code.executor, source: code.source };
  if (code.executor === "process") return { ...fields, executor: code.executor, source: code.source };
  if (code.executor === "typescript") return { ...fields, executor: code.executor, source: code.source };
  return { ...fields, executor: code.executor, source: code.source };
}

function exportedCallee(
  task: YamlTask,
  { spec, manifest }: { readonly spec: DefinitionSpec; readonly manifest: Manifest },
  { problems }: CalleeReading,
): Callee {
  for (const key of ownKeys) {
    const entry = task.entries.get(key);
    if (entry === undefined) continue;
    const hint = `Say it in TypeScript, or export a plain function instead of ${spec.kind}(…).`;
    problems.add(entry.at, `${task.what}: "${key}" belongs to the ${spec.kind} "${spec.id}" itself`, hint);
  }
  const output = spec.kind === "task" && isObject(spec.output) ? spec.output : undefined;
  return {
    spec,
    manifest,
    isOwn: false,
    input: { type: undefined, schema: isObject(spec.input) ? spec.input : undefined },
    output: { type: undefined, shape: schemaShape(output) },
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function idsOf(ids: readonly string[] | undefined): string[] {
  return [...new Set(ids)].sort();
}

function optional<K extends string>(key: K, value: number | undefined): { readonly [P in K]?: number } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: number };
}
