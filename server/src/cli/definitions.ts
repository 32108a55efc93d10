import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type Applied, limits, type Manifest, type ScheduleView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import { type Compiled, type CompiledManifest, compileProject } from "../compile/compile.ts";
import { schemaText } from "../compile/yaml/published-schema.ts";
import type { Settings } from "../config.ts";
import { checkPythonTasks } from "../main/python-check.ts";
import { connect, namedServer } from "./connection.ts";
import { exitCodes, InvalidProject, UsageError } from "./failures.ts";
import { type CommonFlags, openProject } from "./project.ts";
import { tableText } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Compiles what the paths name, or the project's `include` without any. `isElsewhere`: it runs under the configuration of a server.
 * Throws InvalidProject.
 */
export async function compilePaths(
  terminal: Terminal,
  settings: Settings,
  paths: readonly string[],
  { signal, isElsewhere = false }: { readonly signal?: AbortSignal; readonly isElsewhere?: boolean } = {},
): Promise<Compiled> {
  const { root, include } = settings;
  const files = paths.map((path) => resolve(path));
  const folders = files.filter((file) => existsSync(file) && statSync(file).isDirectory());
  const onOutput = (text: string): void => terminal.relay(terminal.colors.dim(text.trimEnd()));
  const { connections, python } = settings;
  const options = {
    onOutput,
    python,
    ...(signal === undefined ? {} : { signal }),
    ...(isElsewhere ? {} : { connections }),
  };
  const compiled =
    paths.length === 0
      ? await compileProject({ root, include, ...options })
      : folders.length === files.length
        ? await compileProject({ root, include: folders.map((folder) => `${relativeTo(root, folder)}**`), ...options })
        : await compileProject({ root, files: await filesOf(files, folders), ...options });
  if (compiled.problems.length > 0) throw new InvalidProject(compiled.problems);
  if (compiled.manifests.length === 0) throw definesNothing(paths, compiled);
  return compiled;
}

function definesNothing(paths: readonly string[], { files }: Compiled): InvalidProject {
  const file = paths.length === 1 && files.length === 1 ? (files[0] ?? "") : "";
  const message = file === "" ? "Nothing exports a task or a workflow." : "It exports no task or workflow.";
  const hint = 'Export one: export const hello = task({ id: "hello" }, async () => "Hello");';
  return new InvalidProject([{ file, line: 0, message, hint }]);
}

/** Files as they are, and those in the folders. */
async function filesOf(paths: readonly string[], folders: readonly string[]): Promise<string[]> {
  const { findFiles } = await import("../compile/files.ts");
  const inside = await Promise.all(folders.map((folder) => findFiles(folder, ["**"])));
  return [...paths.filter((path) => !folders.includes(path)), ...inside.flatMap((chosen) => chosen.files)];
}

function relativeTo(root: string, folder: string): string {
  if (folder === root) return "";
  if (folder.startsWith(`${root}/`)) return `${folder.slice(root.length + 1)}/`;
  throw new UsageError(`${folder} lies outside of the project ${root}.`, "Run the command in the folder's project.");
}

/** `holdfast validate [PATH…]`. */
export async function validate(terminal: Terminal, paths: readonly string[], flags: CommonFlags): Promise<number> {
  const settings = await openProject(terminal, flags);
  const { manifests, files } = await compilePaths(terminal, settings, paths);
  const python = await checkPythonTasks(
    manifests.map(({ manifest }) => manifest),
    settings,
  );
  if (python.problems.length > 0) throw new InvalidProject(python.problems);
  terminal.answer({ definitions: manifests.map(summary), files, problems: [], pythons: python.pythons });
  if (manifests.length > 0) terminal.print(definitionTable(terminal, manifests));
  for (const { state, said, hint } of python.pythons) {
    if (state === "warn") terminal.note(`\n${terminal.colors.yellow("warn")} ${said}\n  ${hint ?? ""}`);
  }
  terminal.note(`\n${counted(manifests.length, "definition")} in ${counted(files.length, "file")}: no mistakes.`);
  return exitCodes.done;
}

/** `holdfast apply [PATH…]`. */
export async function apply(
  terminal: Terminal,
  paths: readonly string[],
  { prune = false, ...flags }: CommonFlags & { readonly prune?: boolean },
): Promise<number> {
  if (prune && paths.length > 0) {
    throw new UsageError("--prune is about what no file defines: it takes the whole project.", "Leave out the paths.");
  }
  const settings = await openProject(terminal, flags);
  const isElsewhere = namedServer(flags) !== undefined;
  const { manifests, schedules } = await compilePaths(terminal, settings, paths, { isElsewhere });
  const connection = await connect(terminal, flags, settings);
  try {
    const applied = await connection.plane.apply(
      manifests.map(({ manifest }) => manifest),
      schedules,
    );
    const { changed, schedules: made } = applied;
    const left = paths.length === 0 ? await leftSchedules(connection.plane, manifests) : [];
    const removed = prune ? left : [];
    for (const { id } of removed) await connection.plane.removeSchedule(id);
    terminal.answer({ ...applied, removedSchedules: removed.map(({ id }) => id) });
    terminal.print(definitionTable(terminal, manifests, new Set(changed)));
    const where = connection.kind === "embedded" ? connection.address : `the server at ${connection.address}`;
    terminal.note(`\nApplied ${counted(manifests.length, "definition")} to ${where}; ${changed.length} changed.`);
    for (const line of scheduleChanges(made)) terminal.note(line);
    if (removed.length > 0) terminal.note(`schedules removed: ${removed.map(({ id }) => id).join(", ")}`);
    else for (const line of leftLines(left)) terminal.note(line);
    return exitCodes.done;
  } finally {
    await connection.close();
  }
}

