import {
  type Binding,
  catchUps,
  isScheduleName,
  type Json,
  type JsonObject,
  limits,
  overlaps,
  type ScheduleSpec,
  scheduleId,
  type TickBinding,
  type Timing,
  textDefect,
} from "@holdfast/protocol";
import { BindingCheck } from "./binding-check.ts";
import { expressionData } from "./cel.ts";
import { levelsDefect } from "./constant-levels.ts";
import { definitionData } from "./definition.ts";
import { OptionReader, show } from "./options.ts";
import { referenceData } from "./reference.ts";
import { tickData } from "./schedule.ts";
import { type Shape, type StepDefect, unknownShape } from "./shape.ts";
import type { Position } from "./source-position.ts";

// Reads the option `schedule`.

/** What is wrong with the moments that a schedule names; the libraries for it belong to the compiler, the SDK carries none. */
export type InspectTiming = (
  timing: Pick<ScheduleSpec, "when" | "tz" | "startAt" | "endAt">,
) => (StepDefect & { readonly part: string }) | undefined;

export interface ScheduleReading {
  readonly definition: string;
  /** Begins every message: `workflow "nightly"`. */
  readonly what: string;
  readonly at: Position | undefined;
  /** JSON Schema of the definition's input, where there is one. */
  readonly input: JsonObject | undefined;
  readonly inspectTiming: InspectTiming;
}

const timingOptions = ["cron", "every", "at"];
const known = [...timingOptions, "tz", "params", "catchUp", "overlap", "jitter", "startAt", "endAt"];

/** The schedules of a definition. Mistakes are added to `problems` of the reader that is answered. */
export function readSchedules(
  value: unknown,
  reading: ScheduleReading,
): { specs: ScheduleSpec[]; reader: OptionReader } {
  const reader = new OptionReader({}, reading.what, reading.at);
  if (value === undefined) return { specs: [], reader };
  if (!Array.isArray(value)) return { specs: [readOne(value, undefined, reading, reader)], reader };
  if (value.length > limits.schedulesPerDefinition) {
    reader.add(`it has ${value.length} schedules`, `At most ${limits.schedulesPerDefinition} are allowed.`);
    return { specs: [], reader };
  }
  const names = new Set<string>();
  const specs = value.map((item: unknown, index) => {
    const id: unknown = typeof item === "object" && item !== null && "id" in item ? item.id : undefined;
    const name = typeof id === "string" ? id : String(index);
    if (typeof id !== "string" || !isScheduleName(id)) {
      reader.add(
        `"schedule[${index}]" has ${id === undefined ? "no id" : `the id ${show(id)}`}`,
        'Several schedules have names: { id: "eu", cron: … }, of letters and digits, and _ . - / inside.',
      );
    } else if (names.has(name)) reader.add(`two schedules have the id "${name}"`, "Rename one.");
    names.add(name);
    return readOne(item, name, reading, reader);
  });
  return { specs, reader };
}

function readOne(value: unknown, name: string | undefined, reading: ScheduleReading, all: OptionReader): ScheduleSpec {
  const what = name === undefined ? "schedule" : `schedule "${name}"`;
  const read = new OptionReader(value, `${reading.what}: ${what}`, reading.at);
  read.onlyKnown(name === undefined ? known : ["id", ...known]);
  const startAt = readMoment(read, "startAt");
  const endAt = readMoment(read, "endAt");
  const params = readParams(read.value("params"), read);
  const spec: ScheduleSpec = {
    id: scheduleId(reading.definition, name),
    definition: reading.definition,
    when: readTiming(read),
    tz: read.text("tz") ?? "UTC",
    params: params ?? { const: {} },
    catchUp: read.oneOf("catchUp", catchUps) ?? "latest",
    overlap: read.oneOf("overlap", overlaps) ?? "allow",
    jitterMs: read.duration("jitter", { mayBeZero: true }) ?? 0,
    ...(startAt === undefined ? {} : { startAt }),
    ...(endAt === undefined ? {} : { endAt }),
  };
  if (spec.jitterMs > limits.jitterMs) read.add('"jitter" is longer than a day', "At most a day is allowed.");
  if (read.problems.found.length === 0) {
    const defect = reading.inspectTiming(spec);
    if (defect !== undefined) read.add(`"${defect.part}": ${defect.message}`, defect.hint);
    for (const { message, hint } of tickParamDefects(spec.params, reading.input, '"params"')) read.add(message, hint);
  }
  all.problems.found.push(...read.problems.found);
  return spec;
}

function readTiming(read: OptionReader): Timing {
  const given = timingOptions.filter((name) => read.value(name) !== undefined);
  if (given.length !== 1) {
    const says = given.length === 0 ? "it says not when" : `it says ${given.map((name) => `"${name}"`).join(" and ")}`;
    read.add(says, 'Write exactly one: { cron: "0 3 * * *" }, { every: "15m" } or { at: "2026-12-24T18:00" }.');
  }
  if (given[0] === "every") {
    const everyMs = read.duration("every") ?? 1_000;
    if (everyMs < 1_000) read.add('"every" is shorter than a second', "Ticks are a second apart at least.");
    return { everyMs };
  }
  if (given[0] === "at") return { at: readMoment(read, "at") ?? "" };
  const cron = read.text("cron") ?? "";
  if (cron.length > limits.cronCharacters)
    read.add(`"cron" has ${cron.length} characters`, `At most ${limits.cronCharacters} are allowed.`);
  return { cron };
}

