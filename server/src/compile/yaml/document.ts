import { type Json, type Problem, textDefect } from "@holdfast/protocol";
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type Scalar,
} from "yaml";

// A YAML text as a tree of plain values with their places. What JSON cannot say is a mistake here, once for all.

/** Lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

interface Placed extends Place {
  /** How many values stand in it, aliases written out. */
  readonly size: number;
}
export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}
export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}
export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, YamlEntry>;
}
export type YamlNode = ScalarNode | ListNode | MapNode;
export interface YamlEntry {
  /** Where the key stands. */
  readonly at: Place;
  readonly node: YamlNode;
}

/** Far more than anyone writes: aliases that multiply each other would else fill the memory. */
const mostValues = 200_000;
const deepestLevel = 100;
const shownErrors = 20;

export interface ParsedText {
  /** Undefined when the text is no YAML, or empty. */
  readonly tree: YamlNode | undefined;
  readonly problems: readonly Problem[];
}

/** Parses YAML 1.2 (core schema). `file` names the text in problems. */
export function parseYaml(text: string, file: string): ParsedText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    schema: "core",
    version: "1.2",
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
  });
  const reader = new TreeReader(lines, file);
  reader.addErrors(document);
  if (reader.problems.length > 0) return { tree: undefined, problems: reader.problems };
  const tree = document.contents === null ? undefined : reader.read(document.contents, 0);
  if (tree !== undefined && tree.size > mostValues) {
    const message = `The file stands for more than ${mostValues} values when its aliases are written out.`;
    reader.add(tree, message, "Keep large constants in files of their own, and read them in the tasks.");
    return { tree: undefined, problems: reader.problems };
  }
  return { tree, problems: reader.problems };
}

class TreeReader {
  readonly problems: Problem[] = [];
  readonly #lines: LineCounter;
  readonly #file: string;
  /** What an anchor's name stands for at this point of the text; undefined while its own node is being read. */
  readonly #anchors = new Map<string, YamlNode | undefined>();

  constructor(lines: LineCounter, file: string) {
    this.#lines = lines;
    this.#file = file;
  }

  add(at: Place, message: string, hint: string): void {
    this.problems.push({ file: this.#file, line: at.line, column: at.column, message, hint });
  }

  addErrors({ errors, warnings, directives }: Document.Parsed): void {
    const deep = errors.find(({ code }) => code === "RESOURCE_EXHAUSTION");
    const told = deep === undefined ? [...errors, ...warnings].slice(0, shownErrors) : [deep];
    for (const error of told) {
      const [message, hint] = sayings[error.code] ?? [
        sentence(error.message),
        "See https://yaml.org for the language.",
      ];
      this.add(this.#place(error.pos[0]), message, hint);
    }
    if (directives.yaml.explicit === true && directives.yaml.version !== "1.2") {
      const message = `The file says that it is YAML ${directives.yaml.version}.`;
      this.add({ line: 1, column: 1 }, message, 'Remove the line "%YAML …": files are read as YAML 1.2.');
    }
  }

  read(node: ParsedNode, depth: number): YamlNode {
    const at = this.#place(node.range[0]);
    if (depth > deepestLevel) {
      this.add(at, `The file is nested more than ${deepestLevel} deep.`, "No workflow needs that: keep data in files.");
      return nothing(at);
    }
    if (isAlias(node)) return this.#alias(node, at);
    const { anchor } = node;
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    const read = isMap(node)
      ? this.#map(node, at, depth)
      : isSeq(node)
        ? this.#list(node, at, depth)
        : this.#scalar(node, at);
    if (anchor !== undefined) this.#anchors.set(anchor, read);
    return read;
  }

  #alias({ source }: Alias, at: Place): YamlNode {
    const known = this.#anchors.get(source);
    if (known !== undefined) return known;
    if (this.#anchors.has(source))
      this.add(at, `The alias *${source} stands inside of what it names.`, "Write it out.");
    else this.add(at, `The alias *${source} names nothing above it.`, `Mark what it stands for with &${source}.`);
    return nothing(at);
  }

  #list(node: ParsedNode & { readonly items: readonly unknown[] }, at: Place, depth: number): ListNode {
    const items = node.items.map((item) => this.read(item as ParsedNode, depth + 1));
    return { kind: "list", ...at, size: sizeOf(items), items };
  }

  #map(node: ParsedNode & { readonly items: readonly unknown[] }, at: Place, depth: number): MapNode {
    const entries = new Map<string, YamlEntry>();
    for (const { key, value } of node.items as { key: ParsedNode; value: ParsedNode | null }[]) {
      const keyAt = this.#place(key.range[0]);
      const name = this.#key(key, keyAt);
      const read = value === null ? nothing(keyAt) : this.read(value, depth + 1);
      if (name === undefined) continue;
      const first = entries.get(name);
      if (first === undefined) entries.set(name, { at: keyAt, node: read });
      else
        this.add(keyAt, `The key "${name}" stands here twice (the first is on line ${first.at.line}).`, "Remove one.");
    }
    const size = sizeOf([...entries.values()].map((entry) => entry.node));
    return { kind: "map", ...at, size, entries };
  }

  #key(key: ParsedNode, at: Place): string | undefined {
    if (isScalar(key) && typeof key.value === "string") {
      if (key.value === "<<" && key.type === "PLAIN") {
        this.add(at, "YAML 1.2 has no merge key (<<).", 'Write the keys out, or use "defaults".');
        return undefined;
      }
      if (key.value !== "__proto__" && textDefect(key.value) === undefined) return key.value;
    }
    const shown = isScalar(key) ? `The key ${key.source ?? String(key.value)} is no text` : "A key is no text";
    this.add(at, `${shown}.`, "Keys are names: put other things in quotes.");
    return undefined;
  }