/** What an apply has done to schedules, a line each. */
export function scheduleChanges({ declared, withdrawn }: Applied["schedules"]): string[] {
  return [
    ...(declared.length === 0 ? [] : [`scheduled: ${declared.join(", ")}`]),
    ...(withdrawn.length === 0 ? [] : [`no longer scheduled: ${withdrawn.join(", ")}`]),
  ];
}

/** Of a whole project: schedules that go on though no file defines what they start. */
export async function leftSchedules(
  plane: ControlPlane,
  manifests: readonly CompiledManifest[],
): Promise<ScheduleView[]> {
  const defined = new Set(manifests.map(({ id }) => id));
  const { schedules } = await plane.listSchedules({ limit: limits.pageRows });
  return schedules.filter(({ definition }) => !defined.has(definition));
}

/** Those of them that still start something, a line each. */
export function leftLines(left: readonly ScheduleView[]): string[] {
  return left
    .filter(({ paused, next }) => !paused && next.length > 0)
    .map(
      ({ id }) => `still scheduled, though no file here defines it: ${id}; holdfast schedules remove ${id} ends that`,
    );
}

/** `holdfast manifest [FILE|ID]`: the canonical manifest, as it is hashed; with --schema what YAML workflows look like. */
export async function printManifest(
  terminal: Terminal,
  target: string | undefined,
  flags: CommonFlags & { readonly id?: string; readonly schema?: boolean },
): Promise<number> {
  if (flags.schema === true) {
    process.stdout.write(schemaText());
    return exitCodes.done;
  }
  const settings = await openProject(terminal, flags);
  const isFile = target !== undefined && looksLikeFile(target);
  const { manifests } = await compilePaths(terminal, settings, isFile ? [target] : []);
  const id = isFile ? flags.id : (target ?? flags.id);
  const chosen = id === undefined ? manifests : [findManifest(manifests, id)];
  const [only] = chosen;
  if (chosen.length === 1 && only !== undefined) {
    process.stdout.write(`${JSON.stringify(only.manifest, null, 2)}\n`);
    terminal.note(terminal.colors.dim(`sha256 ${only.hash}`));
    return exitCodes.done;
  }
  terminal.answer({ definitions: chosen.map(summary) });
  terminal.print(definitionTable(terminal, chosen));
  terminal.note("\nholdfast manifest ID prints one.");
  return exitCodes.done;
}

/** The manifest of this id. Throws UsageError. */
export function findManifest(manifests: readonly CompiledManifest[], id: string): CompiledManifest {
  const found = manifests.find((manifest) => manifest.id === id);
  if (found !== undefined) return found;
  const ids = manifests.map((manifest) => manifest.id).join(", ");
  throw new UsageError(`Nothing here has the id "${id}".`, `There are: ${ids}.`);
}

/** The one definition that a file is about: its only one, or the only one that no other of it uses. Throws UsageError. */
export function mainManifest(manifests: readonly CompiledManifest[], file: string): CompiledManifest {
  const used = new Set(manifests.flatMap(({ id, manifest }) => usedBy(manifest).filter((other) => other !== id)));
  const outermost = manifests.filter(({ id }) => !used.has(id));
  const [only] = outermost;
  if (only !== undefined && outermost.length === 1) return only;
  const ids = (outermost.length === 0 ? manifests : outermost).map(({ id }) => id).join(", ");
  throw new UsageError(`${file} has several definitions: ${ids}.`, "Name the one to run with --id ID.");
}

function usedBy(manifest: Manifest): string[] {
  return Object.keys(manifest.definitions);
}

/** True for what names a file rather than a definition. */
export function looksLikeFile(target: string): boolean {
  return (
    /\.(?:[cm]?[jt]sx?|ya?ml)$/.test(target) || target.startsWith("./") || target.startsWith("../") || isFile(target)
  );
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

interface Summary {
  readonly id: string;
  readonly kind: "task" | "workflow";
  readonly manifestHash: string;
}

function summary({ id, hash, manifest }: CompiledManifest): Summary {
  return { id, kind: manifest.definitions[id]?.kind ?? "task", manifestHash: hash };
}

function definitionTable(terminal: Terminal, manifests: readonly CompiledManifest[], changed?: Set<string>): string {
  return tableText(
    terminal,
    [
      { title: "ID", text: ({ id }) => id, shrinks: true },
      { title: "KIND", text: ({ kind }) => kind },
      { title: "SOURCE", text: ({ source }) => source, shrinks: true },
      { title: "", text: ({ id }) => (changed?.has(id) === true ? "changed" : "") },
    ],
    manifests.map((compiled) => ({ ...summary(compiled), source: sourceOf(compiled) })),
  );
}

function sourceOf({ id, manifest }: CompiledManifest): string {
  const source = manifest.definitions[id]?.source;
  if (source === undefined) return "";
  if ("service" in source) return `a job of ${source.service}`;
  return "command" in source ? source.command.replaceAll("\n", "; ") : `${source.module} ${source.export}`;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