function readMoment(read: OptionReader, name: string): string | undefined {
  const value = read.value(name);
  if (!(value instanceof Date)) return read.text(name);
  if (!Number.isNaN(value.getTime())) return value.toISOString();
  read.add(`"${name}" is an invalid Date`, "Pass a valid Date, or a text.");
  return undefined;
}

function readParams(value: unknown, read: OptionReader): TickBinding | undefined {
  return readValue(value, { read, text: '"params"', above: [] });
}

interface ValuePlace {
  readonly read: OptionReader;
  readonly text: string;
  /** What it stands in, the outermost first. */
  readonly above: readonly unknown[];
}

/** Undefined for what JSON leaves out. */
function readValue(value: unknown, { read, text, above }: ValuePlace): TickBinding | undefined {
  const refuse = (message: string, hint: string): TickBinding => {
    read.add(message, hint);
    return { const: null };
  };
  const levels = levelsDefect(value, text, above);
  if (levels !== undefined) return refuse(levels.message, levels.hint);
  const tick = tickData(value);
  if (tick !== undefined) return { tick };
  const foreign = foreignValue(value);
  if (foreign !== undefined) return refuse(`${text} is ${foreign}`, "Write values, schedule.date and schedule.time.");
  if (value === undefined) return undefined;
  if (value === null || typeof value === "boolean") return { const: value };
  if (typeof value === "number" && Number.isFinite(value)) return { const: value };
  if (typeof value === "string") {
    const defect = textDefect(value);
    return defect === undefined
      ? { const: value }
      : refuse(`${text} contains a ${defect}`, "It cannot be stored: encode it.");
  }
  if (value instanceof Date && !Number.isNaN(value.getTime())) return { const: value.toISOString() };
  const within = [...above, value];
  if (Array.isArray(value)) {
    const place = (index: number): ValuePlace => ({ read, text: `${text}[${index}]`, above: within });
    return listOf(value.map((item: unknown, index) => readValue(item, place(index)) ?? { const: null }));
  }
  if (typeof value !== "object" || isUnplain(value))
    return refuse(`${text} is ${show(value)}`, "Write what JSON can say.");
  const fields = Object.entries(value).flatMap(([name, item]) => {
    const field = readValue(item, { read, text: `${text}.${name}`, above: within });
    return field === undefined ? [] : [[name, field] as const];
  });
  return objectOf(fields);
}

function isUnplain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/** What belongs into the graph of a workflow. */
function foreignValue(value: unknown): string | undefined {
  const reference = referenceData(value);
  if (reference !== undefined) return `a reference, ${reference.text}`;
  if (expressionData(value) !== undefined) return "an expression";
  const definition = definitionData(value);
  return definition === undefined ? undefined : `the ${definition.kind} "${definition.id}" itself`;
}

/** A list of bindings as one; all constants are one constant. */
export function listOf(items: readonly TickBinding[]): TickBinding {
  const values = items.flatMap((item) => ("const" in item ? [item.const] : []));
  return values.length === items.length ? { const: values } : { list: items };
}

/** Fields as one binding; all constants are one constant. */
export function objectOf(fields: readonly (readonly [string, TickBinding])[]): TickBinding {
  const values = fields.flatMap(([name, field]) => ("const" in field ? [[name, field.const] as const] : []));
  if (values.length < fields.length) return { object: fromEntries(fields) };
  return { const: fromEntries<Json>(values) };
}

/** As Object.fromEntries, which would make `__proto__` a prototype in what is assigned later. */
function fromEntries<T>(entries: readonly (readonly [string, T])[]): { readonly [key: string]: T } {
  const object: { [key: string]: T } = {};
  for (const [name, value] of entries) Object.defineProperty(object, name, { value, enumerable: true });
  return object;
}

/** What does not fit the JSON Schema of the definition's input, as far as it can be told before a tick. */
export function tickParamDefects(
  params: TickBinding,
  input: JsonObject | undefined,
  text: string,
): readonly StepDefect[] {
  if (input === undefined) return [];
  const check = new BindingCheck(input, shapeOf);
  check.check(sampleOf(params), input, text);
  return check.defects.map(({ message, hint }) => ({
    message,
    hint: message.includes(" lacks ") ? `${hint} A schedule has to say every required parameter.` : hint,
  }));
}

const samples = { date: "2026-01-01", time: "2026-01-01T00:00:00Z" } as const;

/** The binding with an example of each tick's value. */
function sampleOf(params: TickBinding): Binding {
  if ("tick" in params) return { const: samples[params.tick] };
  if ("list" in params) return { list: params.list.map(sampleOf) };
  if (!("object" in params)) return params;
  return { object: fromEntries(Object.entries(params.object).map(([name, item]) => [name, sampleOf(item)] as const)) };
}

function shapeOf(binding: Binding): Shape {
  if ("const" in binding) return { kind: "const", value: binding.const };
  if ("list" in binding) return { kind: "tuple", items: binding.list.map(shapeOf) };
  if (!("object" in binding)) return unknownShape;
  return {
    kind: "fields",
    fields: new Map(Object.entries(binding.object).map(([name, item]) => [name, shapeOf(item)])),
  };
}
