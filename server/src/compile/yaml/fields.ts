import { nameHint, type Problem } from "@holdfast/protocol";
import type { z } from "zod";
import { jsonOf, type MapNode, nodeAt, type Place, type YamlEntry, type YamlNode } from "./document.ts";
import { foreignKeys } from "./form.ts";

/** The mistakes of one file. */
export class FileProblems {
  readonly found: Problem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** A line that is 0 stands for the file as a whole. */
  add({ line, column }: Place, message: string, hint: string): void {
    this.found.push({ file: this.#file, line, column, message: `${message}.`, hint });
  }
}

export interface Reading {
  /** Begins every message: `task "load"`. */
  readonly what: string;
  readonly problems: FileProblems;
}

export interface MapReading<F> extends Reading {
  readonly form: F;
  /** Keys whose values somebody else reads. */
  readonly elsewhere?: readonly string[];
  readonly later?: readonly string[];
}

type Values<F extends z.ZodObject> = { readonly [K in keyof F["shape"]]?: z.output<F["shape"][K]> };

/** What was read of a mapping: the values that are right, and where each key stands. */
export interface Fields<F extends z.ZodObject> {
  readonly values: Values<F>;
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/** Reads a mapping by its form, value by value, so that one mistake hides no other. Undefined when it is no mapping. */
export function readFields<F extends z.ZodObject>(node: YamlNode, reading: MapReading<F>): Fields<F> | undefined {
  const { form, what, problems, elsewhere = [], later = [] } = reading;
  const known = Object.keys(form.shape);
  const map = readMap(
    node,
    reading,
    `a mapping with the keys ${known.slice(0, 6).join(", ")}${known.length > 6 ? ", …" : ""}`,
  );
  if (map === undefined) return undefined;
  const values: Record<string, unknown> = {};
  const sound = new Map<string, YamlEntry>();
  for (const [key, entry] of map.entries) {
    const schema = Object.hasOwn(form.shape, key) ? form.shape[key] : undefined;
    if (schema === undefined) {
      if (later.includes(key)) problems.add(entry.at, `${what}: "${key}" is not built yet`, notBuiltHint);
      else problems.add(entry.at, `${what}: unknown key "${key}"`, unknownHint(key, known));
      continue;
    }
    if (!elsewhere.includes(key)) {
      const parsed = (schema as z.ZodType).safeParse(jsonOf(entry.node));
      if (!parsed.success) {
        addIssues(parsed.error.issues, { key, node: entry.node, what, problems });
        continue;
      }
      values[key] = parsed.data;
    }
    sound.set(key, entry);
  }
  for (const key of known) {
    if (map.entries.has(key) || (form.shape[key] as z.ZodType).safeParse(undefined).success) continue;
    problems.add(map, `${what} has no "${key}"`, `Add it: ${key}: …`);
  }
  return { values: values as Values<F>, entries: sound };
}

/** The node as a mapping; a problem, and undefined, when it is something else. */
export function readMap(node: YamlNode, { what, problems }: Reading, wanted: string): MapNode | undefined {
  if (node.kind === "map") return node;
  problems.add(node, `${what} is ${shown(node)}`, `It must be ${wanted}.`);
  return undefined;
}

function addIssues(
  issues: readonly z.core.$ZodIssue[],
  { key, node, what, problems }: Reading & { readonly key: string; readonly node: YamlNode },
): void {
  // Of several things that are wrong with one value, the first says enough.
  const told = new Set<YamlNode>();
  for (const issue of issues) {
    const at = nodeAt(node, issue.path);
    if (told.has(at)) continue;
    told.add(at);
    const path = [key, ...issue.path].join(".");
    problems.add(at, `${what}: "${path}" is ${shown(at)}`, issue.message);
  }
}

function unknownHint(key: string, known: readonly string[]): string {
  const meant = Object.hasOwn(foreignKeys, key) ? foreignKeys[key] : undefined;
  if (meant !== undefined && known.includes(meant)) return `It is called "${meant}" here.`;
  return nameHint(key, known);
}

const notBuiltHint = "Remove it: this version would not do what it asks.";

/** A value as it may stand in a message. */
export function shown(node: YamlNode): string {
  if (node.kind === "map") return node.entries.size === 0 ? "an empty mapping" : "a mapping";
  if (node.kind === "list") return node.items.length === 0 ? "an empty list" : "a list";
  if (node.value === null) return "empty";
  const text = JSON.stringify(node.value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
