import type { JsonObject, StartOn } from "@holdfast/protocol";
import { eventsDefect } from "@holdfast/sdk/definitions";
import type { YamlEntry } from "./document.ts";
import { type FileProblems, readFields } from "./fields.ts";
import { startOnForm } from "./form.ts";

// `start_on` at the top of a workflow's file: the same spec as the TypeScript option makes.

export interface StartOnReading {
  /** JSON Schema of the workflow's parameters. */
  readonly input: JsonObject | undefined;
  readonly problems: FileProblems;
}

/** Reads `{ all | any: [assets], from: start }`. Undefined where nothing is said, and after a mistake. */
export function readStartOn(entry: YamlEntry | undefined, { input, problems }: StartOnReading): StartOn | undefined {
  if (entry === undefined) return undefined;
  const what = '"start_on"';
  const fields = readFields(entry.node, { form: startOnForm, what, problems });
  if (fields === undefined) return undefined;
  const { all, any, from } = fields.values;
  const said = (key: string) => entry.node.kind === "map" && entry.node.entries.has(key);
  if (said("all") === said("any")) {
    const has = said("all") ? 'both "all" and "any"' : 'neither "all" nor "any"';
    problems.add(entry.at, `${what} has ${has}`, "Write start_on: { all: [orders, customers] }, or { any: […] }.");
    return undefined;
  }
  const assets = all ?? any;
  if (assets === undefined) return undefined;
  const twice = assets.find((id, index) => assets.indexOf(id) !== index);
  if (twice !== undefined) problems.add(entry.at, `${what} names "${twice}" twice`, "Remove one.");
  const defect = eventsDefect(input);
  if (defect !== undefined) problems.add(entry.at, defect.wrong, defect.hint);
  const mode = all === undefined ? "any" : "all";
  return { mode, assets: [...new Set(assets)].sort(), ...(from === undefined ? {} : { from }) };
}
