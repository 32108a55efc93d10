import { catchUps, durationMs, limits, overlaps, triggerRules } from "@holdfast/protocol";
import { z } from "zod";

// The form of a workflow file: every key, what it takes, and what it means. The reader checks by it, value by value, and
// the JSON Schema for editors is made of it. Its error texts are the hints that people read.

const must = (what: string) => ({ error: `It must be ${what}.` });
const text = (what: string) => z.string(must(what)).regex(/\S/, must(what));
const name = (what: string) =>
  z.string(must(what)).regex(/^[A-Za-z_][A-Za-z0-9_]*$/, must(`${what}: letters, digits and _`));

const spanText = 'a number of seconds, or a duration such as "10m" (units ms, s, m, h, d; at most ten years)';
const span = z.union(
  [
    z
      .number(must(spanText))
      .min(0, must(spanText))
      .max(limits.spanMs / 1_000, must(spanText)),
    z
      .string(must(spanText))
      .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, must(spanText))
      .refine((value) => durationMs(value) !== undefined, must(spanText)),
  ],
  must(spanText),
);
const positiveSpan = span.refine((value) => spanMs(value) > 0, must(`more than nothing: ${spanText}`));

/** Milliseconds of what a duration key takes. */
export function spanMs(value: number | string): number {
  if (typeof value === "string") return durationMs(value) ?? 0;
  // Ever so little is not nothing, which would mean no limit.
  return value > 0 ? Math.max(1, Math.round(value * 1_000)) : 0;
}

const number = (what: string, { min, max }: { readonly min: number; readonly max: number }) =>
  z.number(must(what)).min(min, must(what)).max(max, must(what));
const whole = (min: number, max: number) => {
  const error = must(`a whole number from ${min} to ${max}`);
  return z.int(error).min(min, error).max(max, error);
};

/** A type: a builtin name, `types.NAME`, either with `?` when it may be null, a list `[T]`, or an object of types. */
type TypeForm = string | [TypeForm] | { [field: string]: TypeForm };
const typeForm: z.ZodType<TypeForm> = z
  .lazy(() => z.union([z.string(), z.tuple([typeForm]), z.record(z.string(), typeForm)]))
  .meta({
    id: "type",
    description:
      "A type: str int float bool date datetime_notz datetime_tz datetime_utc, types.NAME, [T], or {field: T}. A name followed by ? may be null.",
  }) as z.ZodType<TypeForm>;

export const executors = ["python", "typescript", "process", "cloudrun", "http", "kubernetes"] as const;
export type YamlExecutor = (typeof executors)[number];
export const executorAliases: Readonly<Record<string, YamlExecutor>> = {
  node: "typescript",
  shell: "process",
  cloud_run: "cloudrun",
};

/** An id of the manifest's. */
const id = (what: string) => {
  const error = must(`${what}: letters and digits, and _ . - / inside`);
  return z
    .string(error)
    .max(limits.idCharacters, error)
    .regex(/^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.\-/]*$/, error);
};
const ids = z.array(id("the id of an asset"), must("a list of the ids of assets"));
/** CEL, or a reference. */
const expression = (what: string) => text(what).max(10_000, must("at most 10,000 characters"));

export const bindingForm = z
  .strictObject({
    const: z.unknown().optional().describe("This value."),
    ref: text("a reference such as tasks.extract.output.files")
      .optional()
      .describe("What another task returned: tasks.NAME.output.field; the item of foreach; or params.NAME."),
    param: text("the name of a parameter").optional().describe("A parameter of the workflow: NAME, or NAME.field."),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

export const retryForm = z.strictObject({
  attempts: whole(1, limits.attempts).optional().describe("Tries in all, the first included."),
  delay: span.optional().describe("Wait before the second try; default 1s."),
  factor: number("a number from 1 to 100", { min: 1, max: 100 })
    .optional()
    .describe("Each further wait is multiplied by it; default 2."),
  max_delay: span.optional().describe("No wait is longer; default 60s."),
  jitter: number("a number from 0 to 1", { min: 0, max: 1 })
    .optional()
    .describe("The share of a wait that is random; default 0.25."),
});

export const rateForm = z.strictObject({
  limit: whole(1, limits.slots).describe("So many starts at most, within any time of that length."),
  per: positiveSpan
    .refine((value) => spanMs(value) <= limits.ratePerMs, must("at most 30 days"))
    .describe("The time: seconds, or 1m; at most 30 days."),
  key: text("a reference to an argument, such as input.customer")
    .optional()
    .describe("What it is counted by: an argument of the task, input.NAME; null asks for no limit."),
});

export const foreachForm = z.strictObject({
  ref: text("a reference to a list, such as tasks.extract.output.files").describe(
    "The list: the task runs once for each of its items.",
  ),
  as: name("a name for the item").optional().describe('What refs call the item; default "item".'),
  key: expression("a reference such as file.name, or a CEL expression over item")
    .optional()
    .describe("What identifies an item; may be left out for lists of texts, numbers and booleans."),
});

const code = {
  file: text("the path of a file, relative to this one")
    .optional()
    .describe("The file of the code, relative to this one."),
  module: text("a dotted module name").optional().describe("python: a dotted module name, instead of a file."),
};
const conduct = {
  retries: whole(0, limits.attempts - 1)
    .optional()
    .describe("Tries after the first one: retries: 4 is retry: {attempts: 5}."),
  retry: retryForm.optional().describe("How a failed attempt is tried again, instead of retries."),
  timeout: span.optional().describe("Running time of an attempt, in seconds or as 10m; default 300; 0 is none."),
  expires_after: positiveSpan.optional().describe("Wall clock from the run's creation, waiting included."),
  queue: id("the name of a queue").optional().describe("The queue; default default."),
  concurrency: whole(1, limits.slots)
    .optional()
    .describe("How many runs of the task may be under way at a time; with concurrency_key, of each key."),
  priority: whole(-1_000, 1_000).optional().describe("Higher runs first; default 0."),
  env: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], must("a text, a number, or true or false")),
      must("names with their values"),
    )
    .optional()
    .describe("Variables of the task's process, besides PATH, HOME, LANG, TZ and TMPDIR."),
};

