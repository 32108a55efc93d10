import { accessSync, constants, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type JobCode, nameHint, type TaskCode } from "@holdfast/protocol";
import type { CodeFields, CodeReading } from "./code-reading.ts";
import type { YamlExecutor } from "./form.ts";
import { readJob } from "./job-code.ts";
import { isFile, localFile, localName } from "./local-file.ts";

// Where a task's code is: the keys `file`, `module`, `function` and `command`, which depend on the executor. Those of executors whose
// work is an external job are read in job-code.ts.

const keysOf: Readonly<Record<YamlExecutor, readonly (keyof CodeFields)[]>> = {
  python: ["file", "module", "function"],
  typescript: ["file", "function"],
  process: ["command", "file"],
  cloudrun: ["job", "connection", "options"],
  http: ["url", "connection", "options"],
  kubernetes: ["job", "image", "connection", "options"],
};
const neededOf: Readonly<Record<YamlExecutor, readonly (keyof CodeFields)[]>> = {
  python: ["file", "module"],
  typescript: ["file"],
  process: ["command", "file"],
  cloudrun: ["job"],
  http: ["url"],
  kubernetes: ["job", "image"],
};
const allKeys = [
  "file", "module", "function", "command", "job", "url", "image", "connection", "options",
] as const; // biome-ignore format: one list

/** The task's code as the manifest names it. Undefined for a mistake. */
export function readCode(
  executor: YamlExecutor,
  fields: CodeFields,
  reading: CodeReading,
): TaskCode | JobCode | undefined {
  const { entries, what, problems, at } = reading;
  let isSound = true;
  for (const key of allKeys) {
    const entry = entries.get(key);
    if (entry === undefined || keysOf[executor].includes(key)) continue;
    const hint = `The executor ${executor} takes ${keysOf[executor].join(", ")}.`;
    problems.add(entry.at, `${what}: "${key}" means nothing to the executor ${executor}`, hint);
    isSound = false;
  }
  const needed = neededOf[executor];
  const given = needed.filter((key) => fields[key] !== undefined);
  if (given.length !== 1 && needed.some((key) => entries.has(key) && fields[key] === undefined)) return undefined;
  if (given.length === 0) {
    problems.add(
      at,
      `${what} has no ${needed.map((key) => `"${key}"`).join(" or ")}`,
      `The executor ${executor} needs it.`,
    );
  } else if (given.length > 1) {
    const [, second = ""] = given;
    problems.add(
      entries.get(second)?.at ?? at,
      `${what} has both ${given.map((key) => `"${key}"`).join(" and ")}`,
      "Remove one.",
    );
  }
  if (!isSound || given.length !== 1) return undefined;
  if (executor === "typescript") return readTypescript(fields, reading);
  if (executor === "python") return readPython(fields, reading);
  return executor === "process" ? readProcess(fields, reading) : readJob(executor, fields, reading);
}

function readTypescript(fields: CodeFields, reading: CodeReading): TaskCode | undefined {
  const module = localFile("file", fields.file ?? "", reading);
  if (module === undefined) return undefined;
  if (/\.(?:ts|tsx|mts|js|mjs|jsx)$/.test(module)) {
    return { executor: "typescript", source: { module, export: fields.function ?? reading.task } };
  }
  const at = reading.entries.get("file")?.node ?? reading.at;
  reading.problems.add(
    at,
    `${reading.what}: "${module}" is no TypeScript or JavaScript`,
    "Name a .ts, .mts, .js or .mjs file.",
  );
  return undefined;
}

function readPython(fields: CodeFields, reading: CodeReading): TaskCode | undefined {
  const name = fields.function ?? "main";
  const source =
    fields.module === undefined ? pythonFile(fields.file ?? "", reading) : pythonModule(fields.module, reading);
  if (source === undefined) return undefined;
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    const at = reading.entries.get("function")?.node ?? reading.at;
    reading.problems.add(
      at,
      `${reading.what}: "function" is "${name}"`,
      "It must be the name of a function of the module.",
    );
    return undefined;
  }
  checkPythonName(source, name, reading);
  return { executor: "python", source: { module: source.module, export: name } };
}

