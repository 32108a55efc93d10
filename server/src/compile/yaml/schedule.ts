import {
  type JsonObject,
  limits,
  type ScheduleSpec,
  scheduleId,
  type TickBinding,
  type Timing,
} from "@holdfast/protocol";
import { objectOf, tickParamDefects } from "@holdfast/sdk/definitions";
import { timingDefect } from "../../ticks.ts";
import { jsonOf, type MapNode, type Place, type YamlEntry, type YamlNode } from "./document.ts";
import { type Fields, type FileProblems, readFields, readMap, shown } from "./fields.ts";
import { scheduleForm, spanMs, tickForm } from "./form.ts";

// `schedule` at the top of a workflow's file; the same specs as the TypeScript option makes.

export interface ScheduleReading {
  readonly definition: string;
  /** JSON Schema of the workflow's parameters. */
  readonly input: JsonObject | undefined;
  readonly problems: FileProblems;
}

/** Reads a cron, a mapping, or a list of mappings with ids. */
export function readSchedules(entry: YamlEntry | undefined, reading: ScheduleReading): ScheduleSpec[] {
  if (entry === undefined) return [];
  const { node } = entry;
  const { definition, problems } = reading;
  if (node.kind === "scalar" && typeof node.value === "string") {
    const id = scheduleId(definition, undefined);
    return checked(specOf({ id, definition, when: { cron: node.value } }), { node, what: '"schedule"' }, reading);
  }
  if (node.kind === "map") return readOne(node, '"schedule"', reading);
  if (node.kind !== "list") {
    const hint = 'It must be a cron such as "0 3 * * *", a mapping with cron, every or at, or a list of these.';
    problems.add(node, `"schedule" is ${shown(node)}`, hint);
    return [];
  }
  if (node.items.length > limits.schedulesPerDefinition) {
    const hint = `At most ${limits.schedulesPerDefinition} are allowed.`;
    problems.add(node, `"schedule" has ${node.items.length} of them`, hint);
    return [];
  }
  const specs = node.items.flatMap((item, index) => readListed(item, `"schedule.${index}"`, reading));
  const ids = new Set<string>();
  for (const [index, { id }] of specs.entries()) {
    if (ids.has(id)) problems.add(node.items[index] ?? node, `two schedules have the id "${id}"`, "Rename one.");
    ids.add(id);
  }
  return specs;
}

function readListed(item: YamlNode, what: string, reading: ScheduleReading): ScheduleSpec[] {
  const map = readMap(item, { what, problems: reading.problems }, "a mapping with id, and cron, every or at");
  if (map === undefined) return [];
  if (!map.entries.has("id")) reading.problems.add(map, `${what} has no "id"`, "Several schedules have names: id: eu.");
  return readOne(map, what, reading);
}

function readOne(map: MapNode, what: string, reading: ScheduleReading): ScheduleSpec[] {
  const { definition, problems } = reading;
  const mistakes = problems.found.length;
  const fields = readFields(map, { form: scheduleForm, what, problems, elsewhere: ["params"] });
  if (fields === undefined) return [];
  const { values, entries } = fields;
  const when = timingOf(fields, map, { what, problems });
  if (values.jitter !== undefined && spanMs(values.jitter) > limits.jitterMs) {
    problems.add(
      entries.get("jitter")?.node ?? map,
      `${what}: "jitter" is longer than a day`,
      "At most a day is allowed.",
    );
  }
  const params = readParams(entries.get("params"), `${what}: "params"`, problems);
  // What follows from a mistake is none of its own.
  if (when === undefined || problems.found.length > mistakes) return [];
  const spec = specOf({
    id: scheduleId(definition, values.id),
    definition,
    when,
    ...(values.tz === undefined ? {} : { tz: values.tz }),
    ...(params === undefined ? {} : { params }),
    ...(values.catch_up === undefined ? {} : { catchUp: values.catch_up }),
    ...(values.overlap === undefined ? {} : { overlap: values.overlap }),
    ...(values.jitter === undefined ? {} : { jitterMs: Math.min(limits.jitterMs, spanMs(values.jitter)) }),
    ...(values.start_at === undefined ? {} : { startAt: values.start_at }),
    ...(values.end_at === undefined ? {} : { endAt: values.end_at }),
  });
  return checked(spec, { node: map, what, entries }, reading);
}