const executorText = `one of ${executors.join(", ")} (or node, shell, cloud_run)`;
const executor = z
  .enum([...executors, ...Object.keys(executorAliases)] as [string, ...string[]], must(executorText))
  .describe("What kind of code it is. node is typescript, shell is process.");

const cleanUpText = "the name of a function (process: a command), or {run, timeout, attempts}";

export const taskForm = z.strictObject({
  executor: executor.optional(),
  description: text("a text").optional(),
  ...code,
  function: text("the name of a function")
    .optional()
    .describe("The function; default main (typescript: the task's name)."),
  command: text("a shell command")
    .max(
      limits.commandCharacters - 1_000,
      must(`at most ${limits.commandCharacters - 1_000} characters: make it a file`),
    )
    .optional()
    .describe("process: what /bin/sh -c runs, in the folder of this file."),
  job: text("the name of a job")
    .optional()
    .describe("cloudrun: the job to run; kubernetes: the file of a Job's manifest, relative to this one."),
  image: text("the name of an image").optional().describe("kubernetes: the image of the one container to run."),
  url: text("a URL")
    .optional()
    .describe("http: with options.poll, what starts the job; without, what is asked how the job is."),
  connection: text("the name of a connection")
    .optional()
    .describe(
      "cloudrun, http, kubernetes: a connection of the configuration; default the one named like the executor.",
    ),
  options: z
    .record(z.string(), z.unknown(), must("a mapping"))
    .optional()
    .describe("cloudrun, http, kubernetes: what else the service is told. {input.NAME} stands for an argument."),
  depends_on: z
    .array(z.string(must("the name of a task")), must("a list of the names of tasks: [extract]"))
    .optional()
    .describe("Tasks that must have ended first. What inputs refer to must be among them."),
  input_type: z
    .record(z.string(), typeForm)
    .or(z.string())
    .optional()
    .describe("The type of the input, an object: one field an argument."),
  output_type: typeForm.optional().describe("The type of what the task returns."),
  inputs: z.record(z.string(), bindingForm).optional().describe("Where each argument comes from: const, ref or param."),
  foreach: foreachForm
    .optional()
    .describe("Runs the task once for each item of a list; its output is then the list of outputs."),
  when: expression("a reference such as tasks.check.output.ok, or a CEL expression")
    .optional()
    .describe("The task is skipped unless this is true: a reference, or CEL over tasks.NAME.output and params."),
  trigger_rule: z
    .enum(triggerRules, must(`one of ${triggerRules.join(", ")}`))
    .optional()
    .describe("When it may start, judged once every task of depends_on has ended; default all_success."),
  ...conduct,
  concurrency_key: text("a reference to an argument, such as input.customer")
    .optional()
    .describe(
      "What concurrency (default 1) is counted by: an argument of the task, input.NAME; null asks for no limit.",
    ),
  fair: text("a reference to an argument, such as input.customer")
    .optional()
    .describe(
      "The argument by which the task's runs take turns, input.NAME: those of one key do not wait behind all of another.",
    ),
  rate: rateForm.optional().describe("How many may start within a time; each retry is a start."),
  on_cancel: z
    .union(
      [
        text(cleanUpText),
        z.strictObject({
          run: text("the name of a function, or a shell command").describe("The function or command."),
          timeout: positiveSpan.optional().describe("Running time of a try; default 1m."),
          attempts: whole(1, limits.attempts).optional().describe("Tries in all; default 3."),
        }),
      ],
      must(cleanUpText),
    )
    .optional()
    .describe(
      "Carried out when a run was cut off after it had begun, before it is cancelled: a function of the same file, or (process) a command.",
    ),
  reads: ids.optional().describe("Assets that it reads."),
  writes: ids.optional().describe("Assets that it writes."),
});