  #scalar(node: Scalar.Parsed, at: Place): ScalarNode {
    const { value } = node;
    const read = (known: ScalarNode["value"]): ScalarNode => ({ kind: "scalar", ...at, size: 1, value: known });
    if (value === null || typeof value === "boolean") return read(value);
    if (typeof value === "string") {
      const defect = textDefect(value);
      if (defect !== undefined)
        this.add(at, `A text contains a ${defect}, which cannot be stored.`, "Encode it, as base64.");
      return read(value);
    }
    if (typeof value === "number" && Number.isFinite(value)) {
      if (!Number.isInteger(value) || Number.isSafeInteger(value) || /[.eE]/.test(node.source)) return read(value);
      this.add(at, `The number ${node.source} has more digits than JSON numbers keep.`, "Put it in quotes, as a text.");
    } else this.add(at, `${node.source} is a value that JSON cannot say.`, "Use texts, numbers, true, false and null.");
    return read(null);
  }

  #place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function nothing(at: Place): ScalarNode {
  return { kind: "scalar", line: at.line, column: at.column, size: 1, value: null };
}

function sizeOf(nodes: readonly YamlNode[]): number {
  return nodes.reduce((sum, node) => sum + node.size, 1);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** What the parser's errors mean, where its own words say little. */
const sayings: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  TAB_AS_INDENT: ["The line is indented with a tab.", "YAML is indented with spaces only."],
  MULTIPLE_DOCS: ["A second document begins here.", "One file is one workflow: put the other into a file of its own."],
  RESOURCE_EXHAUSTION: ["The file is nested too deep.", "No workflow needs that: keep data in files."],
  BLOCK_AS_IMPLICIT_KEY: [
    "A mapping begins in the middle of a line.",
    'A text that contains ": " stands in quotes; a mapping begins on the next line.',
  ],
  BAD_SCALAR_START: ["A text begins with a character that YAML keeps for itself.", "Put the text in quotes."],
  MULTILINE_IMPLICIT_KEY: ["A key goes over several lines.", 'Is a ":" missing on the line before?'],
  TAG_RESOLVE_FAILED: [
    "A tag (!…) says of which type a value is.",
    "Remove it: types are given by input_type and output_type.",
  ],
};

/** The value as JSON. */
export function jsonOf(node: YamlNode): Json {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(jsonOf);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, jsonOf(entry.node)]));
}

/** The node at the end of a path, or the last one on the way that is there. */
export function nodeAt(node: YamlNode, path: readonly PropertyKey[]): YamlNode {
  let found = node;
  for (const step of path) {
    const next =
      found.kind === "map"
        ? found.entries.get(String(step))?.node
        : found.kind === "list"
          ? found.items[Number(step)]
          : undefined;
    if (next === undefined) break;
    found = next;
  }
  return found;
}