function specOf(said: Partial<ScheduleSpec> & Pick<ScheduleSpec, "id" | "definition" | "when">): ScheduleSpec {
  return { tz: "UTC", params: { const: {} }, catchUp: "latest", overlap: "allow", jitterMs: 0, ...said };
}

function timingOf(
  { values, entries }: Fields<typeof scheduleForm>,
  map: MapNode,
  { what, problems }: { readonly what: string; readonly problems: FileProblems },
): Timing | undefined {
  const given = ["cron", "every", "at"].filter((key) => map.entries.has(key));
  if (given.length !== 1) {
    const says = given.length === 0 ? "says not when" : `says ${given.map((key) => `"${key}"`).join(" and ")}`;
    problems.add(map, `${what} ${says}`, 'Write exactly one: cron: "0 3 * * *", every: 15m or at: "2026-12-24T18:00".');
    return undefined;
  }
  if (values.every !== undefined) {
    const everyMs = spanMs(values.every);
    if (everyMs >= 1_000) return { everyMs };
    const place: Place = entries.get("every")?.node ?? map;
    problems.add(place, `${what}: "every" is shorter than a second`, "Ticks are a second apart at least.");
    return undefined;
  }
  if (values.at !== undefined) return { at: values.at };
  return values.cron === undefined ? undefined : { cron: values.cron };
}

function readParams(entry: YamlEntry | undefined, what: string, problems: FileProblems): TickBinding | undefined {
  const map = entry && readMap(entry.node, { what, problems }, "a mapping of parameters");
  if (map === undefined) return undefined;
  const fields = [...map.entries].flatMap(([name, { node }]) => {
    const binding = readParam(node, `${what}.${name}`, problems);
    return binding === undefined ? [] : [[name, binding] as const];
  });
  return objectOf(fields);
}

function readParam(node: YamlNode, what: string, problems: FileProblems): TickBinding | undefined {
  if (node.kind !== "map") {
    problems.add(node, `${what} is ${shown(node)}`, "It must be const: VALUE or ref: schedule.date.");
    return undefined;
  }
  const fields = readFields(node, { form: tickForm, what, problems, elsewhere: ["const"] });
  if (fields === undefined) return undefined;
  const { values, entries } = fields;
  const value = entries.get("const");
  if (node.entries.size !== 1) {
    problems.add(node, `${what} has ${node.entries.size} keys`, "It must be const: VALUE or ref: schedule.date.");
    return undefined;
  }
  if (value !== undefined) return { const: jsonOf(value.node) };
  return values.ref === undefined ? undefined : { tick: values.ref === "schedule.date" ? "date" : "time" };
}

const keyOf = { cron: "cron", every: "every", at: "at", tz: "tz", startAt: "start_at", endAt: "end_at" } as const;

interface Written {
  readonly node: YamlNode;
  readonly what: string;
  readonly entries?: ReadonlyMap<string, YamlEntry>;
}

/** The schedule, unless its moments or parameters are wrong. */
function checked(spec: ScheduleSpec, { node, what, entries }: Written, reading: ScheduleReading): ScheduleSpec[] {
  const { problems, input } = reading;
  const defect = timingDefect(spec);
  if (defect !== undefined) {
    const key = keyOf[defect.part];
    problems.add(entries?.get(key)?.node ?? node, `${what}: "${key}": ${defect.message}`, defect.hint);
    return [];
  }
  const place: Place = entries?.get("params")?.node ?? node;
  const defects = tickParamDefects(spec.params, input, `${what}: "params"`);
  for (const { message, hint } of defects) problems.add(place, message, hint);
  return defects.length === 0 ? [spec] : [];
}