export const defaultsForm = z.strictObject({ executor: executor.optional(), ...code, ...conduct });

export const paramForm = z.strictObject({
  type: typeForm,
  default: z.unknown().optional().describe("Its value when it is not given; without one it must be given."),
  required: z.boolean(must("true or false")).optional().describe("false asks for a default."),
  description: text("a text").optional(),
});

const moment = (what: string) => text(`${what}, such as "2026-12-24T18:00" or "2026-12-24T18:00:00Z"`);
const oneOf = <const T extends readonly string[]>(allowed: T) => z.enum(allowed, must(`one of ${allowed.join(", ")}`));

export const tickForm = z
  .strictObject({
    const: z.unknown().optional().describe("This value."),
    ref: oneOf(["schedule.date", "schedule.time"])
      .optional()
      .describe("The tick's day, or its moment with offset, in the schedule's zone."),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

export const scheduleForm = z.strictObject({
  id: id("a name").optional().describe("Needed where there are several; the one named eu of nightly is nightly:eu."),
  cron: text("a cron").max(limits.cronCharacters).optional().describe("5, 6 or 7 fields: 0 3 * * *."),
  every: positiveSpan.optional().describe("Multiples of it, from start_at or else from 1970; at least a second."),
  at: moment("a moment").optional().describe("Once."),
  tz: text("the name of a time zone").optional().describe("Of all that it says: Europe/Berlin; default UTC."),
  params: z.record(z.string(), tickForm).optional().describe("What each run is started with."),
  catch_up: oneOf(catchUps)
    .optional()
    .describe("Ticks that were missed: latest (default) starts the newest, all each."),
  overlap: oneOf(overlaps)
    .optional()
    .describe("A tick while an earlier run is under way: allow (default), skip, wait or cancel."),
  jitter: span.optional().describe("Each tick starts up to so much later."),
  start_at: moment("a moment").optional().describe("The first moment at which a tick may lie."),
  end_at: moment("a moment").optional().describe("The last moment at which a tick may lie."),
});

const consumed = ids
  .min(1, must("the id of at least one asset"))
  .max(limits.assetsPerStart, must(`the ids of at most ${limits.assetsPerStart} assets`));
export const startOnForm = z.strictObject({
  all: consumed.optional().describe("Assets: once each has events that the workflow has not been given yet."),
  any: consumed.optional().describe("Assets: once one of them has."),
  from: oneOf(["start"])
    .optional()
    .describe("With the first events that are kept, not with those that come from now on."),
});

export const workflowForm = z.strictObject({
  name: text("a text").describe("The workflow's id: letters and digits, and _ . - / inside."),
  description: text("a text, or left out").optional(),
  params: z
    .record(z.string(), z.union([z.string(), z.tuple([typeForm]), paramForm]))
    .optional()
    .describe("What the workflow is started with: a type, or {type, default}."),
  types: z.record(z.string(), typeForm).optional().describe("Names for types, used as types.NAME."),
  defaults: defaultsForm.optional().describe("What tasks have where they say nothing else."),
  schedule: z
    .union([z.string(), scheduleForm, z.array(scheduleForm)])
    .optional()
    .describe("When it starts by itself: a cron, or {cron | every | at, tz, params, …}, or a list of these with ids."),
  start_on: startOnForm
    .optional()
    .describe("Events of assets that start it: {all: [orders, customers]} or {any: […]}; they are its params.events."),
  output: bindingForm.optional().describe("What the workflow returns; default null."),
  tasks: z.record(z.string(), taskForm).meta({ description: "The tasks by name, at least one.", minProperties: 1 }),
});

/** Keys of the language that this version does not carry out. They are refused by name. */
export const laterKeys = {
  workflow: ["on_failure", "on_success", "deadlines"],
  task: ["secrets", "on_failure", "on_success", "deadlines"],
} as const;

/** What people who come from elsewhere write, and what it is called here. */
export const foreignKeys: Readonly<Record<string, string>> = {
  id: "name", parameters: "params", vars: "params", steps: "tasks", jobs: "tasks", needs: "depends_on", dependsOn: "depends_on",
  upstream: "depends_on", run: "command", script: "command", cmd: "command", if: "when", condition: "when", run_if: "trigger_rule",
  rule: "trigger_rule", with: "inputs", args: "inputs", arguments: "inputs", for_each: "foreach", with_items: "foreach",
  map: "foreach", entrypoint: "function", type: "executor", max_retries: "retries", environment: "env", value: "const",
  from: "ref", startOn: "start_on", trigger: "start_on", triggers: "start_on", expiresAfter: "expires_after", concurrencyKey: "concurrency_key", max_active_tis_per_dag: "concurrency",
}; // biome-ignore format: one table
