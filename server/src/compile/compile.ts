import { isAbsolute, relative, sep } from "node:path";
import { canonicalText, limits, type Manifest, type Problem, type ScheduleSpec, utf8Bytes } from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import { findFiles, namedFiles } from "./files.ts";
import { type CompileProcessOptions, runCompileProcess } from "./process.ts";

export interface CompileOptions extends CompileProcessOptions {
  /** Absolute. Modules are named relative to it. */
  readonly root: string;
  /** Globs relative to the root. */
  readonly include?: readonly string[];
  /** Instead of globs: these files, each of which must export a definition. */
  readonly files?: readonly string[];
  /** Connections of the configuration under which it runs: others cannot be named. Absent: names of connections are not looked up. */
  readonly connections?: Readonly<Record<string, unknown>>;
  /** The configured Python, for what Python tasks declare of their state. */
  readonly python?: string | undefined;
}

export interface CompiledManifest {
  readonly id: string;
  /** SHA-256 of the canonical manifest, in hexadecimal. */
  readonly hash: string;
  readonly manifest: Manifest;
}

export interface Compiled {
  /** One for each exported definition, in order of their ids; empty when there are problems. */
  readonly manifests: readonly CompiledManifest[];
  /** When they start by themselves; empty when there are problems. */
  readonly schedules: readonly ScheduleSpec[];
  /** Every mistake; files relative to the root where they lie in it. */
  readonly problems: readonly Problem[];
  /** The files that were read, imports included, relative to the root, with `/`, in order. */
  readonly files: readonly string[];
}

/** Compiles a project's definitions in a process of its own. Mistakes are answered, not thrown. */
export async function compileProject(options: CompileOptions): Promise<Compiled> {
  const { root } = options;
  const chosen =
    options.files === undefined ? await findFiles(root, options.include ?? []) : namedFiles(root, options.files);
  const files = chosen.files.map((file) => localName(root, file));
  if (chosen.problems.length > 0) return failed(localProblems(root, chosen.problems), files);
  const named = options.files === undefined ? [] : [...chosen.files];
  const connections = options.connections && { connections: Object.keys(options.connections) };
  const python = options.python === undefined ? {} : { python: options.python };
  const question = { root, files: [...chosen.files], named, ...connections, ...python };
  const answer = await runCompileProcess({ kind: "definitions", ...question }, options);
  if (answer.kind !== "definitions") {
    const { file, message, hint } = answer.kind === "none" ? answer : wrongAnswer;
    return failed(localProblems(root, [{ file, line: 0, message, hint }]), files);
  }
  const manifests = answer.manifests.map((manifest) => ({
    id: manifest.root,
    hash: canonicalHash(manifest),
    manifest,
  }));
  const problems = [...localProblems(root, answer.problems), ...manifests.flatMap(tooLarge)];
  const read = [...files, ...answer.loaded.map((file) => localName(root, file))];
  const made = problems.length > 0 ? { manifests: [], schedules: [] } : { manifests, schedules: answer.schedules };
  return { ...made, problems, files: [...new Set(read)].sort() };
}

function failed(problems: readonly Problem[], files: readonly string[]): Compiled {
  return { manifests: [], schedules: [], problems, files };
}

/** A question about definitions that was answered with a configuration, or the other way round. */
export const wrongAnswer = { file: "", message: "The compile process gave a wrong answer.", hint: "" };

function tooLarge({ id, manifest }: CompiledManifest): Problem[] {
  const bytes = utf8Bytes(canonicalText(manifest));
  if (bytes <= limits.manifestBytes) return [];
  const message = `The manifest of "${id}" has ${bytes} bytes; at most ${limits.manifestBytes} are allowed.`;
  return [{ file: "", line: 0, message, hint: "Keep large constants in files, and split large workflows." }];
}

/** In order of file and line, each once, with names relative to the root. */
export function localProblems(root: string, problems: readonly Problem[]): Problem[] {
  const local = problems.map((problem) => ({ ...problem, file: localName(root, problem.file) }));
  local.sort((a, b) =>
    a.file === b.file ? a.line - b.line || (a.column ?? 0) - (b.column ?? 0) : a.file < b.file ? -1 : 1,
  );
  const seen = new Set<string>();
  return local.filter((problem) => {
    const key = JSON.stringify(problem);
    return !seen.has(key) && seen.add(key);
  });
}

function localName(root: string, file: string): string {
  if (!isAbsolute(file)) return file;
  const name = relative(root, file);
  return name.startsWith("..") || isAbsolute(name) ? file : name.split(sep).join("/");
}