interface PythonPlace {
  readonly module: string;
  /** Absolute; undefined for a module that is installed. */
  readonly path: string | undefined;
}

function pythonFile(file: string, reading: CodeReading): PythonPlace | undefined {
  const module = localFile("file", file, reading);
  if (module === undefined) return undefined;
  if (module.endsWith(".py")) return { module, path: join(reading.root, module) };
  const at = reading.entries.get("file")?.node ?? reading.at;
  reading.problems.add(at, `${reading.what}: "${module}" is no Python`, "Name a .py file.");
  return undefined;
}

/** Modules are looked for beside the workflow's file, as its files are; what is not there is left to the interpreter. */
function pythonModule(name: string, reading: CodeReading): PythonPlace | undefined {
  if (!/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(name)) {
    const at = reading.entries.get("module")?.node ?? reading.at;
    const hint = /[/\\]|\.py$/.test(name) ? `Write file: ${name}` : "A module is named with dots: shop.clean.";
    reading.problems.add(at, `${reading.what}: "module" is "${name}"`, hint);
    return undefined;
  }
  const folder = dirname(reading.workflowFile);
  const base = join(folder, ...name.split("."));
  const path = [`${base}.py`, join(base, "__init__.py")].find((candidate) => isFile(candidate));
  if (path === undefined || relative(reading.root, folder) === "") return { module: name, path };
  return { module: localName(reading.root, path), path };
}

/** Says so when the file plainly has no such name; only Python itself knows what an import brings. */
export function checkPythonName(
  { path }: PythonPlace,
  name: string,
  reading: Omit<CodeReading, "connections">,
  key = "function",
): void {
  if (path === undefined) return;
  const text = readFileSync(path, "utf8");
  if (new RegExp(`\\b${name}\\b`).test(text) || /^\s*from\s.*\simport\s+\*/m.test(text)) return;
  const functions = [...text.matchAll(/^(?:async\s+)?def\s+(\w+)/gm)].map(([, found = ""]) => found);
  const entry = reading.entries.get(key);
  const place = entry?.node ?? reading.at;
  const said = entry === undefined ? ' ("function" is main when it is left out)' : "";
  reading.problems.add(
    place,
    `${reading.what}: ${localName(reading.root, path)} has no function "${name}"${said}`,
    nameHint(name, functions),
  );
}

/** Commands run in the project's root; the paths of a workflow's file are relative to the file. */
export function commandOf(command: string, reading: Pick<CodeReading, "root" | "workflowFile">): string {
  const folder = localName(reading.root, dirname(reading.workflowFile));
  return folder === "" ? command : `cd ${quoted(folder)} || exit\n${command}`;
}

function readProcess(fields: CodeFields, reading: CodeReading): TaskCode | undefined {
  const folder = localName(reading.root, dirname(reading.workflowFile));
  if (fields.command !== undefined) {
    return { executor: "process", source: { command: commandOf(fields.command, reading) } };
  }
  const file = localFile("file", fields.file ?? "", reading);
  if (file === undefined) return undefined;
  try {
    accessSync(join(reading.root, file), constants.X_OK);
  } catch {
    const at = reading.entries.get("file")?.node ?? reading.at;
    reading.problems.add(
      at,
      `${reading.what}: "${file}" may not be executed`,
      `Run: chmod +x ${file}; or write command: sh ${file}`,
    );
    return undefined;
  }
  const inFolder =
    folder === "" ? file : file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : relative(folder, file);
  const start = quoted(inFolder.startsWith("../") ? inFolder : `./${inFolder}`);
  return { executor: "process", source: { command: folder === "" ? start : `cd ${quoted(folder)} || exit\n${start}` } };
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
